"""Gates from outside any turn: what opening and closing one makes true together, and when an id is another gate."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import decisions, gates, ids
from holdfast.core.decisions import Answer, Won
from holdfast.core.durations import Expiry
from holdfast.core.errors import BadInput, GateReused, LimitReached
from holdfast.core.events import (
    InterruptClosed,
    InterruptOpened,
    SessionCreated,
    TurnFinished,
    TurnStarted,
    TurnWaiting,
)
from holdfast.core.gates import Asked
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Approvers, InterruptRecord
from holdfast.core.session import GATES_MAX, SessionInfo, SessionRecord
from holdfast.core.turns import TurnRecord

ALICE = Principal("alice", name="Alice")


def asked(**fields: Any) -> Asked:
    return Asked(**({"gate": "deploy-42", "session": "s", "name": "deploy", "payload": {"to": "prod"}} | fields))


def opened(one: Asked | None = None) -> tuple[SessionRecord, TurnRecord, InterruptRecord, Any]:
    """The records of a gate, as they stand after its commit; and that commit."""
    one = one or asked()
    session = gates.own_session(one, "salt", ALICE, 5)
    commit = gates.opening(session, ALICE, one, 5, "test", "r1")
    records = {type(record): replace(record, version=1) for record in commit.puts}
    return records[SessionRecord], records[TurnRecord], records[InterruptRecord], commit  # type: ignore[return-value]


def test_opening_puts_it_before_people_and_nobody_runs_it() -> None:
    session, turn, record, commit = opened(asked(expires=Expiry(1_000)))
    assert (turn.status, turn.external, turn.open, turn.agent) == ("waiting", True, (record.id,), "")
    assert (session.gates, session.active, session.queue) == ((turn.id,), None, ())
    assert [type(event) for event in commit.events] == [SessionCreated, TurnStarted, InterruptOpened, TurnWaiting]
    assert (commit.jobs, commit.creates, commit.list_for, commit.inbox_add) == ([], True, [], [record.id])
    assert [notice.kind for notice in commit.notices] == ["interrupt.opened"]
    assert [(one.member, one.due_ms) for one in commit.set_deadlines] == [(f"expire {record.id}", 1_005)]
    assert [(entry.action, entry.by, entry.via, entry.ref) for entry in commit.audit] == [
        ("session.created", ALICE.by, "test", "r1"),
        ("interrupt.opened", ALICE.by, "test", "r1"),
    ]
    assert gates.name_of(record) == "deploy-42"


def test_its_decision_ends_its_turn_in_the_same_commit() -> None:
    session, turn, record, _ = opened()
    session = replace(session, active="t_9.s", gates=("t_0.s", turn.id))
    given = Answer("resolved", {"approved": True}, By("person", "bob"), "test", "a1")
    won = decisions.answer(session, turn, record, given, 9)
    assert isinstance(won, Won)
    records = {type(one): one for one in won.commit.puts}
    ended, left = records[TurnRecord], records[SessionRecord]
    assert isinstance(ended, TurnRecord)
    assert isinstance(left, SessionRecord)
    assert (ended.status, ended.end, ended.open) == ("finished", "completed", ())
    assert ended.result["payload"] == {"approved": True}
    assert (left.gates, left.active) == (("t_0.s",), "t_9.s")
    assert [type(event) for event in won.commit.events] == [InterruptClosed, TurnFinished]
    assert won.commit.jobs == []
    assert won.decision.approved


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({}, []),
        ({"message": "please", "metadata": {"a": 1}, "expires": Expiry(7)}, []),
        ({"payload": {"to": "test"}}, ["payload"]),
        ({"payload": None, "name": "drop"}, ["name", "payload"]),
        ({"approvers": Approvers(roles=("ops",))}, ["approvers"]),
        ({"on_expiry": "approve"}, ["on_expiry"]),
    ],
)
def test_an_id_is_one_gate(other: dict[str, Any], differs: list[str]) -> None:
    _, turn, _, _ = opened()
    if not differs:
        gates.check_same(turn, asked(**other))
        return
    with pytest.raises(GateReused) as refused:
        gates.check_same(turn, asked(**other))
    assert refused.value.details["differs"] == differs


def test_the_requester_is_named_where_that_one_may_not_answer() -> None:
    _, turn, record, _ = opened(asked(approvers=Approvers(roles=("ops",), not_requester=True)))
    assert record.interrupt.requester == "alice"
    gates.check_same(turn, asked(approvers=Approvers(roles=("ops",), not_requester=True)))


def test_a_session_has_so_many_open_gates_and_no_more() -> None:
    info = SessionInfo("s", "a", "alice", {"alice": "owner"}, 1)
    full = SessionRecord(info=info, salt="x", gates=tuple(str(one) for one in range(GATES_MAX)), version=1)
    with pytest.raises(LimitReached):
        gates.opening(full, ALICE, asked(), 5, "test", "r1")


def test_a_payload_without_canonical_form_is_refused() -> None:
    with pytest.raises(BadInput):
        opened(asked(payload=2**60))


@pytest.mark.parametrize(
    ("operation", "name"),
    [("gate:deploy-42", "deploy-42"), ("gate:deploy:1", None), ("tool:refund:1", None), ("tool:x:1/gate:a", None)],
)
def test_gates_of_agents_have_no_name_outside(operation: str, name: str | None) -> None:
    _, _, record, _ = opened()
    assert gates.name_of(replace(record, operation=operation)) == name


def test_ids_are_of_the_requester_or_of_the_session() -> None:
    assert ids.gate_session_id("alice", "d") != ids.gate_session_id("bob", "d")
    assert ids.gate_turn_id("s", "d") != ids.gate_turn_id("other", "d")
    assert ids.session_of(asked().interrupt) == "s"


def test_a_question_is_another_thing_than_a_gate_of_the_same_words() -> None:
    _, turn, record, _ = opened(asked(kind="question", message="Where to?"))
    assert (record.interrupt.kind, record.interrupt.reason) == ("question", "input_required")
    gates.check_same(turn, asked(kind="question"))
    with pytest.raises(GateReused) as refused:
        gates.check_same(turn, asked())
    assert refused.value.details["differs"] == ["kind"]
    _, gate, _, _ = opened()
    with pytest.raises(GateReused):
        gates.check_same(gate, asked(kind="question"))
