"""Running a turn that this worker has taken: again and again until it ends, or all of it waits.

What a run needs is read from the store, whatever happened before: there is one way in, after a wait and after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any, Literal

import msgspec
import structlog

from holdfast.core import ending, turns
from holdfast.core.commit import Commit, Fence, Writer
from holdfast.core.errors import HoldfastError, ReplayDiverged, Unavailable
from holdfast.core.events import TurnEnd
from holdfast.core.identity import By
from holdfast.core.turns import TurnRecord, open_interrupts
from holdfast.runtime.app import Agent
from holdfast.runtime.calling import RESULT_MAX_BYTES
from holdfast.runtime.execution import Environment, Execution, drop
from holdfast.runtime.history import Histories
from holdfast.runtime.resuming import resume
from holdfast.runtime.transcript import Transcript
from holdfast.runtime.writer import LeaseLost, TurnWriter
from holdfast.store import retention
from holdfast.store.door import Door
from holdfast.store.log import Log

#: Why a run of the function goes no further.
Stop = Literal["ended", "waiting", "cancelled", "released", "broken", "abandoned"]

MESSAGE_MAX = 2_000  # characters of an exception that are shown


class Run:
    """One turn in one worker's hands."""

    def __init__(
        self,
        environment: Environment,
        agent: Agent,
        door: Door,
        log: Log,
        histories: Histories,
        lease_ms: int,
        retain_events: int = retention.RETAIN_EVENTS,
    ) -> None:
        self._environment, self._agent = environment, agent
        self._door, self._log, self._histories, self._lease_ms = door, log, histories, lease_ms
        self._retain_events = retain_events
        self._execution: Execution | None = None
        self._writer: TurnWriter | None = None
        self._stopping = False
        self._abandoned = False

    async def run(self, turn: TurnRecord, fence: Fence) -> None:
        """Carry the turn on, until it ends or waits. Returns also when the lease is lost: then it is another's."""
        transcript = Transcript(turn.id, turn.message)
        writer = self._writer = TurnWriter(self._door, self._log, turn, fence, transcript, self._lease_ms)
        streaming = asyncio.create_task(self._stream(writer), name=f"stream {turn.id}")
        beating = asyncio.create_task(self._beat(writer), name=f"heartbeat {turn.id}")
        try:
            while await self._once(writer):
                pass  # the last answer came before the turn let go: it goes on here
        except LeaseLost as lost:
            structlog.get_logger("holdfast.runtime").warning("lease lost", turn=turn.id, why=str(lost))
        except Unavailable:
            raise  # of the store, not of the turn: it is taken again when the lease is over
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the turn's
            await self._park(writer, error)
        finally:
            await _cancel(streaming, beating)
            await writer.settled()
        await self._trim(turn.session)

    async def _park(self, writer: TurnWriter, error: Exception) -> None:
        """It would fail in the same way wherever it is taken next: an operator must see it (promise 11)."""
        structlog.get_logger("holdfast.runtime").error("turn blocked", turn=writer.turn.id, exc_info=error)
        code = error.code if isinstance(error, HoldfastError) else "runtime_error"
        message = f"{type(error).__name__}: {error}"[:MESSAGE_MAX]
        writer.discard()
        with contextlib.suppress(LeaseLost):
            await writer.commit(lambda turn, by: turns.block(turn, code, message, by))

    async def _trim(self, session: str) -> None:
        """Now that one turn less can change, the log may be shortened. If not now, then after the next one."""
        try:
            await retention.trim(self._door, self._log, session, self._retain_events)
        except HoldfastError as error:
            structlog.get_logger("holdfast.runtime").warning("log not trimmed", session=session, why=str(error))

    async def _stream(self, writer: TurnWriter) -> None:
        await self._or_give_up(writer.run())

    async def _beat(self, writer: TurnWriter) -> None:
        """Keep the lease, and notice what a lost wake-up would have told."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(self._lease_ms / 3_000)
                await writer.heartbeat()
                with contextlib.suppress(Unavailable):  # only a look: the next one sees it
                    await writer.look()
                self._tell()

        await self._or_give_up(beat())

    async def _or_give_up(self, working: Awaitable[None]) -> None:
        try:
            await working
        except (LeaseLost, HoldfastError) as error:
            structlog.get_logger("holdfast.runtime").warning("run abandoned", why=str(error))
            self._abandoned = True
            self._tell()

    # From outside: a worker tells its run what happened.

    async def look(self) -> None:
        """Somebody has changed the turn: perhaps to cancel it."""
        if self._writer is None:
            return
        try:
            await self._writer.look()
        except LeaseLost:
            self._abandoned = True
        self._tell()

    def stop(self, *, now: bool = False) -> None:
        """Let go of the turn as soon as what is under way is recorded, or `now`."""
        self._stopping = True
        self._abandoned = self._abandoned or now
        if now and self._writer is not None:
            self._writer.given_up = True
        self._tell()

    def _tell(self) -> None:
        if self._execution is not None:
            self._execution.reins.halted = self._stopping or self._abandoned
            self._execution.changed.set()

    # One time through the function.

    async def _once(self, writer: TurnWriter) -> bool:
        """Run the function until it ends or must be dropped, and record that. True: it goes on at once."""
        x = self._execution = await resume(self._environment, self._door, self._log, self._histories, writer)
        function = x.start(lambda: self._agent.run(x))
        try:
            stop = await self._until_it_stops(x, function)
        finally:
            if not function.done():
                x.reins.sealed = True  # what its `finally` blocks do counts for nothing (rule k)
                await drop(function)
        return await self._conclude(x, function, stop)

    async def _until_it_stops(self, x: Execution, function: asyncio.Task[Any]) -> Stop:
        """Why the function goes no further. Decided before it is dropped: its own code cannot change it."""
        while True:
            if x.reins.broken:
                return "broken"
            if self._abandoned:
                return "abandoned"
            if function.done() or x.output is not None:
                return "ended"
            if x.turn.cancel and not x.branches.executing:
                return "cancelled"
            if x.branches.all_wait:
                x.race = x.branches.race  # now: the branches are gone when the function is dropped
                return "waiting"
            if self._stopping and not (x.branches.executing or x.branches.holding):
                return "released"
            await x.changed.wait()
            x.changed.clear()

    async def _conclude(self, x: Execution, function: asyncio.Task[Any], stop: Stop) -> bool:
        match stop:
            case "abandoned":
                raise LeaseLost(x.turn.id)
            case "broken":
                await self._broke(x, x.reins.broken)
            case "cancelled":
                await self._end(x, "cancelled", who=x.turn.cancel)
            case "ended":
                await self._ended(x, function)
            case "waiting":
                try:
                    await x.writer.close(lambda t, w: waiting(t, w, x.race), ended=False, journal=x.journal)
                except CancelledMeanwhile:
                    await self._end(x, "cancelled", who=x.turn.cancel)
                return x.turn.status == "running"
            case "released":
                # Not closed: what was written since the last operation is void, and the next worker takes it back.
                await x.writer.commit(turns.release)
        return False

    async def _broke(self, x: Execution, error: Exception | None) -> None:
        if isinstance(error, LeaseLost | Unavailable):
            raise error
        if isinstance(error, ReplayDiverged):
            message = error.message
            await x.writer.commit(lambda turn, writer: turns.block(turn, "replay_diverged", message, writer))
            return
        assert isinstance(error, HoldfastError)
        await self._end(x, "failed", error={"code": error.code, "message": error.message})

    async def _ended(self, x: Execution, function: asyncio.Task[Any]) -> None:
        if x.turn.cancel:
            return await self._end(x, "cancelled", who=x.turn.cancel)
        error = _raised(x, function)
        if error is not None:
            x.log.error("agent failed", exc_info=error)
            failure = {"code": "agent_error", "message": f"{type(error).__name__}: {error}"[:MESSAGE_MAX]}
            return await self._end(x, "failed", error=failure)
        try:
            x.journal.end()
            encoded = msgspec.json.encode(function.result() if x.output is None else x.output[0])
            if len(encoded) > RESULT_MAX_BYTES:
                raise ValueError(f"it has {len(encoded)} bytes of {RESULT_MAX_BYTES}")
            result = msgspec.json.decode(encoded)
        except ReplayDiverged as diverged:
            await self._broke(x, diverged)
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            failure = {"code": "result_not_encodable", "message": f"the turn's result: {error}"}
            await self._end(x, "failed", error=failure)
        else:
            await self._end(x, "completed", result=result)

    # The end of the turn.

    async def _end(
        self,
        x: Execution,
        end: TurnEnd,
        *,
        result: Any = None,
        error: dict[str, Any] | None = None,
        who: By | None = None,
    ) -> None:
        await x.end_text()
        await x.writer.close(lambda t, w: self._finishing(t, w, end, result, error, who), ended=True, journal=x.journal)

    def _finishing(
        self,
        turn: TurnRecord,
        writer: Writer,
        end: TurnEnd,
        result: Any,
        error: dict[str, Any] | None,
        who: By | None,
    ) -> Awaitable[Commit]:
        return finishing(self._door, turn, end, writer=writer, result=result, error=error, who=who)


def _raised(x: Execution, function: asyncio.Task[Any]) -> BaseException | None:
    """What the function raised by itself, if it was not ended by its hook."""
    if x.output is not None:
        return None
    return asyncio.CancelledError("by itself") if function.cancelled() else function.exception()


class CancelledMeanwhile(Exception):
    """Somebody cancelled the turn while it was about to wait: as a waiting one, nobody would look at it again."""


def waiting(turn: TurnRecord, writer: Writer, race: tuple[str, ...]) -> Commit:
    """The commit that lets go of a turn. Raises CancelledMeanwhile."""
    if turn.cancel is not None:
        raise CancelledMeanwhile
    return turns.wait(turn, writer, race)


async def finishing(
    door: Door,
    turn: TurnRecord,
    end: TurnEnd,
    *,
    writer: Writer | None = None,
    result: Any = None,
    error: dict[str, Any] | None = None,
    who: By | None = None,
) -> Commit:
    """The commit that ends a turn as things stand now: with its open interrupts, and the turn that comes next."""
    asked = open_interrupts(turn)
    view = await door.read(turn.session, turns=(turn.id,), interrupts=asked)
    if view.session is None:
        raise LeaseLost(f"{turn.id}: its session is gone")
    following = None
    for own_id in ending.next_in_line(view.session, turn):
        following = (await door.read(turn.session, turns=(own_id,))).turns.get(own_id)
    records = list(view.interrupts.values())
    return ending.end(
        view.session, turn, following, records, end, view.now_ms, by=writer, who=who, result=result, error=error
    )


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
