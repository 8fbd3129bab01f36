"""The worker: takes turns that are ready, one lease each, and runs them side by side.

    wake-up or poll ──▶ a turn's id ──▶ read it: is it ready, and ours to run? ──▶ take (fenced) ──▶ run

Nothing here is remembered that matters: a worker that is killed leaves leases, which run out; what it was told by
pub/sub, it would have found by its poll; what the job sets say is a hint, and the turn's record is the truth.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from holdfast.commands import scheduling
from holdfast.commands.backend import Backend
from holdfast.core.errors import HoldfastError
from holdfast.core.turns import LEASE_MS, TurnRecord
from holdfast.runtime.app import Agent, App
from holdfast.runtime.execution import Environment
from holdfast.runtime.history import Histories
from holdfast.runtime.policies import Policies
from holdfast.runtime.run import Run
from holdfast.runtime.standings import Standings
from holdfast.runtime.taking import take
from holdfast.store.backoff import Backoff
from holdfast.store.door import Door
from holdfast.store.jobs import Jobs
from holdfast.store.log import Log
from holdfast.store.manifests import HEARTBEAT_S, Manifests
from holdfast.store.retention import RETAIN_EVENTS

SLOTS = 100  # turns that one worker runs at once; turns that wait take none
POLL_MS = 1_000  # how late a turn starts whose wake-up was lost
GRACE_MS = 10_000  # that effects under way get when the worker stops; then they are in doubt

log = structlog.get_logger("holdfast.worker")


class Worker:
    """Runs the agents of one App. `run` it; `stop` it; tell it what was `woken`."""

    def __init__(
        self,
        app: App,
        door: Door,
        logs: Log,
        manifests: Manifests,
        *,
        slots: int = SLOTS,
        lease_ms: int = LEASE_MS,
        poll_ms: int = POLL_MS,
        grace_ms: int = GRACE_MS,
        retain_events: int = RETAIN_EVENTS,
        policies: Policies | None = None,
        executed: Callable[[str, dict[str, Any]], None] = lambda _tool, _input: None,
        beside: Callable[[Any], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """Work for `app`. `beside`, given the lifespan's deps, runs until the worker has stopped."""
        self._app, self._door, self._log, self._manifests = app, door, logs, manifests
        self._slots, self._lease_ms, self._poll_s, self._grace_s = (
            slots,
            lease_ms,
            poll_ms / 1_000,
            grace_ms / 1_000,
        )
        self._policies = policies or app.policies
        self._executed = executed
        self._beside = beside
        self._backend = Backend(door, logs, manifests)
        self._retain_events = retain_events
        self._histories = Histories(logs)
        self._jobs = Jobs(door.connection, door.keys)
        self._hints: deque[str] = deque(maxlen=10_000)
        self._looks: set[str] = set()
        self._news = asyncio.Event()
        self._stopping = False
        self._runs: dict[str, Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._registered = False
        #: Set when the agents are registered and the first poll was made.
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`. Then what is under way is recorded, and every turn is anybody's again."""
        async with self._app.running() as deps, asyncio.TaskGroup() as tasks:
            app, standings = self._app, Standings(self._door)
            environment = Environment(
                deps, app.default_verdict, self._policies, self._backend, standings, self._executed, app.agents
            )
            others = [tasks.create_task(self._serve())]
            if self._beside is not None:
                others.append(tasks.create_task(self._beside(deps)))
            try:
                await self._work(tasks, environment)
                await self._drain()
            finally:
                for other in others:
                    other.cancel()

    def stop(self) -> None:
        """Take no more turns, and let go of those that run."""
        self._stopping = True
        self._news.set()

    def kill(self) -> None:
        """For tests: die as by kill -9, recording nothing."""
        self.stop()
        self._grace_s = 0
        for run in self._runs.values():
            run.stop(now=True)

    def woken(self, payload: bytes) -> None:
        """What a partition's wake channel said. Never blocks."""
        for line in payload.decode().splitlines():
            match line.split(" "):
                case ["job", queue, turn] if queue in self._app.agents:
                    self._hints.append(turn)
                case ["look", turn] if turn in self._runs:
                    self._looks.add(turn)
                case _:
                    continue
            self._news.set()

    # The loop.

    async def _work(self, tasks: asyncio.TaskGroup, environment: Environment) -> None:
        while not self._stopping:
            self._news.clear()
            try:
                await self._look()
                await self._fill(tasks, environment)
            except HoldfastError as error:
                log.warning("the store is away", why=str(error))
            await self._wait_news()

    async def _wait_news(self) -> None:
        if self._stopping:
            return
        try:
            async with asyncio.timeout(self._poll_s):
                await self._news.wait()
        except TimeoutError:
            self._hints.clear()  # the poll finds what is still to be done

    async def _look(self) -> None:
        while self._looks:
            run = self._runs.get(self._looks.pop())
            if run is not None:
                await run.look()

    async def _fill(self, tasks: asyncio.TaskGroup, environment: Environment) -> None:
        """Start as many turns as there is room for."""
        if not self._hints:
            self._hints.extend(await self._ready_turns())
        if self._registered:
            self.ready.set()
        while self._hints and len(self._runs) < self._slots and not self._stopping:
            turn = self._hints.popleft()
            if turn not in self._runs:
                await self._try(tasks, environment, turn)

    async def _ready_turns(self) -> list[str]:
        return await self._jobs.ready(list(self._app.agents), self._slots)

    async def _try(self, tasks: asyncio.TaskGroup, environment: Environment, turn: str) -> None:
        try:
            await self._start(tasks, environment, turn)
        except HoldfastError:
            raise
        except Exception:  # one turn that cannot be read must not end the others
            log.exception("turn not taken", turn=turn)

    async def _start(self, tasks: asyncio.TaskGroup, environment: Environment, own_id: str) -> None:
        found = await take(self._door, own_id, lambda turn, _: turn.queue in self._app.agents, self._lease_ms)
        if found is None:
            return
        turn, fence = found
        agent = self._app.agents[turn.queue]
        run = Run(environment, agent, self._door, self._log, self._histories, self._lease_ms, self._retain_events)
        self._runs[own_id] = run
        self._tasks[own_id] = tasks.create_task(self._carry(run, agent, turn, fence), name=own_id)

    async def _carry(self, run: Run, agent: Agent, turn: TurnRecord, fence: Any) -> None:
        try:
            await run.run(turn, fence)
        except HoldfastError as error:
            log.warning("turn let go", turn=turn.id, why=str(error))
        except Exception:
            log.exception("turn let go", turn=turn.id, agent=agent.name)
        finally:
            del self._runs[turn.id], self._tasks[turn.id]
            self._news.set()

    # Beside the loop.

    async def _serve(self) -> None:
        """Say which agents are served here, again and again."""
        backoff = Backoff()
        while True:
            try:
                if not self._registered:
                    for agent in self._app.agents.values():
                        await self._manifests.register(agent.manifest)
                    await self._declare()
                    self._registered = True
                    self._news.set()
                await self._manifests.serve(list(self._app.agents))
                backoff.reset()
                await asyncio.sleep(HEARTBEAT_S)
            except HoldfastError as error:
                log.warning("the store is away", why=str(error))
                await asyncio.sleep(backoff.next_s())
            except Exception:  # a heartbeat must not end what it speaks for
                log.exception("the agents could not be registered")
                await asyncio.sleep(backoff.next_s())

    async def _declare(self) -> None:
        try:
            await scheduling.declare(self._backend, *self._app.declared())
        except HoldfastError as error:
            if error.retry:
                raise
            log.error("schedule not declared", why=str(error), **error.details)

    async def _drain(self) -> None:
        """Have every run record what is under way; after the grace, leave it in doubt."""
        for run in self._runs.values():
            run.stop()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=self._grace_s)
        for run in self._runs.values():
            run.stop(now=True)
