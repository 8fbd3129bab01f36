"""What a worker in another language may ask for: agents registered, turns leased, and each write of theirs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import structlog

from holdfast.core import ids, turns
from holdfast.core.commit import Fence
from holdfast.core.durations import milliseconds
from holdfast.core.errors import AlreadyExists, BadInput, BadRequest, Conflict, HoldfastError, NotFound, TooLarge
from holdfast.core.events import ChunkWritten, Event, TurnProgress
from holdfast.core.identity import Principal, check_work
from holdfast.core.messages import Message
from holdfast.core.operations import Operation, OperationKind, operation_key
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol.work import (
    Append,
    Held,
    Lease,
    LeaseWanted,
    LetGo,
    NewCall,
    NewEnd,
    NewLook,
    NewManifest,
    NewQuestion,
    NewRecord,
    NewResult,
    NewSleep,
    Performed,
    Recorded,
    Served,
    Steered,
    Write,
)
from holdfast.runtime import asking, steering, stepping
from holdfast.runtime.calling import RESULT_MAX_BYTES
from holdfast.runtime.execution import Execution
from holdfast.runtime.journal import text_key
from holdfast.runtime.remote.hand import (
    ANOTHER_WRITE,
    Desk,
    Hand,
    execution,
    hand_of,
    reachable,
    standing,
    told,
    tool_named,
    writer_for,
)
from holdfast.runtime.remote.line import Line
from holdfast.runtime.remote.performing import RemoteCall, for_call, question_of, record
from holdfast.runtime.remote.tools import manifest_of
from holdfast.runtime.results import Result
from holdfast.runtime.resuming import resume
from holdfast.runtime.run import CancelledMeanwhile, finishing, waiting
from holdfast.runtime.taking import take
from holdfast.runtime.writer import LeaseLost
from holdfast.store import retention
from holdfast.store.jobs import Jobs
from holdfast.store.manifests import HEARTBEAT_S

LOOK_MAX = 100  # turns that are tried for one lease
HISTORY_MAX_BYTES = 1024 * 1024  # of what was said before, in one lease; the newest of it

log = structlog.get_logger("holdfast.work")


class RemoteWork:
    """The desk of a server where workers come by. Cancelling any method is safe: what was sent is asked for again."""

    def __init__(self, desk: Desk, line: Line) -> None:
        self._desk, self._line = desk, line
        self._jobs = Jobs(desk.door.connection, desk.door.keys)

    # Agents and leases.

    async def register(self, principal: Principal, agent: str, said: NewManifest) -> Served:
        """Say what an agent is, in one version.

        Raises:
            Forbidden, BadInput: nothing is registered.
            AlreadyExists: a worker serves this version, and its tools or rules are others.
        """
        check_work(principal, agent)
        manifest = manifest_of(agent, said)
        known = await self._desk.manifests.of(manifest.queue)
        if known not in (None, manifest) and await self._desk.manifests.is_served(manifest.queue):
            # Nobody changes under which rules another worker's calls are judged.
            raise AlreadyExists(f"{manifest.queue} is served with other tools or rules. Give this one another version.")
        await self._desk.manifests.register(manifest)
        return Served(manifest.agent, manifest.version)

    async def lease(
        self,
        principal: Principal,
        wanted: LeaseWanted,
        wait_s: float,
        news: asyncio.Event,
        gone: Callable[[], Awaitable[bool]],
    ) -> Lease | None:
        """A turn that is ready. None: there was none in this time, or who asks is `gone`; setting `news` has that seen.

        Raises:
            Forbidden: the principal is no worker.     LimitReached: too many wait.
            NotFound: an agent is not registered.
        """
        for one in wanted.agents:
            check_work(principal, one.agent)
        queues = [f"{one.agent}@{one.version}" for one in wanted.agents]
        await self._check_registered(queues)
        until_s = time.monotonic() + wait_s
        async with self._line.place(frozenset(queues), news):
            while True:
                news.clear()
                await self._desk.manifests.serve(queues)
                leased = await self._ready(principal, queues, gone)
                if leased is not None:
                    return leased
                left_s = until_s - time.monotonic()
                if left_s <= 0 or await gone():
                    break
                await _within(min(left_s, HEARTBEAT_S), news)
        for queue in queues:
            self._line.call(queue)  # what this one may just have been called for is somebody else's
        return None

    async def _check_registered(self, queues: list[str]) -> None:
        for queue in queues:
            if await self._desk.manifests.of(queue) is None:
                raise NotFound(f"{queue} is not registered: say first what it is.", queue=queue)

    async def _ready(
        self, principal: Principal, queues: list[str], gone: Callable[[], Awaitable[bool]]
    ) -> Lease | None:
        def ours(turn: TurnRecord, session: SessionRecord | None) -> bool:
            here = session is not None and principal.within(session=session.id, members=session.members)
            return here and turn.queue in queues

        for own_id in await self._jobs.ready(queues, LOOK_MAX):
            if await gone():
                return None
            found = await take(self._desk.door, own_id, ours, self._desk.lease_ms)
            if found is not None:
                return await self._begin(principal, *found)
        return None

    async def _begin(self, principal: Principal, turn: TurnRecord, fence: Fence) -> Lease | None:
        """Everything that its worker must know. None: it was lost again meanwhile."""
        desk, writer = self._desk, writer_for(self._desk, turn, fence, 0)
        try:
            x = await resume(desk.environment, desk.door, desk.log, desk.histories, writer)
        except LeaseLost:
            return None
        except HoldfastError:
            with contextlib.suppress(HoldfastError, LeaseLost):
                await writer.commit(turns.release)
            raise
        log.info("turn leased", turn=turn.id, agent=turn.agent, worker=principal.subject)
        return _lease(x, desk.lease_ms)

    # What is recorded.

    async def operations(self, principal: Principal, own_id: str) -> Recorded:
        """All that the turn has recorded. Raises NotFound, Forbidden, Gone."""
        view = await self._desk.door.read(ids.session_of(own_id), turns=(own_id,))
        turn = reachable(view, principal, own_id)
        x = await execution(self._desk, writer_for(self._desk, turn, Fence(view.epoch, 0), 0))
        return Recorded(own_id, _all_told(x))

    # Writes.

    async def append(self, principal: Principal, own_id: str, body: Append) -> Held:
        """Stream, and keep the lease. Raises as `hand_of` does; TooLarge, BadInput."""
        async with self._hand(principal, own_id, body) as hand:
            if hand.again:
                return hand.held()
            op = body.op or (await self._text_op(hand) if body.chunks else None)
            await hand.writer.write(*_events(hand.turn, body, op))
            await hand.writer.heartbeat()
            if not body.chunks:
                await self._desk.manifests.serve([hand.turn.queue])
            return hand.held()

    async def call(self, principal: Principal, own_id: str, body: NewCall) -> Performed:
        """Have a tool judged, asked about, begun."""
        async with self._hand(principal, own_id, body) as hand:
            x = await hand.load()
            tool = for_call(tool_named(x, body.tool), body)
            key = operation_key(tool.kind, tool.name, body.nth)
            return await hand.perform(x, key, lambda place: RemoteCall(x, tool, key, place).perform((), body.input))

    async def result(self, principal: Principal, own_id: str, body: NewResult) -> Performed:
        """Record how a call has ended that was begun."""
        async with self._hand(principal, own_id, body) as hand:
            x = await hand.load()
            operation = x.journal.operations.get(body.key)
            if operation is None or operation.kind != "tool":
                raise NotFound(f"{body.key[:200]!r} was not called.", key=body.key[:200])
            if operation.status not in ("started", "done"):
                raise Conflict(f"{operation.key} is {operation.status}: it was not to be run.", key=operation.key)
            if operation.status == "done":
                return hand.performed(x, operation, "go_on")
            if hand.again:
                raise Conflict(ANOTHER_WRITE, number=body.number)
            tool = tool_named(x, operation.key.removeprefix("tool:").rpartition(":")[0])
            ended = await RemoteCall(x, tool, operation.key, operation.place).ended(operation, body.output, body.error)
            return hand.performed(x, x.journal.operations[operation.key], "go_on", ended)

    async def ask(self, principal: Principal, own_id: str, body: NewQuestion) -> Performed:
        """Ask people."""
        question = question_of(body)
        kind: OperationKind = "ask" if body.kind == "question" else body.kind
        key = operation_key(kind, question.name if body.kind == "gate" else body.kind, body.nth)
        async with self._hand(principal, own_id, body) as hand:
            x = await hand.load()
            return await hand.perform(x, key, lambda place: asking.ask(x, question, kind, key, place))

    async def record(self, principal: Principal, own_id: str, body: NewRecord) -> Performed:
        """Keep what was done. What is recorded already stays."""
        key = operation_key(body.kind, body.name, body.nth)
        async with self._hand(principal, own_id, body) as hand:
            x = await hand.load()

            async def keep(place: int) -> None:
                if key not in x.journal.operations:
                    await record(x, key, place, body)

            return await hand.perform(x, key, keep, effect=False)

    async def sleep(self, principal: Principal, own_id: str, body: NewSleep) -> Performed:
        """Wait for a time."""
        try:
            length_ms = milliseconds(body.duration)
        except ValueError as error:
            raise BadRequest(f"duration: {error}.", path="duration") from None
        key = operation_key("sleep", "sleep", body.nth)
        async with self._hand(principal, own_id, body) as hand:
            x = await hand.load()
            return await hand.perform(x, key, lambda place: _slept(x, key, place, length_ms))

    async def look(self, principal: Principal, own_id: str, body: NewLook) -> Steered:
        """Take in what was said to the turn."""
        key = operation_key("observed", steering.NAME, body.nth)
        async with self._hand(principal, own_id, body) as hand:
            x = await hand.load()
            known = x.journal.operations.get(key)
            if known is None and hand.again:
                raise Conflict(ANOTHER_WRITE, number=body.number)
            if known is None and hand.turn.steering:
                known = await steering.take_in(x, key)
            messages = msgspec.convert(known.value, list[Message]) if known is not None else []
            return Steered(**standing(hand.writer), messages=messages)

    # Letting go.

    async def wait(self, principal: Principal, own_id: str, body: LetGo) -> Held:
        """Let go until people answer. `running`: they have meanwhile, and it goes on here."""
        async with self._hand(principal, own_id, body) as hand:
            if not hand.again:
                await hand.transcribe()
                try:
                    await hand.writer.close(lambda turn, by: waiting(turn, by, body.first), ended=False)
                except CancelledMeanwhile:
                    await self._end(hand, None)
                await self._trim(hand.turn.session)
            return hand.held()

    async def finish(self, principal: Principal, own_id: str, body: NewEnd) -> Held:
        """End the turn; one that was asked to stop ends as cancelled. Raises TooLarge: for the result."""
        size = len(msgspec.json.encode(body.result))
        if size > RESULT_MAX_BYTES:
            raise TooLarge(f"A turn's result has at most {RESULT_MAX_BYTES} bytes.", size=size, limit=RESULT_MAX_BYTES)
        async with self._hand(principal, own_id, body) as hand:
            if not hand.again:
                await hand.transcribe()
                await self._end(hand, body)
                await self._trim(hand.turn.session)
            return hand.held()

    async def release(self, principal: Principal, own_id: str, body: Write) -> Held:
        """Let go of it: the next worker takes it over from what is recorded."""
        async with self._hand(principal, own_id, body) as hand:
            if not hand.again:
                await hand.writer.commit(turns.release)
            return hand.held()

    async def _end(self, hand: Hand, body: NewEnd | None) -> None:
        door, who = self._desk.door, hand.turn.cancel
        if who is not None or body is None:
            await hand.writer.close(lambda t, w: finishing(door, t, "cancelled", writer=w, who=t.cancel), ended=True)
            return
        error = None if body.error is None else {"code": body.error.code, "message": body.error.message}
        end, result = ("completed", body.result) if error is None else ("failed", None)
        await hand.writer.close(lambda t, w: finishing(door, t, end, writer=w, result=result, error=error), ended=True)

    async def _trim(self, session: str) -> None:
        """As after a turn in Python; if not now, then after the next one."""
        try:
            await retention.trim(self._desk.door, self._desk.log, session, self._desk.retain_events)
        except HoldfastError as error:
            log.warning("log not trimmed", session=session, why=str(error))

    async def _text_op(self, hand: Hand) -> str:
        return text_key((await execution(self._desk, hand.writer)).journal.last)

    def _hand(self, principal: Principal, own_id: str, write: Write) -> AbstractAsyncContextManager[Hand]:
        return hand_of(self._desk, principal, own_id, write)


#: What only the server says of a call: a person's decision, or a rule's, is in the record and not in a worker's word.
_SERVERS_OWN = frozenset({"tool-approval-request", "tool-approval-response", "tool-output-denied"})


def _events(turn: TurnRecord, body: Append, op: str | None) -> list[Event]:
    """What is to be streamed. Raises BadInput, TooLarge: with the place of the chunk."""
    events: list[Event] = []
    for place, chunk in enumerate(body.chunks):
        kind = chunk.get("type")
        if not isinstance(kind, str) or kind in _SERVERS_OWN:
            raise BadInput(f"chunks[{place}]: {str(kind)[:100]!r} is no chunk that a worker may stream.", place=place)
        events.append(ChunkWritten(turn=turn.id, message=turn.message, chunk=chunk, op=op))
    if body.progress is not None:
        events.append(TurnProgress(turn=turn.id, progress=body.progress))
    return events


async def _slept(x: Execution, key: str, place: int, length_ms: int) -> Result[Any]:
    await stepping.sleep(x, key, place, lambda: x.writer.now_ms() + length_ms)
    return Result("done")


def _lease(x: Execution, lease_ms: int) -> Lease:
    turn, past = x.turn, x.past
    history, earlier = _newest(past.messages)
    return Lease(
        **standing(x.writer),
        leaseMs=lease_ms,
        session=turn.session,
        agent=turn.agent,
        version=turn.agent_version,
        requester=turn.requester,
        reply=turn.message,
        op=text_key(x.journal.last),
        message=past.cause,
        input=turn.input,
        history=history,
        earlier=earlier,
        pending=past.pending,
        notes=past.notes,
        operations=_all_told(x),
    )


def _all_told(x: Execution) -> list[Any]:
    def begun(operation: Operation) -> tuple[int, int]:
        return operation.begun_ms or 0, operation.place

    known = [one for one in x.journal.operations.values() if one.kind != "text"]
    return [told(x.journal, one) for one in sorted(known, key=begun)]


def _newest(messages: list[Message]) -> tuple[list[Message], bool]:
    """As many of the newest as have room, and whether there are more."""
    room, kept = HISTORY_MAX_BYTES, list[Message]()
    for message in reversed(messages):
        room -= len(msgspec.json.encode(message))
        if room < 0:
            break
        kept.insert(0, message)
    return kept, len(kept) < len(messages)


async def _within(seconds: float, event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
