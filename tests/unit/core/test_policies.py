"""Policies: the stricter wins, and only `False` itself lets a call pass unasked (promise 7)."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.policies import (
    Action,
    Case,
    Judged,
    Match,
    Policy,
    Rule,
    Verdict,
    by_rules,
    deciding,
    judge,
    of_setting,
    reviewers,
    rulings,
    sampled_share,
    strictest,
    waiting,
)

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(VERDICTS, VERDICTS)))
def test_the_stricter_wins_in_any_order(one: Verdict, other: Verdict) -> None:
    order = ["allow", "ask", "deny"]
    expected = max(one, other, key=order.index)
    assert strictest(one, other) == strictest(other, one) == expected


def test_nobody_having_said_anything_means_ask() -> None:
    assert strictest() == "ask"


@pytest.mark.parametrize("default", VERDICTS)
def test_only_none_is_the_default_and_only_false_opts_out(default: Verdict) -> None:
    assert of_setting(None, default) == default
    assert of_setting(False, default) == "allow"


@pytest.mark.parametrize("value", [True, 1, 0, "", "no", "false", [], {}, 0.0, object()])
def test_whatever_else_it_looks_like_means_ask(value: Any) -> None:
    assert of_setting(value, "allow") == "ask"


# Rules.

SMALL = Rule(
    name="small", action="auto_approve", reason="small", match=Match(tool="refund", input={"amount": {"lte": 50}})
)
LARGE = Rule(
    name="large", action="require_approval", reason="large", match=Match(tool="refund", input={"amount": {"gt": 50}})
)
HUGE = Rule(
    name="huge", action="auto_deny", reason="too much", match=Match(tool="re*", input={"amount": {"gte": 1000}})
)
GUESTS = Rule(name="guests", action="auto_deny", match=Match(roles="guest"))
OTHERS = Rule(name="others", action="require_approval", match=Match(agent=("sales", "bot-*")))
POLICY = Policy(rules=[SMALL, LARGE, HUGE, GUESTS, OTHERS])


def case(amount: Any = 20, tool: str = "refund", agent: str = "support", roles: tuple[str, ...] = ()) -> Case:
    return Case(tool=tool, input={"amount": amount}, agent=agent, roles=roles)


@pytest.mark.parametrize(
    ("call", "verdict", "rule"),
    [
        (case(50), "allow", "small"),
        (case(51), "ask", "large"),
        (case(1000), "deny", "huge"),
        (case(1000, tool="retry"), "deny", "huge"),
        (case(20, roles=("clerk", "guest")), "deny", "guests"),
        (case(20, roles=("clerk",)), "allow", "small"),
        (case(20, agent="sales"), "ask", "others"),
        (case(20, agent="bot-7"), "ask", "others"),
        # What cannot be compared is no yes; and where it might be a no, somebody is asked.
        (case("20"), "ask", "large"),
        (case(True), "ask", "large"),
        (case("20", tool="retry"), "ask", "huge"),
    ],
)
def test_which_rule_decides(call: Case, verdict: Verdict, rule: str) -> None:
    judged = by_rules([POLICY], call)
    assert judged is not None
    assert (judged.verdict, judged.rule) == (verdict, rule)


@pytest.mark.parametrize("call", [case(20, tool="other"), case(20, tool="Refund"), Case(tool="refund")])
def test_of_some_calls_no_rule_speaks(call: Case) -> None:
    assert by_rules([POLICY], call) is None


#: default of the policy, default of the app, what the rules say, the tool's setting, the verdict, by a rule
COMBINED: list[tuple[Any, Verdict, Verdict | None, Any, Verdict, bool]] = [
    (None, "ask", None, None, "ask", False),
    (None, "allow", None, None, "allow", False),
    (None, "ask", None, False, "allow", False),
    (None, "ask", None, True, "ask", False),
    ("auto_approve", "ask", None, None, "allow", True),
    ("auto_approve", "ask", None, True, "ask", False),
    ("require_approval", "allow", None, None, "ask", True),
    ("require_approval", "allow", None, False, "allow", False),
    (None, "ask", "allow", None, "allow", True),
    (None, "ask", "allow", False, "allow", True),
    (None, "ask", "allow", True, "ask", False),  # a rule does not override what the tool itself asks for
    (None, "allow", "ask", None, "ask", True),
    (None, "ask", "ask", False, "ask", True),
    (None, "ask", "ask", True, "ask", True),
    ("auto_approve", "ask", "deny", False, "deny", True),
    (None, "ask", "deny", True, "deny", True),
]


@pytest.mark.parametrize(("own_default", "app", "rules", "setting", "verdict", "by_rule"), COMBINED)
def test_rules_and_the_tool(
    own_default: Any, app: Verdict, rules: Verdict | None, setting: Any, verdict: Verdict, by_rule: bool
) -> None:
    ruled = None if rules is None else Judged(rules, "a rule")
    judged = judge([Policy(default=own_default)], ruled, setting, app)
    assert (judged.verdict, judged.rule is not None) == (verdict, by_rule)


@pytest.mark.parametrize("setting", [None, False, True])
def test_a_default_that_denies_lets_only_what_is_named_run(setting: Any) -> None:
    policy = Policy(rules=[SMALL, LARGE], default="auto_deny")
    judged = judge([policy], by_rules([policy], case(tool="other")), setting, "allow")
    assert (judged.verdict, judged.rule) == ("deny", "default")
    assert judge([policy], by_rules([policy], case(20)), None, "ask").verdict == "allow"


def test_every_rule_says_why() -> None:
    said = rulings(POLICY, case(70))
    assert [ruling.name for ruling in said] == ["small", "large", "huge", "guests", "others"]
    assert [ruling.verdict for ruling in said] == [None, "ask", None, None, None]
    assert said[0].why == "amount is 70, not lte 50"
    assert deciding(said) is said[1]


def test_rules_without_a_name_go_by_their_place() -> None:
    policy = Policy(rules=[SMALL, Rule(action="auto_deny")])
    assert by_rules([policy], case()) == Judged("deny", "rule 2")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Rule(action="approve"),  # type: ignore[arg-type]
        lambda: Rule(action="auto_deny", name="default"),
        lambda: Match(tool=()),
        lambda: Match(tool=""),
        lambda: Match(input={"a": {"near": 1}}),
        lambda: Policy(rules=[SMALL, SMALL]),
        lambda: Policy(default="ask"),  # type: ignore[arg-type]
        lambda: Policy(expires="5"),
        lambda: Policy(on_expiry="forget"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_policy_is_refused_when_it_is_written(wrong: Any) -> None:
    with pytest.raises(ValueError):
        wrong()


RULES = st.builds(
    Rule,
    action=st.sampled_from(get_args(Action)),
    match=st.builds(
        Match,
        tool=st.sampled_from(["refund", "re*", "*", "other"]),
        agent=st.sampled_from(["*", "support", "sales"]),
        roles=st.sampled_from([(), ("guest",), ("clerk", "guest")]),
        input=st.dictionaries(
            st.sampled_from(["amount", "note"]),
            st.fixed_dictionaries(
                {}, optional={op: st.integers(-3, 3) for op in ("eq", "ne", "lt", "lte", "gt", "gte")}
            ).filter(bool),
            max_size=2,
        ),
    ),
)
VALUES = st.one_of(st.integers(-3, 3), st.text(max_size=2), st.none(), st.booleans())
CASES = st.builds(
    Case,
    tool=st.sampled_from(["refund", "retry", "other"]),
    input=st.dictionaries(st.sampled_from(["amount", "note"]), VALUES),
    agent=st.sampled_from(["", "support", "sales"]),
    roles=st.sampled_from([(), ("guest",), ("clerk",)]),
)
POLICIES = st.builds(Policy, rules=st.lists(RULES, max_size=6), default=st.sampled_from([None, *get_args(Action)]))
SETTINGS = st.sampled_from([None, True, False])
STRICTNESS = ["allow", "ask", "deny"]


def verdict_of(policy: Policy, call: Case, setting: Any, default: Verdict = "ask") -> int:
    return STRICTNESS.index(judge([policy], by_rules([policy], call), setting, default).verdict)


@given(POLICIES, RULES.filter(lambda rule: rule.action != "auto_approve"), CASES, SETTINGS, st.integers(0, 6))
def test_a_rule_that_asks_or_denies_never_loosens(
    policy: Policy, rule: Rule, call: Case, setting: Any, place: int
) -> None:
    rules = [*policy.rules[:place], rule, *policy.rules[place:]]
    more = Policy(rules=rules, default=policy.default)
    # But for a default that denies: a rule that names the call takes its place, and then asks at least.
    if policy.default != "auto_deny":
        assert verdict_of(more, call, setting) >= verdict_of(policy, call, setting)
    elif verdict_of(more, call, setting) < verdict_of(policy, call, setting):
        assert by_rules([policy], call) == Judged("deny", "default", "no rule allows it")
        assert verdict_of(more, call, setting) >= STRICTNESS.index("ask")


@given(POLICIES, CASES, SETTINGS)
def test_no_policy_loosens_what_the_tool_itself_asks_for(policy: Policy, call: Case, setting: Any) -> None:
    assert verdict_of(policy, call, True) >= STRICTNESS.index("ask")
    assert verdict_of(policy, call, False) <= verdict_of(policy, call, True)


@given(POLICIES, CASES, SETTINGS, st.randoms(use_true_random=False))
def test_the_order_of_rules_decides_nothing(policy: Policy, call: Case, setting: Any, random: Any) -> None:
    shuffled = list(policy.rules)
    random.shuffle(shuffled)
    other = Policy(rules=shuffled, default=policy.default)
    assert verdict_of(other, call, setting) == verdict_of(policy, call, setting)


@given(POLICIES, POLICIES, CASES)
def test_two_policies_at_once_are_as_strict_as_the_stricter(one: Policy, other: Policy, call: Case) -> None:
    both = by_rules([one, other], call)
    said = [judged.verdict for judged in (by_rules([one], call), by_rules([other], call)) if judged is not None]
    assert (both.verdict if both else None) == (strictest(*said) if said else None)


def test_an_operators_list_of_what_may_run_is_not_opened_by_the_authors() -> None:
    operators, authors = Policy(default="auto_deny"), Policy(rules=[SMALL])
    assert by_rules([operators, authors], case(20)) == Judged("deny", "default", "no rule allows it")


@pytest.mark.parametrize(
    ("policies", "judged", "share"),
    [
        ([Policy(sample=5)], Judged("allow", "small"), 5),
        ([Policy(sample=5)], Judged("allow", "small", sample=50), 50),
        ([Policy(sample=5)], Judged("allow", "small", sample=0), 0),
        ([Policy(), Policy(sample=5), Policy(sample=7)], Judged("allow", "grant g_1.s"), 7),
        ([Policy(sample=5)], Judged("allow"), 0),  # by the tool's own setting: no policy approved it
        ([Policy(sample=5)], Judged("ask", "large"), 0),
        ([Policy(sample=5)], Judged("deny", "none"), 0),
        ([Policy()], Judged("allow", "small"), 0),
        ([], Judged("allow", "small"), 0),
    ],
)
def test_how_many_are_shown_afterwards(policies: list[Policy], judged: Judged, share: float) -> None:
    assert sampled_share(policies, judged) == share


def test_a_rule_says_its_own_share_and_the_first_policy_who_looks() -> None:
    rule = Rule(action="auto_approve", sample=50)
    assert by_rules([Policy(rules=[rule])], case(20)) == Judged("allow", "rule 1", sample=50)
    assert reviewers([Policy(), Policy(reviewers="dora"), Policy(reviewers="eve")]) == "dora"
    assert reviewers([Policy()]) is None


@pytest.mark.parametrize("wrong", [{"sample": 101}, {"sample": -1}, {"reviewers": []}, {"reviewers": ""}])
def test_what_is_no_share_and_who_is_nobody(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"sample|reviewers"):
        Policy(**wrong)


@pytest.mark.parametrize("action", ["require_approval", "auto_deny"])
def test_only_what_a_rule_approves_is_shown_afterwards(action: Action) -> None:
    with pytest.raises(ValueError, match="only what a rule approves"):
        Rule(action=action, sample=5)


def test_the_first_policy_that_says_so_says_how_long_to_wait() -> None:
    first, second = Policy(expires="1 h"), Policy(expires="2 h")
    assert waiting([Policy(), first, second]) is first
    assert waiting([Policy()]) is None
