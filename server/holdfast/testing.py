"""For tests of one's own agents: a real store, a clock that is set by hand, answers as people give them, crashes.

    async with harness(app, deps=fake) as h:
        session = await h.start("support", message="Refund A-17, 200")
        ask = await session.wait_interrupt(tool=refund)
        await session.deny(ask, reason="no", by="bob")
        await session.wait_finished()
        assert h.executions(refund) == 0

Nothing in it sleeps: every `wait_` waits for its condition, and says what it waited for when the time is up.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from holdfast import wiring
from holdfast.commands import (
    answering,
    cancelling,
    claiming,
    continuing,
    sending,
    starting,
    taking_over,
    updating,
    withdrawing,
)
from holdfast.commands.backend import Backend
from holdfast.core.durations import Duration, milliseconds
from holdfast.core.events import Event, UnknownEvent, decode
from holdfast.core.folding import State, TurnState, fold, load
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.interrupts import Interrupt
from holdfast.core.modes import Mode
from holdfast.core.turns import CONTINUE
from holdfast.notify.router import Router
from holdfast.protocol import frames
from holdfast.runtime.app import App
from holdfast.runtime.sweeper import Sweeper
from holdfast.runtime.tools import Tool
from holdfast.runtime.worker import Worker
from holdfast.store.connection import Connection
from holdfast.store.door import SCRIPTS, Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.keys import Keys
from holdfast.store.log import Log
from holdfast.store.manifests import Manifests
from holdfast.store.outbox import Outbox
from holdfast.store.subscription import Subscription

WAIT_S = 10.0  # for a condition, before a test fails
EVERYBODY = ("alice", "bob", "carol")  # members of every session that a test starts

_DEPS_OF_THE_APP = object()


class Harness:
    """An app under test: a store of its own, one worker, one sweeper. Made by `harness`."""

    def __init__(self, app: App, url: str, deps: Any, lease_ms: int) -> None:
        self._app, self._url, self._deps, self._lease_ms = app, url, deps, lease_ms
        self._runs: list[tuple[str, dict[str, Any]]] = []
        self._worker: Worker | None = None
        self._working: asyncio.Task[None] | None = None

    async def open(self) -> None:
        keys = Keys()
        self.connection = Connection(
            self._url,
            name="holdfast-test",
            scripts=SCRIPTS,
            on_connect=lambda info: self.door.claim(info.run_id, info.direct),
        )
        self.door = Door(self.connection, keys)
        self.log = Log(self.connection, keys)
        self.manifests = Manifests(self.connection, keys)
        self.backend = Backend(self.door, self.log, self.manifests)
        await self.connection.open()
        self._changed = asyncio.Condition()
        self._wake = Subscription(
            self._url,
            self._woken,
            lambda: None,
            publish=lambda channel, payload: self.connection.execute("PUBLISH", channel, payload),
        )
        await self._wake.open()
        for partition in range(keys.partitions):
            await self._wake.subscribe(keys.wake_channel(partition))
        self.sweeper = Sweeper(self.backend)
        await self.start_worker()

    async def close(self) -> None:
        await self.stop_worker()
        await self._wake.close()
        await self.connection.close()

    # Sessions.

    async def start(
        self,
        agent: str,
        *,
        message: Any = None,
        input: Any = msgspec.UNSET,
        by: str = "alice",
        id: str | None = None,
    ) -> TestSession:
        """Start a session, as a person does."""
        ref = secrets.token_hex(8)
        frame = frames.Start(ref, agent, id=id, message=message, input=input)
        reply = await starting.start(self.backend, person(by), frame, "test")
        assert reply.session is not None
        return TestSession(self, reply.session)

    # The clock.

    async def advance(self, duration: Duration) -> None:
        """Let time pass for the store, and settle what has become due."""
        keys = self.door.keys
        for partition in range(keys.partitions):
            await self.connection.execute("HINCRBY", keys.meta(partition), "clock_offset_ms", milliseconds(duration))
        while await self.sweeper.sweep():
            pass

    # Workers.

    async def start_worker(self) -> None:
        """Start a worker, if none is there."""
        if self._working is not None:
            return
        app = self._app if self._deps is _DEPS_OF_THE_APP else self._app.with_deps(self._deps)
        worker = self._worker = Worker(
            app,
            self.door,
            self.log,
            self.manifests,
            lease_ms=self._lease_ms,
            executed=lambda tool, values: self._runs.append((tool, values)),
            beside=self._tell if app.hooks else None,
        )
        self._working = asyncio.create_task(worker.run(), name="worker under test")
        await wait_until(lambda: worker.ready.is_set() or self._failed(), "the worker is ready")
        if self._working.done():
            self._working.result()

    async def _tell(self, deps: Any) -> None:
        """Hand notices on, and call the app's hooks."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Router(Outbox(self.connection, self.door.keys)).run())
            tasks.create_task(wiring.telling(self._app, self.door)(deps))

    async def stop_worker(self) -> None:
        """Stop it, as a deploy does: what is under way is recorded."""
        if self._worker is not None and self._working is not None:
            self._worker.stop()
            await self._working
            self._worker = self._working = None

    async def deploy(self, app: App) -> None:
        """Stop the worker and start one that runs another app, as a deploy does."""
        await self.stop_worker()
        self._app = app
        await self.start_worker()

    async def kill_worker(self, *, restart: bool = True) -> None:
        """Kill it, as kill -9 does; its leases run out, and a new one takes over."""
        if self._worker is not None and self._working is not None:
            self._worker.kill()
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
            self._worker = self._working = None
        await self.advance(f"{self._lease_ms + 1} ms")
        if restart:
            await self.start_worker()

    def executions(self, tool: Tool[..., Any]) -> int:
        """How often the tool's function was run."""
        return sum(name == tool.name for name, _ in self._runs)

    def _failed(self) -> bool:
        return self._working is not None and self._working.done()

    def _woken(self, _channel: str, payload: bytes) -> None:
        if self._worker is not None:
            self._worker.woken(payload)


