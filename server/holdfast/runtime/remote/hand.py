"""A turn in a worker's hand, for the time of one request. Everything of it is in the store; nothing is kept here.

number of the write   the next one     applied            a known one   answered from the record
                      a later one      number_skipped     a fence that is not the turn's: lease_over
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.core import ids, turns
from holdfast.core.commit import Fence
from holdfast.core.errors import (
    BadInput,
    BadRequest,
    Conflict,
    Gone,
    LeaseOver,
    NotFound,
    NumberSkipped,
    ReplayDiverged,
    Unavailable,
)
from holdfast.core.identity import Principal, check, check_work
from holdfast.core.operations import Operation
from holdfast.core.turns import TurnRecord
from holdfast.protocol.work import Do, Held, Performed, Told, Write
from holdfast.runtime.execution import Environment, Execution
from holdfast.runtime.history import Histories, Past, beginning, events_since
from holdfast.runtime.journal import Journal, Record, text_key
from holdfast.runtime.remote.performing import Begun, Handed, Waits
from holdfast.runtime.remote.tools import tools_of
from holdfast.runtime.results import Result
from holdfast.runtime.tools import Tool
from holdfast.runtime.transcript import Transcript
from holdfast.runtime.writer import LeaseLost, TurnWriter
from holdfast.store.door import Door, View, Written
from holdfast.store.log import Log
from holdfast.store.manifests import Manifests

ANOTHER_WRITE = "This number named another write: the next one is one more than that of the last reply."


class Desk(msgspec.Struct, frozen=True):
    """What all requests of workers are carried out with."""

    door: Door
    log: Log
    manifests: Manifests
    environment: Environment
    histories: Histories
    lease_ms: int
    retain_events: int


class Hand:
    """One turn, one write."""

    def __init__(self, desk: Desk, turn: TurnRecord, fence: Fence, written: Written, number: int) -> None:
        #: The write was applied before: it is only told what became of it.
        self.again = number <= written.number
        self.writer = writer_for(desk, turn, fence, written.number)
        self._desk = desk

    @property
    def turn(self) -> TurnRecord:
        return self.writer.turn

    async def load(self) -> Execution:
        """What the turn has recorded, to perform one operation with."""
        x = await execution(self._desk, self.writer)
        x.tools = await self._tools()
        return x

    async def perform(
        self, x: Execution, key: str, performing: Callable[[int], Awaitable[Result[Any] | None]], *, effect: bool = True
    ) -> Performed:
        """Carry the operation as far as it goes; what the worker does next is in the reply."""
        known = x.journal.operations.get(key)
        if self.again:
            return self._repeated(x, known)
        if effect and self.turn.cancel and (known is None or known.status != "done"):
            return self.performed(x, None, "stop")
        place = known.place if known is not None else x.journal.enter([key])
        result, do = None, "go_on"
        try:
            result = await performing(place)
        except Waits:
            do = "wait"
        except Begun:
            do = "run"
        return self.performed(x, x.journal.operations[key], do, result)

    def performed(
        self, x: Execution, operation: Operation | None, do: Do, result: Result[Any] | None = None
    ) -> Performed:
        shown = None if operation is None else told(x.journal, operation, result)
        return Performed(**self._standing(), do=do, operation=shown, op=text_key(x.journal.last))

    def _repeated(self, x: Execution, known: Operation | None) -> Performed:
        if known is None:
            raise Conflict(ANOTHER_WRITE, number=self.writer.number)
        if known.status == "done":
            return self.performed(x, known, "go_on")
        return self.performed(x, known, "run" if known.status == "started" and known.doubt is None else "wait")

    def held(self) -> Held:
        """How it stands with the turn now."""
        return Held(**self._standing())

    def _standing(self) -> dict[str, Any]:
        return standing(self.writer)

    async def transcribe(self) -> None:
        """Read what the turn has written: one event is to stand for all of it."""
        turn, log = self.turn, self._desk.log
        begins = turn.begins or await beginning(log, turn)
        events, head = await events_since(log, turn.session, begins)
        transcript = Transcript(turn.id, turn.message)
        for seq, event in events:
            transcript.add(seq, event)
        self.writer.turn = replace(turn, begins=begins)
        self.writer.transcript = transcript
        self.writer.loaded(head)

    async def _tools(self) -> dict[str, Tool[..., Any]]:
        manifest = await self._desk.manifests.of(self.turn.queue)
        if manifest is None:
            raise NotFound(f"{self.turn.queue} is not registered.", agent=self.turn.agent)
        return tools_of(manifest)


@asynccontextmanager
async def hand_of(desk: Desk, principal: Principal, own_id: str, write: Write) -> AsyncGenerator[Hand]:
    """The turn in this worker's hand.

    Raises:
        LeaseOver: it is not.     NumberSkipped: a write before this one is missing.
        NotFound, Forbidden, Gone: it is not one that this principal may run.
        ReplayDiverged: the worker asked for something else than is recorded; the turn is blocked.
    """
    fence, session = _fence(write.fence), ids.session_of(own_id)
    view, written = await asyncio.gather(desk.door.read(session, turns=(own_id,)), desk.door.written(session, own_id))
    turn = reachable(view, principal, own_id)
    if written is None or written.fence != write.fence:
        raise LeaseOver(turn=own_id)
    if write.number > written.number + 1:
        expected = written.number + 1
        raise NumberSkipped(f"The next write is number {expected}, not {write.number}.", expected=expected)
    hand = Hand(desk, turn, fence, written, write.number)
    hand.writer.set_clock(view.now_ms)
    if hand.again and desk.door.durability is not None:
        await desk.door.durability.reached(view.epoch)  # it may be asked again because this was not known
    if not (hand.again or written.held):
        raise LeaseOver(turn=own_id)
    async with _with_losses(hand):
        yield hand


@asynccontextmanager
async def _with_losses(hand: Hand) -> AsyncGenerator[None]:
    """What ends the run of a Python worker, as HTTP says it."""
    try:
        yield
    except LeaseLost as lost:
        if isinstance(lost.__cause__, Unavailable):
            raise lost.__cause__ from None
        raise LeaseOver(turn=hand.turn.id, why=str(lost)) from None
    except ReplayDiverged as diverged:
        await block(hand.writer, diverged)
        raise


async def block(writer: TurnWriter, diverged: ReplayDiverged) -> None:
    """An operator must see it: it would diverge wherever it is taken next."""
    message = diverged.message
    try:
        await writer.commit(lambda turn, by: turns.block(turn, diverged.code, message, by))
    except LeaseLost:
        raise LeaseOver(turn=writer.turn.id) from None


def reachable(view: View, principal: Principal, own_id: str) -> TurnRecord:
    """The turn, for a worker that may run it. Raises NotFound, Forbidden, Gone."""
    if view.session is None:
        raise Gone if view.gone else NotFound
    check(principal, "work", view.session.id, view.session.members)
    turn = view.turns.get(own_id)
    if turn is None or turn.external:
        raise NotFound(turn=own_id)
    check_work(principal, turn.agent)
    return turn


def writer_for(desk: Desk, turn: TurnRecord, fence: Fence, number: int) -> TurnWriter:
    """A writer for one request: what the store does not answer now, the worker sends again."""
    writer = TurnWriter(desk.door, desk.log, turn, fence, Transcript(turn.id, turn.message), desk.lease_ms, number)
    writer.given_up = True
    return writer


async def execution(desk: Desk, writer: TurnWriter) -> Execution:
    """What the turn has recorded, with nothing that runs."""
    turn = writer.turn
    operations = await desk.door.operations(turn.id)
    asked = tuple(one for op in operations.values() for one in (op.interrupt, op.doubt) if one)
    view = await desk.door.read(turn.session, turns=(turn.id,), interrupts=asked)
    if view.session is None:
        raise LeaseOver(turn=turn.id)
    x = Execution(desk.environment, view.session, writer, Journal(Record(operations, view.interrupts)), Past())
    x.branches = Handed(x.changed)
    x.journal.place = x.journal.settled
    return x


def standing(writer: TurnWriter) -> dict[str, Any]:
    """The fields of Held."""
    turn = writer.turn
    return {
        "turn": turn.id,
        "fence": str(writer.fence),
        "number": writer.number,
        "status": turn.status,
        "cancel": turn.cancel is not None,
        "steering": len(turn.steering),
    }


def told(journal: Journal, operation: Operation, result: Result[Any] | None = None) -> Told:
    """An operation as its worker is told of it."""
    record = journal.interrupts.get(operation.doubt or operation.interrupt or "")
    decision = operation.decision or (record.decision if record else None)
    shown = operation.kind in ("tool", "client_tool", "ask", "form", "gate")
    return Told(
        key=operation.key,
        kind=operation.kind,
        status=operation.status,
        input=operation.input,
        edited=operation.edited,
        outcome=operation.outcome if result is None else result.status,
        value=operation.value if result is None else msgspec.to_builtins(result.returned),
        reason=operation.reason if result is None else result.reason,
        decision=decision if result is None else result.decision,
        interrupt=operation.doubt or operation.interrupt,
        toolCallId=operation.call or ids.call_id(operation.turn, operation.key) if shown else None,
        idempotencyKey=ids.idempotency_key(operation.turn, operation.key) if operation.kind == "tool" else None,
    )


def tool_named(x: Execution, name: str) -> Tool[..., Any]:
    """Raises BadInput: its agent has none of this name, as it is registered."""
    if (tool := x.tools.get(name)) is None:
        known = ", ".join(sorted(x.tools)) or "none"
        raise BadInput(f"tool: {x.turn.agent} {x.turn.agent_version} has no {name!r}; it has {known}.", tool=name)
    return tool


def _fence(text: str) -> Fence:
    epoch, _, number = text.rpartition(":")
    if not (epoch and number.isascii() and number.isdecimal() and len(number) < 10):
        raise BadRequest("fence: give it as it was told with the lease.", path="fence")
    return Fence(epoch, int(number))
