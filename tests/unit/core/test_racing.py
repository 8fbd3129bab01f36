"""Racing: what the commit that names the winner takes back, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core import racing
from holdfast.core.commit import Commit, Fence, Writer
from holdfast.core.events import ChunkWritten, InterruptClosed
from holdfast.core.identity import By
from holdfast.core.interrupts import REASONS, Decision, Interrupt, InterruptRecord
from holdfast.core.operations import Operation
from holdfast.core.session import SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord

WRITER = Writer("t_1.s", Fence("1-a", 3), 4)
SESSION = SessionRecord(info=SessionInfo("s", "a", "alice", {"alice": "owner"}, 1), salt="x", active="t_1.s")
WON = Operation("t_1.s", "first:first:1", "first", "done", outcome="done", value=0)


def turn(*opened: str) -> TurnRecord:
    given: dict[str, Any] = {"requester": Requester("alice"), "created_at_ms": 1, "message": "m", "version": 5}
    return TurnRecord(turn="t_1.s", session="s", agent="a", agent_version="1", status="running", open=opened, **given)


def asked(own_id: str, operation: str, decision: Decision | None = None) -> InterruptRecord:
    shown = Interrupt(own_id, "gate", "s", "t_1.s", REASONS["gate"])
    status = "resolved" if decision else "open"
    return InterruptRecord(interrupt=shown, operation=operation, version=2, decision=decision, status=status)


def lost(key: str, status: Any = "waiting") -> Operation:
    return Operation("t_1.s", key, "tool", status)


def take_back(opened: TurnRecord, losers: list[Operation], records: list[InterruptRecord]) -> Commit:
    return racing.take_back(SESSION, opened, WRITER, WON, losers, records, 50)


def test_what_the_others_wait_for_is_withdrawn_in_the_commit_that_names_the_winner() -> None:
    opened = turn("i_1.s", "i_2.s", "i_other.s", "timer sleep:sleep:1")
    losers = [lost("gate:x:1"), lost("tool:y:1", "asking"), lost("sleep:sleep:1")]
    records = [asked("i_1.s", "gate:x:1"), asked("i_2.s", "tool:y:1/ask:q:1"), asked("i_other.s", "gate:x:10")]
    commit = take_back(opened, losers, records)
    decision = Decision("withdrawn", {"reason": racing.REASON}, By("system", "a"), "system", 50)
    assert [event for event in commit.events if isinstance(event, InterruptClosed)] == [
        InterruptClosed("i_1.s", decision), InterruptClosed("i_2.s", decision)
    ]  # fmt: skip
    [after] = [put for put in commit.puts if isinstance(put, TurnRecord)]
    assert (after.open, after.version, commit.by) == (("i_other.s",), 5, WRITER)
    assert commit.operations[0] == WON
    assert {one.key: one.outcome for one in commit.operations[1:]} == dict.fromkeys(
        ("gate:x:1", "tool:y:1", "sleep:sleep:1"), "withdrawn"
    )
    assert "timer t_1.s sleep:sleep:1" in commit.drop_deadlines


@pytest.mark.parametrize(("status", "outcome"), [("asking", "withdrawn"), ("started", "failed")])
def test_a_tool_that_was_begun_shows_how_it_ended(status: str, outcome: str) -> None:
    commit = take_back(turn("i_1.s"), [lost("tool:y:1", status)], [])
    [shown] = [event.chunk for event in commit.events if isinstance(event, ChunkWritten)]
    assert shown["type"] == "tool-output-error"
    assert commit.operations[1].outcome == outcome


def test_what_is_decided_or_done_stays_as_it_is() -> None:
    decided = asked("i_1.s", "gate:x:1", Decision("resolved", {"approved": True}, By("person", "bob"), "ws", 1))
    commit = take_back(turn(), [lost("gate:x:1"), lost("step:z:1", "done")], [decided])
    assert commit.events == []
    assert [one.key for one in commit.operations] == ["first:first:1", "gate:x:1"]
