"""Reports: what is counted, what is proposed and what is not, and what a policy would have said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core import reporting
from holdfast.core.policies import Case, Match, Policy, Rule, by_rules
from holdfast.core.policy_text import parse
from holdfast.core.reporting import EVIDENCE_MIN, SESSIONS_MIN, PastCall


def call(number: int = 0, **fields: Any) -> PastCall:
    given: dict[str, Any] = {
        "interrupt": f"i_{number}",
        "session": f"s{number % SESSIONS_MIN}",
        "tool": "refund",
        "input": {"amount": number, "to": "bob"},
        "outcome": "approved",
        "by_person": True,
        "latency_ms": 1_000 * number,
    }
    return PastCall(**(given | fields))


ENOUGH = [call(number) for number in range(1, EVIDENCE_MIN + 1)]


def test_how_calls_ended() -> None:
    calls = [
        call(1),
        call(2, edited=True),
        call(3, outcome="denied"),
        call(4, outcome="expired", by_person=False),
        call(5, by_person=False),
        call(6, outcome="superseded", by_person=False),
    ]
    found = reporting.counts(calls)
    assert (found.asked, found.approved, found.edited, found.denied, found.timed_out, found.other) == (6, 2, 1, 1, 2, 1)
    assert found.median_ms == 2_000
    assert reporting.counts([]).median_ms is None


def test_a_tool_has_its_ranges() -> None:
    [told] = reporting.tools(ENOUGH)
    assert [(one.argument, one.low, one.high, one.counts.asked) for one in told.ranges] == [
        ("amount", 1, 5, 5),
        ("amount", 6, 10, 5),
        ("amount", 11, 15, 5),
        ("amount", 16, 20, 5),
    ]


def test_clear_evidence_is_a_rule() -> None:
    refused = call(90, outcome="denied", input={"amount": 50, "to": "bob"})
    [told] = reporting.proposals([*ENOUGH, refused])
    assert told.evidence == '20 of 20 calls of "refund" with "amount" from 1 to 20, in 3 sessions, were approved'
    [rule] = parse(told.toml, "x").rules
    assert rule == Rule(action="auto_approve", match=Match(tool="refund", input={"amount": {"gte": 1, "lte": 20}}))


@pytest.mark.parametrize(
    "calls",
    [
        ENOUGH[1:],
        [replace(one, session="s1") for one in ENOUGH],
        [*ENOUGH, call(0, outcome="denied")],
        [*ENOUGH, call(0, outcome="expired", by_person=False)],
        [*ENOUGH, call(0, edited=True)],
        [*ENOUGH, call(0, outcome="withdrawn")],
        [replace(one, by_person=False) for one in ENOUGH],
        [replace(one, tool="refund*") for one in ENOUGH],
        [replace(one, input={"amount": {"value": 1}}) for one in ENOUGH],
    ],
    ids=["thin", "one case", "denied", "expired", "edited", "taken back", "deadlines", "a glob", "no plain argument"],
)
def test_thin_or_mixed_evidence_is_none(calls: list[PastCall]) -> None:
    assert reporting.proposals(calls) == []


def test_by_text_and_without_arguments() -> None:
    told = [replace(one, input={"to": f"{'a' if n % 2 else 'b'}"}) for n, one in enumerate([*ENOUGH, *ENOUGH])]
    assert [one.calls for one in reporting.proposals(told)] == [20, 20]
    mixed = [*told, call(1, input={"to": "a"}, outcome="denied")]
    assert ['"b"' in one.toml for one in reporting.proposals(mixed)] == [True]
    [bare] = reporting.proposals([replace(one, input={}) for one in ENOUGH])
    assert parse(bare.toml, "x").rules[0].match == Match(tool="refund")


outcomes = st.sampled_from(["approved"] * 30 + ["denied", "expired"])
values = st.one_of(st.integers(-100, 100), st.floats(-1e9, 1e9, allow_nan=False))


@given(st.lists(st.tuples(values, st.text(max_size=3), outcomes), min_size=20, max_size=60), st.text(min_size=1))
def test_a_proposed_rule_never_says_yes_where_people_did_not(rows: list[tuple[Any, str, Any]], tool: str) -> None:
    calls = [
        call(number, tool=tool, input={"amount": amount, "to": to}, outcome=outcome, by_person=outcome != "expired")
        for number, (amount, to, outcome) in enumerate(rows)
    ]
    for told in reporting.proposals(calls):
        policy = parse(told.toml, "x")
        fitting = [one for one in calls if by_rules([policy], Case(tool=one.tool, input=one.input)) is not None]
        assert len(fitting) == told.calls
        assert all(one.clean for one in fitting)


def test_what_a_policy_would_have_said() -> None:
    policy = Policy(
        rules=[
            Rule(action="auto_approve", match=Match(input={"amount": {"lte": 10}}), name="small"),
            Rule(action="require_approval", match=Match(input={"amount": {"gt": 10, "lt": 20}})),
            Rule(action="auto_deny", match=Match(input={"amount": {"gte": 20}}), name="large"),
        ]
    )
    told = reporting.tried(policy, [*ENOUGH, call(5, interrupt="i_x", outcome="denied")])
    assert [(one.verdict, one.rule, one.outcome, one.calls, one.against) for one in told] == [
        ("deny", "large", "approved", 1, True),
        ("allow", "small", "denied", 1, True),
        ("allow", "small", "approved", 10, False),
    ]
    assert told[1].examples == ("i_x",)


SHOWN = [
    call(1, reviewed="small", outcome="right"),
    call(2, reviewed="small", outcome="wrong"),
    call(3, reviewed="small", outcome="expired", by_person=False),
    call(4, reviewed="grant g_1.s", outcome="right"),
]


def test_what_was_shown_afterwards_is_told_beside_the_rest() -> None:
    small, grant = reporting.reviewed([*SHOWN, *ENOUGH])
    assert (small.rule, small.shown, small.right, small.wrong, small.unseen) == ("small", 3, 1, 1, 1)
    assert small.examples == ("i_2",)
    assert (grant.rule, grant.shown, grant.right) == ("grant g_1.s", 1, 1)
    assert reporting.tools(SHOWN) == []


def test_no_rule_is_proposed_where_something_was_wrong_afterwards() -> None:
    found = reporting.proposals(ENOUGH)
    assert found
    assert reporting.proposals([*ENOUGH, *SHOWN[:1], *SHOWN[2:]]) == found
    assert reporting.proposals([*ENOUGH, call(5, reviewed="small", outcome="wrong")]) == []


def test_a_policy_is_held_against_what_was_said_afterwards() -> None:
    allow, deny = (Policy(rules=[Rule(name="r", action=action)]) for action in ("auto_approve", "auto_deny"))
    assert [(one.outcome, one.against) for one in reporting.tried(allow, SHOWN)] == [("wrong", True), ("right", False)]
    assert [(one.outcome, one.against) for one in reporting.tried(deny, SHOWN)] == [("right", True), ("wrong", False)]
