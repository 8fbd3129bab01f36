"""Asking: one commit in which the question is listed, shown, audited, and given its deadline."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from holdfast.core import asking
from holdfast.core.commit import Fence, Notice, Writer
from holdfast.core.deadlines import Deadline, parse
from holdfast.core.events import ChunkWritten, InterruptOpened
from holdfast.core.interrupts import REASONS, Interrupt, InterruptRecord, Kind
from holdfast.core.messages import Message, fold_chunk
from holdfast.core.operations import Operation
from holdfast.core.turns import Requester, TurnRecord

KINDS: tuple[Kind, ...] = get_args(Kind)
WRITER = Writer("t_1.s", Fence("1-a", 1), 2)
OPERATION = Operation("t_1.s", "tool:refund:1", "tool", "waiting", interrupt="i_1.s")
TURN = TurnRecord(
    turn="t_1.s",
    session="s",
    agent="a",
    agent_version="1",
    status="running",
    requester=Requester("alice"),
    created_at_ms=1,
    message="m",
    open=("i_0.s",),
    version=7,
)


def shown(kind: Kind = "approval", **fields: Any) -> Interrupt:
    given = {"toolCallId": "call_1", "toolName": "refund", "input": {"n": 1}, "inputHash": "h"}
    return Interrupt("i_1.s", kind, "s", "t_1.s", REASONS[kind], **(given | fields))


@pytest.mark.parametrize("kind", KINDS)
def test_everything_stands_together(kind: Kind) -> None:
    interrupt = shown(kind, expiresAt=99)
    commit = asking.opening(TURN, WRITER, interrupt, OPERATION)
    record, turn = commit.puts
    assert record == InterruptRecord(interrupt=interrupt, operation="tool:refund:1")
    assert record.version == 0  # it must not exist yet: an id is never asked twice
    assert isinstance(turn, TurnRecord)
    assert (turn.status, turn.open, turn.version) == ("running", ("i_0.s", "i_1.s"), 7)
    assert (commit.by, commit.operations, commit.inbox_add) == (WRITER, [OPERATION], ["i_1.s"])
    assert commit.events[-1] == InterruptOpened(interrupt)
    assert commit.set_deadlines == [Deadline("expire", "i_1.s", 99)]
    assert commit.notices == [Notice("interrupt.opened", "s", "i_1.s", 1)]
    [entry] = commit.audit
    assert (entry.action, entry.by.kind, entry.inputHash) == ("interrupt.opened", "system", "h")


def test_what_does_not_expire_has_no_deadline() -> None:
    assert asking.opening(TURN, WRITER, shown(), OPERATION).set_deadlines == []


@pytest.mark.parametrize(
    ("kind", "part", "state"),
    [
        ("approval", "tool-refund", "approval-requested"),
        ("gate", "dynamic-tool", "approval-requested"),
        ("client_tool", "tool-refund", "input-available"),
        ("question", "dynamic-tool", "input-available"),
        ("form", "dynamic-tool", "input-available"),
    ],
)
def test_how_it_looks_in_the_message(kind: Kind, part: str, state: str) -> None:
    message = Message("m", "assistant", [])
    for event in asking.opening(TURN, WRITER, shown(kind), OPERATION).events:
        if isinstance(event, ChunkWritten):
            assert (event.turn, event.message) == ("t_1.s", "m")
            fold_chunk(message, event.chunk)
    [only] = message.parts
    assert (only["type"], only["state"], only["input"]) == (part, state, {"n": 1})


@pytest.mark.parametrize("interrupt", [shown("in_doubt"), shown(toolCallId=None)])
def test_what_is_no_call_of_its_own_is_not_in_the_message(interrupt: Interrupt) -> None:
    assert asking.opening_chunks(interrupt) == []


def test_sleeping_waits_for_a_time_by_name() -> None:
    operation = Operation("t_1.s", "sleep:a while:1", "sleep", "waiting", due_ms=500)
    commit = asking.sleeping(TURN, WRITER, operation)
    [turn] = commit.puts
    assert isinstance(turn, TurnRecord)
    assert turn.open == ("i_0.s", asking.timer_name("sleep:a while:1"))
    [deadline] = commit.set_deadlines
    assert parse(deadline.member) == ("timer", "t_1.s", "sleep:a while:1")
    assert (deadline.due_ms, commit.events) == (500, [])


def test_a_timer_is_never_taken_for_an_interrupt() -> None:
    assert not asking.timer_name("i_1.s").startswith("i_")
