"""One execution of a turn's function by a worker: from the record so far to its end, or to where all of it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import structlog

from holdfast.commands.backend import Backend
from holdfast.core.errors import HoldfastError, ReplayDiverged
from holdfast.core.events import ChunkWritten, TurnProgress
from holdfast.core.operations import OperationKind
from holdfast.core.policies import Verdict
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.runtime.branches import Branches, Split
from holdfast.runtime.history import Past
from holdfast.runtime.journal import Journal
from holdfast.runtime.policies import Policies
from holdfast.runtime.standings import Standings
from holdfast.runtime.tools import Tool
from holdfast.runtime.writer import LeaseLost, TurnWriter

T = TypeVar("T")
TEXT_MAX = 16_000  # characters of one text chunk; longer writes are split
UNWIND_S = 5.0  # that an agent's `finally` blocks get when its function is dropped


class Asked(Generic[T]):
    """An operation that was asked for: await it, or give it to `turn.all`."""

    def __init__(
        self,
        execution: Execution,
        kind: OperationKind,
        name: str,
        perform: Callable[[str, int], Awaitable[T]],
    ) -> None:
        self.execution, self.name, self.perform = execution, name, perform
        self.kind: OperationKind = kind

    def __await__(self) -> Any:
        return self.execution.one(self).__await__()


class Environment(msgspec.Struct, frozen=True):
    """What a worker gives to all its turns."""

    #: What the app's lifespan yielded.
    deps: Any
    #: What a tool without any approval setting means, where no policy says.
    default_verdict: Verdict
    #: Asked before each call that is judged: files may have changed.
    policies: Policies
    #: For what is not the turn's own: schedules.
    backend: Backend
    #: Grants and counters, read afresh.
    standings: Standings
    #: Told of every run of a tool's function.
    executed: Callable[[str, dict[str, Any]], None]
    #: The app's agents, which may have each other do something. By queue: agent@version.
    agents: Mapping[str, Runs] = {}


class Runs(Protocol):
    """An agent, as far as one needs to know it to have it do something."""

    name: str
    version: str

    def run(self, x: Execution) -> Awaitable[Any]:
        """Its function, on this execution."""
        ...


class Reins:
    """By what a worker holds a turn: shared by all functions that run in it."""

    def __init__(self) -> None:
        #: Why the turn cannot go on, whatever the function's own code makes of it.
        self.broken: Exception | None = None
        #: The worker wants to let go: nothing new is begun.
        self.halted = False
        #: The function is dropped: what its `finally` blocks ask for does not happen. Never taken back, for it may
        #: be one that does not unwind.
        self.sealed = False


class Execution:
    """What the operations of a turn work with while its function runs."""

    def __init__(
        self,
        environment: Environment,
        session: SessionRecord,
        writer: TurnWriter,
        journal: Journal,
        past: Past,
        reins: Reins | None = None,
    ) -> None:
        self.environment, self.session = environment, session
        self.writer, self.journal = writer, journal
        self.past = past
        self.log = structlog.get_logger("holdfast.runtime").bind(turn=writer.turn.id, agent=writer.turn.agent)
        self.changed = asyncio.Event()
        self.branches = Branches(self.changed)
        self.reins = reins or Reins()
        #: What the turn lets go to wait for, where the first of it is enough.
        self.race: tuple[str, ...] = ()
        #: The agent's, by name.
        self.tools: Mapping[str, Tool[..., Any]] = {}
        #: The agent's, bound to its turn: asked before the turn ends for having reached a limit.
        self.on_limit: Callable[[Any], Awaitable[Any]] | None = None
        #: Have it asked about the operations, or the bytes that they record, where there is one.
        self.over: dict[str, Callable[[], Awaitable[None]]] = {}
        self.in_hook = False
        #: The turn ends with this, whatever its function does: (value,).
        self.output: tuple[Any] | None = None
        self._writing = False
        self._task: asyncio.Task[Any] | None = None
        #: By how many agents, one inside the other, this one was called.
        self.depth = 0
        #: Whether what it says is the agent's text, and what people say in between is for it.
        self.aloud = True

    @property
    def turn(self) -> TurnRecord:
        return self.writer.turn

    @property
    def agent(self) -> str:
        """The name of the agent whose function runs."""
        return self.turn.agent

    @property
    def called(self) -> str | None:
        """The same, where another agent called it: what it asks and shows says so."""
        return None

    @property
    def input(self) -> Any:
        return self.turn.input

    @property
    def sealed(self) -> bool:
        return self.reins.sealed

    def start(self, function: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Run the function in a task of its own, which the caller awaits."""

        async def body() -> T:
            return await function()

        self._task = asyncio.create_task(body(), name=f"turn {self.turn.id}")
        self._task.add_done_callback(lambda _: self.changed.set())
        return self._task

    # Operations.

    async def one(self, asked: Asked[T]) -> T:
        """Perform one operation of the function."""
        self.check_task()
        key, place = await self.enter([asked])
        return await self.guarded(asked.perform(key[0], place))

    async def batch(self, asked: tuple[Asked[Any], ...]) -> list[Any]:
        """Perform several at once. Waits for all, then raises the first failure, if there was one."""
        self.check_task()
        keys, place = await self.enter(list(asked))
        split = self.branches.split(len(asked))
        tasks = [
            asyncio.create_task(self.branch(split, one.perform(key, place)), name=f"{self.turn.id} {key}")
            for one, key in zip(asked, keys, strict=True)
        ]
        try:
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await end_all(tasks)
        self.branches.whole(split)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    async def enter(self, asked: list[Asked[Any]], *, race: bool = False) -> tuple[list[str], int]:
        """Begin a place of the function with these operations: their keys, last that of a race, and the place."""
        if self.sealed or self.reins.halted or self.turn.cancel:
            await self.halt()
        await self._within_limits(asked)
        keys = [self.journal.name(one.kind, one.name) for one in asked]
        if race:
            keys.append(self.journal.name("first", "first"))
        await self.end_text()
        try:
            return keys, self.journal.enter(keys)
        except HoldfastError as error:
            return await self.give_up(error)

    async def _within_limits(self, asked: list[Asked[Any]]) -> None:
        """Have the agent's hook asked, if these are more operations than the turn may have, or it has no room left."""
        while self.over and not self.in_hook and (what := self.journal.exceeded(len(asked))):
            await self.over[what]()

    async def end_with(self, value: Any) -> Any:
        """The turn ends here, with this. Never returns."""
        self.output = (value,)
        await self.halt()

    async def branch(self, split: Split, performing: Awaitable[T]) -> T:
        """One of several operations of a place."""
        self.branches.begin(split)
        try:
            return await self.guarded(performing)
        finally:
            self.branches.joined(split)

    async def nested(self, performing: Callable[[], Awaitable[T]]) -> T:
        """Perform what the body of a tool asks for."""
        if self.sealed:
            await self.halt()
        return await self.guarded(performing())

    async def looking(self, look: Callable[[Execution], Awaitable[T]]) -> T:
        """Observe something that must be read. It is recorded, but it is no operation and has no place."""
        self.check_task()
        if self.sealed or self.reins.halted or self.turn.cancel:
            await self.halt()
        return await self.guarded(look(self))

    async def guarded(self, performing: Awaitable[T]) -> T:
        """What only the worker can deal with never reaches the author's code, which might swallow it."""
        try:
            return await performing
        except (LeaseLost, HoldfastError) as error:
            return await self.give_up(error)

    async def give_up(self, error: Exception) -> Any:
        """The worker takes over from here. Never returns."""
        self.reins.broken = self.reins.broken or error
        await self.halt()

    async def halt(self) -> Any:
        """Go no further: the worker drops the function here."""
        if self.sealed:  # it was cancelled already: there is nobody to do it again
            await asyncio.sleep(0)  # who swallows this in a loop must not hold up the worker
            raise asyncio.CancelledError
        self.changed.set()
        await asyncio.get_running_loop().create_future()

    def check_task(self) -> None:
        """Raises RuntimeError in any task but the function's own."""
        if asyncio.current_task() is not self._task:
            raise RuntimeError(
                "turn.* was used in a task of your own making: replay could not follow it. "
                "Use turn.all(...) for several things at once, and the option timeout= instead of asyncio.wait_for."
            )

    # The message.

    async def write(self, text: str) -> None:
        """Stream text. Consecutive writes share a part; what a former run recorded is passed over."""
        self.check_task()
        if self.sealed or self.journal.writing_is_settled or not text:
            return
        part = f"text-{self.journal.place}"
        if not self._writing:
            self._writing = True
            await self.emit({"type": "text-start", "id": part}, self.journal.text_key)
        for start in range(0, len(text), TEXT_MAX):
            delta = text[start : start + TEXT_MAX]
            await self.emit({"type": "text-delta", "id": part, "delta": delta}, self.journal.text_key)

    async def end_text(self) -> None:
        """What comes next is not part of the text."""
        if self._writing:
            self._writing = False
            part = f"text-{self.journal.place}"
            await self.emit({"type": "text-end", "id": part}, self.journal.text_key)

    async def chunk(self, chunk: dict[str, Any]) -> None:
        """Stream a chunk of the author's own, between texts."""
        self.check_task()
        if not (self.sealed or self.journal.writing_is_settled):
            await self.end_text()
            await self.emit(chunk, self.journal.text_key)

    async def emit(self, chunk: dict[str, Any], op: str | None) -> None:
        await self.writer.write(self.chunk_event(chunk, op))

    def chunk_event(self, chunk: dict[str, Any], op: str | None = None) -> ChunkWritten:
        return ChunkWritten(turn=self.turn.id, message=self.turn.message, chunk=chunk, op=op)

    async def progress(self, progress: Any) -> None:
        if not self.sealed:
            await self.writer.write(TurnProgress(turn=self.turn.id, progress=progress))

    # The end.

    def diverged(self) -> ReplayDiverged | None:
        return self.reins.broken if isinstance(self.reins.broken, ReplayDiverged) else None


async def drop(function: asyncio.Task[Any]) -> None:
    """Cancel a function and let it unwind; what it does meanwhile is recorded nowhere (rule k)."""
    function.cancel()
    _, running = await asyncio.wait({function}, timeout=UNWIND_S)
    if running:
        structlog.get_logger("holdfast.runtime").error("agent does not unwind", task=function.get_name())


async def end_all(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel what of them is still under way, and return when it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