class TestSession:
    """A session under test, as people see it."""

    __test__ = False  # pytest: it is not a class of tests

    def __init__(self, harness: Harness, id: str) -> None:
        self._h, self.id = harness, id

    async def state(self) -> State:
        """The session as a device that comes now would see it."""
        folded = await self._h.log.folded(self.id)
        state = load(folded) if folded else State()
        for seq, at, event in await self.events():
            fold(state, seq, at, event)
        return state

    async def events(self) -> list[tuple[int, int, Event | UnknownEvent]]:
        """All events that the log still has: position, instant, event."""
        events: list[tuple[int, int, Event | UnknownEvent]] = []
        after = 0
        while True:
            page = await self._h.log.page(self.id, after)
            events.extend((entry.seq, entry.at, decode(entry.data)) for entry in page.entries)
            if not page.entries:
                return events
            after = page.entries[-1].seq

    async def text(self) -> str:
        """All that the agent wrote."""
        state = await self.state()
        return "".join(one.message.text for one in state.ordered if one.message.role == "assistant")

    # What people do.

    async def send(
        self, message: Any, *, mode: Mode | None = None, by: str = "alice", ref: str | None = None
    ) -> frames.Ok:
        """Say something; `mode` is what becomes of it while a turn runs or waits."""
        frame = frames.Send(ref or secrets.token_hex(8), self.id, message, mode)
        return await sending.send(self._h.backend, person(by), frame, "test")

    async def approve(
        self, ask: Interrupt, *, by: str = "alice", ref: str | None = None, **payload: Any
    ) -> frames.Answered:
        return await self.answer(ask, {"approved": True, **payload}, by=by, ref=ref)

    async def deny(
        self, ask: Interrupt, *, by: str = "alice", ref: str | None = None, **payload: Any
    ) -> frames.Answered:
        return await self.answer(ask, {"approved": False, **payload}, by=by, ref=ref)

    async def answer(
        self,
        ask: Interrupt,
        payload: Any = None,
        *,
        status: Any = "resolved",
        by: str = "alice",
        roles: tuple[str, ...] = (),
        ref: str | None = None,
    ) -> frames.Answered:
        """Answer an interrupt; losing is a result."""
        frame = frames.Answer(ref or secrets.token_hex(8), self.id, ask.id, status, payload)
        return await answering.answer(self._h.backend, person(by, roles), frame, "test")

    async def update(self, ask: Interrupt, *, output: Any, by: str = "alice") -> frames.UpdateResult:
        """Answer a tool call by its id with an output, as AI SDK clients do."""
        item = frames.ToolUpdate("tool-output-available", ask.toolCallId or "", output=output)
        frame = frames.Update(secrets.token_hex(8), self.id, [item])
        return (await updating.update(self._h.backend, person(by), frame, "test")).results[0]

    async def withdraw(self, ask: Interrupt, *, reason: str | None = None, by: str = "olga") -> frames.Answered:
        """Take back what was asked, as an operator."""
        frame = frames.Withdraw(secrets.token_hex(8), self.id, ask.id, reason)
        operator = person(by, (OPERATOR,))
        return await withdrawing.withdraw(self._h.backend, operator, frame, "test")

    async def continue_turn(self, turn: str, *, by: str = "alice", ref: str | None = None) -> frames.Continued:
        """Let a turn go on that is ready to continue; losing is a result."""
        frame = frames.Continue(ref or secrets.token_hex(8), self.id, turn)
        return await continuing.carry_on(self._h.backend, person(by), frame, "test")

    async def claim(
        self, ask: Interrupt, *, by: str = "alice", device: str | None = None, for_ms: int | None = None
    ) -> frames.Ok:
        """Claim what is asked: a client tool for a device."""
        frame = frames.Claim(secrets.token_hex(8), self.id, ask.id, for_ms, device)
        return await claiming.claim(self._h.backend, person(by), frame, "test")

    async def take_over(self, *, by: str = "olga") -> frames.Ok:
        """Speak in the agent's place, as an operator: with `send(…, by="olga")`, until `hand_back`."""
        frame = frames.Takeover(secrets.token_hex(8), self.id)
        return await taking_over.take_over(self._h.backend, person(by, (OPERATOR,)), frame, "test")

    async def hand_back(self, *, answered: bool = False, by: str = "olga") -> frames.Ok:
        frame = frames.Handback(secrets.token_hex(8), self.id, answered)
        return await taking_over.hand_back(self._h.backend, person(by, (OPERATOR,)), frame, "test")

    async def cancel(self, *, by: str = "alice") -> frames.Ok:
        frame = frames.Cancel(secrets.token_hex(8), self.id)
        return await cancelling.cancel(self._h.backend, person(by), frame, "test")

    # What tests wait for.

    async def wait_interrupt(self, *, tool: Tool[..., Any] | None = None, kind: str | None = None) -> Interrupt:
        """The open interrupt of this tool or kind, once there is one."""

        async def find() -> Interrupt | None:
            for shown in (await self.state()).interrupts.values():
                if "decision" in shown or (tool and shown.get("toolName") != tool.name):
                    continue
                if kind is None or shown["kind"] == kind:
                    return msgspec.convert(shown, Interrupt)
            return None

        return await wait_for(find, f"an open interrupt of {tool or kind or 'any kind'}")

    async def wait_turn(self, status: str) -> TurnState:
        """The last turn, once it has this status."""

        async def find() -> TurnState | None:
            turns = list((await self.state()).turns.values())
            return turns[-1] if turns and turns[-1].status == status else None

        return await wait_for(find, f"the last turn is {status}")

    async def wait_finished(self) -> TurnState:
        """The last turn, once it has ended."""
        return await self.wait_turn("finished")

    async def wait_ready_to_continue(self) -> TurnState:
        """The last turn, once nothing keeps it but a `continue`."""

        async def find() -> TurnState | None:
            turns = list((await self.state()).turns.values())
            return turns[-1] if turns and turns[-1].open == (CONTINUE,) else None

        return await wait_for(find, "the last turn is ready to continue")

    async def wait_waiting(self) -> TurnState:
        """The last turn, once it waits for people or for a time."""
        return await self.wait_turn("waiting")


