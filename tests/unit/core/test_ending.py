"""Ending a turn: what it asked closes first, then it ends, then the next one starts; in one commit."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core import ending
from holdfast.core.commit import Commit, Fence, Job, Writer
from holdfast.core.events import InterruptClosed, TurnFinished
from holdfast.core.identity import By
from holdfast.core.interrupts import REASONS, Decision, Interrupt, InterruptRecord
from holdfast.core.session import SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord, TurnStatus

ALICE = By("person", "alice")
WRITER = Writer("t_1.s", Fence("1-a", 3), 4)


def session(active: str | None = "t_1.s", *queue: str) -> SessionRecord:
    info = SessionInfo("s", "a", "alice", {"alice": "owner"}, 1)
    return SessionRecord(info=info, salt="x", active=active, queue=queue, version=9)


def turn(status: TurnStatus = "running", own_id: str = "t_1.s", **fields: Any) -> TurnRecord:
    given = {"requester": Requester("alice"), "created_at_ms": 1, "message": "m", "version": 5, "takes": 3}
    return TurnRecord(turn=own_id, session="s", agent="a", agent_version="1", status=status, **(given | fields))


def asked(decision: Decision | None = None) -> InterruptRecord:
    shown = Interrupt("i_1.s", "approval", "s", "t_1.s", REASONS["approval"])
    return InterruptRecord(
        interrupt=shown, operation="tool:x:1", version=2, decision=decision, status="resolved" if decision else "open"
    )


def closing(commit: Commit) -> Decision:
    [event] = [event for event in commit.events if isinstance(event, InterruptClosed)]
    return event.decision


def test_what_it_asked_closes_before_it_ends_and_the_next_one_starts() -> None:
    running, following = turn(open=("i_1.s",)), turn("queued", "t_2.s")
    commit = ending.end(session("t_1.s", "t_2.s"), running, following, [asked()], "completed", 50, by=WRITER, result=7)
    kinds = [type(event) for event in commit.events]
    assert kinds.index(InterruptClosed) < kinds.index(TurnFinished)
    assert (commit.by, commit.jobs, commit.inbox_drop) == (WRITER, [Job("t_2.s", "a@1")], ["i_1.s"])
    assert {(put.kind, put.id) for put in commit.puts} == {
        ("turn", "t_1.s"), ("turn", "t_2.s"), ("session", "s"), ("interrupt", "i_1.s")
    }  # fmt: skip
    assert commit.events[-1] == TurnFinished("t_1.s", "completed", 7)


@pytest.mark.parametrize(
    ("how", "status"), [("completed", "withdrawn"), ("failed", "withdrawn"), ("cancelled", "cancelled")]
)
def test_what_is_left_open_is_withdrawn_by_an_end_and_cancelled_by_a_cancel(how: Any, status: str) -> None:
    commit = ending.end(session(), turn(open=("i_1.s",)), None, [asked()], how, 50)
    assert closing(commit) == Decision(status, None, By("system", "a"), "system", 50)  # type: ignore[arg-type]


def test_the_decision_names_who_ended_it_and_how() -> None:
    waiting = turn("waiting", open=("i_1.s",))
    commit = ending.end(
        session(), waiting, None, [asked()], "cancelled", 50, who=ALICE, via="rest", ref="r", closed="superseded"
    )
    assert closing(commit) == Decision("superseded", None, ALICE, "rest", 50, "r")
    assert commit.events[-1] == TurnFinished("t_1.s", "cancelled", by=ALICE)


def test_what_was_decided_already_stays_as_it_is() -> None:
    decided = asked(Decision("resolved", {"approved": True}, ALICE, "rest", 1))
    commit = ending.end(session(), turn(), None, [decided], "completed", 50)
    assert [event for event in commit.events if isinstance(event, InterruptClosed)] == []


def test_only_the_active_turn_has_somebody_behind_it() -> None:
    assert ending.next_in_line(session("t_1.s", "t_2.s", "t_3.s"), turn()) == ("t_2.s",)
    assert ending.next_in_line(session("t_1.s"), turn()) == ()
    assert ending.next_in_line(session("t_1.s", "t_2.s"), turn("queued", "t_2.s")) == ()
