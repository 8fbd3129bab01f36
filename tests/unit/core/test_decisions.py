"""Decisions: every kind with every payload, every way to close, and all that closing means."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core import decisions
from holdfast.core.commit import Commit, Job, Notice
from holdfast.core.decisions import Answer, Lost, Won
from holdfast.core.errors import BadInput, Forbidden, NotFound
from holdfast.core.events import ChunkWritten, InterruptClosed, TurnResumed
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import REASONS, Approvers, Closed, Decision, Interrupt, InterruptRecord, Kind
from holdfast.core.messages import Message, fold_chunk
from holdfast.core.session import SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord

KINDS: tuple[Kind, ...] = get_args(Kind)
CLOSED: tuple[Closed, ...] = get_args(Closed)
ALICE, BOB = By("person", "alice"), By("person", "bob", "Bob")
INFO = SessionInfo("s", "a", "alice", {"alice": "owner", "bob": "member"}, 1)
SESSION = SessionRecord(info=INFO, salt="salt", active="t_1.s", version=3)

GOOD: dict[Kind, Any] = {
    "approval": {"approved": True},
    "gate": {"approved": True},
    "question": {"selected": ["a"]},
    "form": {"action": "accept", "content": {"n": 1}},
    "client_tool": {"output": None},
    "in_doubt": {"ran": True, "result": 5},
}


def record(kind: Kind = "approval", **fields: Any) -> InterruptRecord:
    shown = Interrupt(
        "i_1.s",
        kind,
        "s",
        "t_1.s",
        REASONS[kind],
        **({"toolCallId": "call_1", "toolName": "refund", "input": {"n": 1}, "inputHash": "h"} | fields),
    )
    return InterruptRecord(interrupt=shown, operation="tool:refund:1", version=2)


def turn(status: Any = "waiting", *opened: str) -> TurnRecord:
    return TurnRecord(
        turn="t_1.s",
        session="s",
        agent="a",
        agent_version="1",
        status=status,
        requester=Requester("alice"),
        created_at_ms=1,
        message="m",
        open=opened or ("i_1.s",),
        version=7,
    )


def submit(payload: Any, status: Any = "resolved", by: By = BOB) -> Answer:
    return Answer(status, payload, by, "websocket", "r1")


def won(shown: InterruptRecord, given: Answer, of: TurnRecord | None = None) -> Won:
    verdict = decisions.answer(SESSION, of or turn(), shown, given, 50)
    assert isinstance(verdict, Won)
    return verdict


def put(commit: Commit, own_id: str) -> Any:
    [found] = [each for each in commit.puts if each.id == own_id]
    return found


def chunks(commit: Commit) -> list[dict[str, Any]]:
    return [event.chunk for event in commit.events if isinstance(event, ChunkWritten)]


# ---------------------------------------------------------------- all that closing means


@pytest.mark.parametrize("kind", KINDS)
def test_everything_stands_together(kind: Kind) -> None:
    verdict = won(record(kind), submit(GOOD[kind]))
    commit, decision = verdict.commit, verdict.decision
    assert decision == Decision("resolved", GOOD[kind], BOB, "websocket", 50, "r1")
    closed, carried_on = put(commit, "i_1.s"), put(commit, "t_1.s")
    assert (closed.status, closed.decision, closed.version) == ("resolved", decision, 2)
    assert (carried_on.status, carried_on.open, carried_on.version) == ("ready", (), 7)
    assert [event for event in commit.events if not isinstance(event, ChunkWritten)] == [
        InterruptClosed("i_1.s", decision),
        TurnResumed("t_1.s"),
    ]
    assert commit.jobs == [Job("t_1.s", "a@1")]
    assert commit.drop_deadlines == ["expire i_1.s", "rung i_1.s", "claim i_1.s"]
    assert commit.inbox_drop == ["i_1.s"]
    assert commit.notices == [Notice("interrupt.closed", "s", "i_1.s", 3)]
    [entry] = commit.audit
    assert (entry.action, entry.by, entry.status, entry.via, entry.ref, entry.inputHash) == (
        "interrupt.closed", BOB, "resolved", "websocket", "r1", "h"
    )  # fmt: skip
    assert entry.digest is not None
    assert len(entry.digest) == 64


def test_of_two_open_ones_the_first_answer_resumes_nothing() -> None:
    commit = won(record(), submit(GOOD["approval"]), turn("waiting", "i_1.s", "i_2.s")).commit
    assert (put(commit, "t_1.s").status, put(commit, "t_1.s").open) == ("waiting", ("i_2.s",))
    assert commit.jobs == []
    assert TurnResumed("t_1.s") not in commit.events


@pytest.mark.parametrize("status", ["running", "blocked"])
def test_an_answer_to_a_turn_that_does_not_wait_is_kept_and_resumes_nothing(status: str) -> None:
    commit = won(record(), submit(GOOD["approval"]), turn(status)).commit
    assert (put(commit, "t_1.s").status, put(commit, "t_1.s").open, commit.jobs) == (status, (), [])


@pytest.mark.parametrize(("kind", "status"), list(itertools.product(KINDS, CLOSED)))
def test_whatever_closed_it_a_late_answer_has_lost_and_changes_nothing(kind: Kind, status: Closed) -> None:
    stands = Decision(status, None, ALICE, "rest", 40)
    closed = replace(record(kind), status=status, decision=stands)
    for given_status, payload in (("resolved", GOOD[kind]), ("cancelled", None), ("resolved", "nonsense")):
        verdict = decisions.answer(SESSION, turn(), closed, submit(payload, given_status), 50)
        assert verdict == Lost(stands)


def test_what_is_closed_cannot_be_closed_again_by_mistake() -> None:
    closed = replace(record(), status="resolved", decision=Decision("resolved", None, ALICE, "rest", 40))
    with pytest.raises(AssertionError):
        decisions.close(SESSION, turn(), closed, Decision("expired", None, ALICE, "deadline", 50))


# ---------------------------------------------------------------- payloads

TRUTHY_OR_FALSY = ["true", "yes", 1, 1.0, 0, "", None, [], [True], {}, {"approved": True}]
APPROVALS: list[Kind] = ["approval", "gate"]


@pytest.mark.parametrize("kind", APPROVALS)
@pytest.mark.parametrize("value", TRUTHY_OR_FALSY, ids=repr)
def test_only_json_true_and_false_are_votes(kind: Kind, value: Any) -> None:
    with pytest.raises(BadInput, match="payload"):
        decisions.answer(SESSION, turn(), record(kind), submit({"approved": value}), 50)


REFUSED: dict[Kind, list[Any]] = {
    "approval": [
        None, True, "true", [], {}, [{"approved": True}], {"Approved": True}, {"approve": True},
        {"approved": True, "output": 1}, {"approved": True, "ran": True}, {"approved": True, "reason": 5},
        {"approved": True, "metadata": []}, {"payload": {"approved": True}},
        {"approved": True, "extra": None},
    ],
    "question": [
        None, "a", {"selected": "a"}, {"selected": [1]}, {"text": 5}, {"approved": True}, {"answer": "a"},
    ],
    "form": [
        None, {}, {"action": "yes"}, {"action": True}, {"content": {}}, {"action": "accept", "content": []},
        {"action": "ACCEPT"}, {"action": "accept", "data": {}},
    ],
    "client_tool": [
        None, {}, {"output": 1, "error": "x"}, {"error": None}, {"error": 5}, {"result": 1},
        {"approved": True}, 5,
    ],
    "in_doubt": [
        None, {}, {"ran": "true"}, {"ran": 1}, {"result": 5}, {"ran": True, "output": 5}, {"approved": True},
    ],
}  # fmt: skip
REFUSED["gate"] = REFUSED["approval"]


@pytest.mark.parametrize(
    ("kind", "payload"), [(kind, payload) for kind, payloads in REFUSED.items() for payload in payloads]
)
def test_what_does_not_fit_is_refused(kind: Kind, payload: Any) -> None:
    with pytest.raises(BadInput, match="payload") as caught:
        decisions.answer(SESSION, turn(), record(kind), submit(payload), 50)
    assert caught.value.details["kind"] == kind


@pytest.mark.parametrize(
    ("kind", "payload", "kept"),
    [
        ("approval", {"approved": False}, {"approved": False}),
        ("approval", {"approved": True, "reason": None}, {"approved": True}),
        ("approval", {"approved": True, "metadata": {"k": 1}}, {"approved": True, "metadata": {"k": 1}}),
        ("question", {"selected": ["a"], "text": "b"}, {"selected": ["a"], "text": "b"}),
        ("form", {"action": "decline"}, {"action": "decline"}),
        ("client_tool", {"output": None}, {"output": None}),
        ("client_tool", {"output": 0}, {"output": 0}),
        ("client_tool", {"output": ""}, {"output": ""}),
        ("client_tool", {"output": False}, {"output": False}),
        ("client_tool", {"error": ""}, {"error": ""}),
        ("in_doubt", {"ran": False}, {"ran": False}),
        ("in_doubt", {"ran": True, "result": None}, {"ran": True, "result": None}),
    ],
)
def test_what_fits_is_kept_as_it_was_meant(kind: Kind, payload: Any, kept: Any) -> None:
    assert won(record(kind), submit(payload)).decision.payload == kept


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["approved", "reason", "input", "output", "ran", "x"]), inner, max_size=3)
    ),
)


@given(payload=JSON, kind=st.sampled_from(APPROVALS))
def test_no_payload_at_all_is_a_yes_but_approved_true(payload: Any, kind: Kind) -> None:
    try:
        verdict = decisions.answer(SESSION, turn(), record(kind), submit(payload), 50)
    except BadInput:
        return
    assert isinstance(verdict, Won)
    assert decisions.approves(verdict.decision) is (payload["approved"] is True)


@given(payload=JSON, status=st.sampled_from(CLOSED))
def test_only_a_resolved_decision_can_be_a_yes(payload: Any, status: Closed) -> None:
    if decisions.approves(Decision(status, payload, BOB, "rest", 1)):
        assert status == "resolved"
        assert payload["approved"] is True


def test_edited_arguments_only_where_they_may_be_edited() -> None:
    payload = {"approved": True, "input": {"n": 2}}
    with pytest.raises(BadInput, match="cannot be edited"):
        decisions.answer(SESSION, turn(), record(), submit(payload), 50)
    with pytest.raises(BadInput, match="cannot be edited"):  # null is another argument too
        decisions.answer(SESSION, turn(), record(), submit({"approved": True, "input": None}), 50)
    assert won(record(editable=True), submit(payload)).decision.payload == payload


def test_what_a_browser_would_round_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(BadInput):
        decisions.answer(SESSION, turn(), record("client_tool"), submit({"output": 2**60}), 50)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("payload", [{"approved": True}, "x", 5, [], {"reason": 5}, {"reason": {"a": 1}}], ids=repr)
def test_a_cancelling_answer_has_a_reason_or_nothing(kind: Kind, payload: Any) -> None:
    with pytest.raises(BadInput, match="payload"):
        decisions.answer(SESSION, turn(), record(kind), submit(payload, "cancelled"), 50)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("payload", "kept"), [(None, None), ({}, {}), ({"reason": "later"}, {"reason": "later"})])
def test_a_cancelling_answer(kind: Kind, payload: Any, kept: Any) -> None:
    decision = won(record(kind), submit(payload, "cancelled")).decision
    assert (decision.status, decision.payload) == ("cancelled", kept)
    assert not decisions.approves(decision)


# ---------------------------------------------------------------- how a decision looks in the message

RESPONSE = {"type": "tool-approval-response", "approvalId": "i_1.s", "toolCallId": "call_1"}
OUTPUT = {"type": "tool-output-available", "toolCallId": "call_1"}
ERROR = {"type": "tool-output-error", "toolCallId": "call_1"}
DENIED = {"type": "tool-output-denied", "toolCallId": "call_1"}

SHOWN: list[tuple[Kind, Closed, Any, list[dict[str, Any]]]] = [
    ("approval", "resolved", {"approved": True}, [RESPONSE | {"approved": True}]),
    (
        "approval", "resolved", {"approved": True, "reason": "ok"},
        [RESPONSE | {"approved": True, "reason": "ok"}],
    ),
    (
        "approval", "resolved", {"approved": False, "reason": "no"},
        [RESPONSE | {"approved": False, "reason": "no"}, DENIED | {"reason": "no"}],
    ),
    (
        "approval", "expired", None,
        [RESPONSE | {"approved": False, "reason": "expired by Bob"}, DENIED | {"reason": "expired by Bob"}],
    ),
    (
        "gate", "resolved", {"approved": True},
        [RESPONSE | {"approved": True}, OUTPUT | {"output": {"approved": True}}],
    ),
    ("question", "resolved", {"text": "x"}, [OUTPUT | {"output": {"text": "x"}}]),
    ("form", "resolved", {"action": "decline"}, [OUTPUT | {"output": {"action": "decline"}}]),
    ("client_tool", "resolved", {"output": None}, [OUTPUT | {"output": None}]),
    ("client_tool", "resolved", {"error": "no GPS"}, [ERROR | {"errorText": "no GPS"}]),
    ("client_tool", "expired", None, [ERROR | {"errorText": "expired by Bob"}]),
    ("question", "cancelled", {"reason": "later"}, [ERROR | {"errorText": "later"}]),
    ("in_doubt", "resolved", {"ran": True}, []),
    ("in_doubt", "expired", None, []),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "status", "payload", "expected"), SHOWN)
def test_the_tool_part(kind: Kind, status: Closed, payload: Any, expected: list[dict[str, Any]]) -> None:
    decision = Decision(status, payload, BOB, "rest", 1)
    assert decisions.closing_chunks(record(kind).interrupt, decision) == expected


def test_what_has_no_call_shows_nothing_in_the_message() -> None:
    for kind, status in itertools.product(KINDS, CLOSED):
        decision = Decision(status, GOOD[kind] if status == "resolved" else None, BOB, "rest", 1)
        assert decisions.closing_chunks(record(kind, toolCallId=None).interrupt, decision) == []


@pytest.mark.parametrize(("kind", "status"), list(itertools.product(KINDS, CLOSED)))
def test_every_part_comes_to_an_end_or_to_its_call(kind: Kind, status: Closed) -> None:
    """Folded as everybody folds it: no card stays open on a screen, and texts are texts."""
    opening: list[dict[str, Any]] = [
        {"type": "tool-input-available", "toolCallId": "call_1", "toolName": "refund", "input": {"n": 1}}
    ]
    if kind in APPROVALS:
        opening.append({"type": "tool-approval-request", "approvalId": "i_1.s", "toolCallId": "call_1"})
    decision = Decision(status, GOOD[kind] if status == "resolved" else None, BOB, "rest", 1)
    message = Message("m", "assistant", [])
    for chunk in [*opening, *decisions.closing_chunks(record(kind).interrupt, decision)]:
        fold_chunk(message, chunk)
    [part] = message.parts
    if kind == "in_doubt":
        assert part["state"] == "input-available"  # what became of the call is for its own chunks to say
    elif status == "resolved":
        assert part["state"] == ("approval-responded" if kind == "approval" else "output-available")
    else:
        assert part["state"] == ("output-denied" if kind in APPROVALS else "output-error")


@given(payload=JSON, status=st.sampled_from(CLOSED))
def test_reasons_are_words_whatever_was_sent(payload: Any, status: Closed) -> None:
    assert isinstance(decisions.not_answered(Decision(status, payload, BOB, "rest", 1)), str)


# ---------------------------------------------------------------- deadlines

EXPIRED: dict[Any, tuple[Closed, Any]] = {
    "deny": ("expired", None),
    "approve": ("resolved", {"approved": True}),
    "cancel": ("cancelled", None),
}


@pytest.mark.parametrize(("kind", "on_expiry"), list(itertools.product(KINDS, EXPIRED)))
def test_a_deadline_acts_by_itself(kind: Kind, on_expiry: Any) -> None:
    status, payload = EXPIRED[on_expiry]
    if on_expiry == "approve" and kind not in APPROVALS:
        status, payload = "expired", None  # there is nothing to say yes to
    commit = decisions.expire(SESSION, turn(), record(kind, onExpiry=on_expiry, expiresAt=40), 50)
    decision = put(commit, "i_1.s").decision
    assert decision == Decision(status, payload, By("deadline", "deadline"), "deadline", 50)
    assert (commit.label, commit.due, commit.by) == ("expire", ["expire i_1.s"], None)
    assert commit.drop_deadlines == ["expire i_1.s", "rung i_1.s", "claim i_1.s"]
    assert put(commit, "t_1.s").status == "ready"
    assert commit.audit[0].by.kind == "deadline"


# ---------------------------------------------------------------- the end of a turn


def test_what_is_open_when_a_turn_ends_is_closed_with_it() -> None:
    open_one, closed_one = record(), replace(record("question"), status="resolved")
    closed_one = replace(closed_one, decision=Decision("resolved", {}, ALICE, "rest", 1))
    commit = Commit("s", "finish")
    decision = Decision("cancelled", None, BOB, "rest", 50)
    decisions.close_all(commit, SESSION, [open_one, closed_one], decision)
    assert [put.status for put in commit.puts] == ["cancelled"]  # type: ignore[attr-defined]
    assert [event for event in commit.events if isinstance(event, InterruptClosed)] == [
        InterruptClosed("i_1.s", decision)
    ]
    assert (commit.jobs, commit.inbox_drop) == ([], ["i_1.s"])


# ---------------------------------------------------------------- who may answer

MANAGERS = Approvers(roles=("manager",))
CAROL = Approvers(subjects=("carol",))

ENTITLED: list[tuple[Principal, Approvers | None, bool]] = [
    (Principal("alice"), None, True),
    (Principal("bob"), None, True),
    (Principal("eve"), None, False),
    (Principal("eve", sessions=("*",)), None, True),
    (Principal("alice", can=("read",)), None, False),
    (Principal("alice"), Approvers(), True),  # naming nobody is naming no one in particular
    (Principal("alice"), MANAGERS, False),  # the owner too: it is for somebody else
    (Principal("bob", roles=("manager",)), MANAGERS, True),
    (Principal("eve", roles=("manager",)), MANAGERS, True),  # named, without being a member
    (Principal("eve", roles=("manager",), can=("read",)), MANAGERS, False),
    (Principal("manager"), MANAGERS, False),
    (Principal("carol"), CAROL, True),
    (Principal("eve", roles=("carol",)), CAROL, False),
    (Principal("root", sessions=("*",), can=("admin",)), MANAGERS, False),  # an admin is not everybody
    (Principal("root", sessions=("*",), can=("admin",)), None, True),
    (Principal("op", roles=("operator",)), decisions.in_doubt_approvers(), True),
    (Principal("alice"), decisions.in_doubt_approvers(), False),
]


@pytest.mark.parametrize(("principal", "approvers", "may"), ENTITLED)
def test_who_may_answer(principal: Principal, approvers: Approvers | None, may: bool) -> None:
    shown = record(approvers=approvers)
    assert decisions.entitled(principal, SESSION, shown) is may
    if may:
        decisions.check_entitled(principal, SESSION, shown)
        return
    with pytest.raises((NotFound, Forbidden)) as caught:
        decisions.check_entitled(principal, SESSION, shown)
    within = principal.within(session="s", members=INFO.members)
    assert isinstance(caught.value, Forbidden if within else NotFound)


def test_out_of_reach_and_not_there_cannot_be_told_apart() -> None:
    with pytest.raises(NotFound) as caught:
        decisions.check_entitled(Principal("eve"), SESSION, record(approvers=MANAGERS))
    assert caught.value.message == "There is no such interrupt, or it is not yours to answer."
    assert caught.value.details == {}