@asynccontextmanager
async def harness(
    app: App, *, deps: Any = _DEPS_OF_THE_APP, lease_ms: int = 12_000, url: str | None = None
) -> AsyncGenerator[Harness]:
    """An app with a store, a worker and a clock of its own.

    Args:
        deps: given to turns and tools instead of what the app's lifespan yields.
        url: a store to use instead of one of its own; it must be empty, and made for tests.
    """
    if url is not None:
        async with _opened(Harness(app, url, deps, lease_ms)) as opened:
            yield opened
        return
    async with (
        EmbeddedStore(manual_clock=True) as store,
        _opened(Harness(app, store.url, deps, lease_ms)) as opened,
    ):
        yield opened


@asynccontextmanager
async def _opened(made: Harness) -> AsyncGenerator[Harness]:
    wiring.plain_tracebacks()
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def person(subject: str, roles: tuple[str, ...] = ()) -> Principal:
    """Somebody who may do in every session what people may do."""
    return Principal(subject, roles, sessions=("*",))


async def wait_for(find: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> Any:
    """What `find` gives, once it gives something.

    Raises:
        AssertionError: it did not in time; says what was waited for.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        found = await find()
        if found is not None:
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain: {what}")
        await asyncio.sleep(0.005)


async def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Return once the condition holds. Raises AssertionError as `wait_for` does."""

    async def find() -> bool | None:
        return holds() or None

    await wait_for(find, what, timeout_s)
