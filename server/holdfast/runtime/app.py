"""The App: agents, and what they share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar, cast, overload

import msgspec

from holdfast.commands import calendar
from holdfast.commands.scheduling import Declared
from holdfast.core.durations import Duration
from holdfast.core.manifests import AgentManifest, Published
from holdfast.core.modes import MODES, Mode, checked
from holdfast.core.policies import Verdict
from holdfast.core.schedules import NAME, Plan
from holdfast.runtime import limits, publishing
from holdfast.runtime.execution import Execution
from holdfast.runtime.hooks import Hook, HookFunction, hook_of
from holdfast.runtime.limits import Limit
from holdfast.runtime.planning import SCHEDULER, session_of_handler, timing
from holdfast.runtime.policies import Policies, PolicySource
from holdfast.runtime.tools import Tool
from holdfast.runtime.turn import Turn
from holdfast.store.manifests import natural

F = TypeVar("F", bound=Callable[[Turn], Awaitable[Any]])
#: Asked before a turn ends for having reached a limit: `GoOn(more)`, or what the turn is to give.
LimitHook = Callable[[Turn, Limit], Awaitable[Any]]
Lifespan = Callable[["App"], AbstractAsyncContextManager[Any]]


class Scheduled(msgspec.Struct, frozen=True):
    """A schedule that the app's code declares."""

    name: str
    plan: Plan
    owner: str


class Agent:
    """An async function of a Turn, under a name and a version."""

    def __init__(
        self,
        name: str,
        function: Callable[[Turn], Awaitable[Any]],
        tools: Sequence[Tool[..., Any]],
        version: str,
        on_message: Mode = "queue",
        modes: Sequence[Mode] = MODES,
        on_limit: LimitHook | None = None,
        published: Published | None = None,
    ) -> None:
        self.name, self.function, self.version, self.on_limit = name, function, version, on_limit
        self.published = published
        self.on_message: Mode
        self.on_message, self.modes = checked(on_message, modes)
        self.tools = {tool.name: tool for tool in tools}

    def run(self, x: Execution) -> Awaitable[Any]:
        """Its function, on this execution."""
        turn, hook = Turn(x), self.on_limit
        x.tools = self.tools
        if hook is not None:
            x.on_limit = lambda limit: hook(turn, limit)
            x.over = {"operations": lambda: limits.over_operations(x), "bytes": lambda: limits.over_bytes(x)}
        return self.function(turn)

    @property
    def manifest(self) -> AgentManifest:
        tools = [tool.manifest for tool in self.tools.values()]
        return AgentManifest(self.name, self.version, tools, self.on_message, self.modes, self.published)


class App:
    """Agents, their tools, and what they are given to work with.

    Args:
        lifespan: an async context manager that yields the `deps` of every turn and call.
        default_approval: what a tool without any `approval` setting means: True (ask), or False.
        policy: the rules that decide before a human must; or the TOML file that holds them, from the working
            folder, which is read again when it changes.

    Raises:
        BadInput, Unusable: the policy's file is none, or cannot be read.
    """

    def __init__(
        self,
        *,
        lifespan: Lifespan | None = None,
        default_approval: bool = True,
        policy: PolicySource | None = None,
    ) -> None:
        self._lifespan = lifespan
        self.default_verdict: Verdict = "ask" if default_approval else "allow"
        self.policies = Policies(policy)
        #: By queue: agent@version.
        self.agents: dict[str, Agent] = {}
        #: By name.
        self.hooks: dict[str, Hook] = {}
        #: By name.
        self.schedules: dict[str, Scheduled] = {}

    def agent(
        self,
        name: str,
        *,
        tools: Sequence[Tool[..., Any]] = (),
        version: str = "1",
        on_message: Mode = "queue",
        modes: Sequence[Mode] = MODES,
        on_limit: LimitHook | None = None,
        publish: str | None = None,
    ) -> Callable[[F], F]:
        """Register an `async def agent(turn)`; the options are those of `add_agent`."""

        def register(function: F) -> F:
            self.add_agent(
                name,
                function,
                tools=tools,
                version=version,
                on_message=on_message,
                modes=modes,
                on_limit=on_limit,
                publish=publish,
            )
            return function

        return register

    def add_agent(
        self,
        name: str,
        function: Callable[[Turn], Awaitable[Any]],
        *,
        tools: Sequence[Tool[..., Any]] = (),
        version: str = "1",
        on_message: Mode = "queue",
        modes: Sequence[Mode] = MODES,
        on_limit: LimitHook | None = None,
        publish: str | None = None,
    ) -> None:
        """Register an agent. Old versions may stay registered: turns go on with the version they began with.

        A function that is an async context manager as well is entered while a worker runs it.

        Args:
            on_message: what becomes of a message that comes while a turn runs or waits: "queue", "steer", "replace"
                or "reject".
            modes: which of these a message may ask for instead.
            publish: says to agents elsewhere what it is good for: they may call it, as a tool of its name that takes
                a message. None: they do not know of it.

        Raises:
            ValueError: this name and version are taken, a name has a character that it must not have, or a mode is
                none.
        """
        published = None if publish is None else publishing.agent(name, publish)
        self._add(Agent(name, function, tools, version, on_message, modes, on_limit, published))

    def publish(self, *tools: Tool[..., Any], version: str = "1") -> None:
        """Let agents elsewhere call these tools, at `/mcp`. Each call is a turn, in a session of whoever calls.

        It is the turn of an agent of its own, `published.NAME`, so that rules can tell such calls from others.
        Change `version` when old calls that still wait must not meet the new code.

        Raises:
            ValueError: a name is taken, or none that agents elsewhere can use.
        """
        for tool in tools:
            name, function, published = publishing.tool(tool)
            self._add(Agent(name, function, [tool], version, published=published))

    def _add(self, agent: Agent) -> None:
        name, version = agent.name, agent.version
        if not name or any(character in name for character in "@ \n"):
            raise ValueError(f"{name!r}: an agent's name has neither '@' nor blanks")
        if agent.manifest.queue in self.agents:
            raise ValueError(f"agent {name!r} version {version!r} is registered twice")
        if any(
            other.name != name and publishing.collide(other.published, agent.published)
            for other in self.agents.values()
        ):
            raise ValueError(f"{name!r} publishes what another agent publishes under the same name")
        self.agents[agent.manifest.queue] = agent

    @overload
    def on_interrupt(self, function: HookFunction) -> HookFunction: ...
    @overload
    def on_interrupt(self, *, name: str) -> Callable[[HookFunction], HookFunction]: ...
    def on_interrupt(self, function: HookFunction | None = None, *, name: str | None = None) -> Any:
        """Register an `async def hook(notice)`: told when an interrupt opens, changes or closes, and by `turn.notify`.

        It runs in a worker, beside the turns, at least once for each `Notice`; if it raises, it is called again later.
        Its name is its own or `name`: keep it when the function is renamed, so that what waits for it still finds it.

        Raises:
            ValueError: the name is taken, or has a character that it must not have.
            TypeError: it is not an async function.
        """

        def register(hook: HookFunction) -> HookFunction:
            made = hook_of(hook, name)
            if made.name in self.hooks:
                raise ValueError(f"hook {made.name!r} is registered twice")
            self.hooks[made.name] = made
            return hook

        return register if function is None else register(function)

    def schedule(
        self,
        name: str,
        *,
        agent: str,
        delay: Duration | None = None,
        at: datetime | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        session: str | None = None,
        input: Any = None,
        message: str | None = None,
        owner: str = SCHEDULER,
    ) -> None:
        """Declare turns that start by themselves: once (`delay`, `at`), or at all instants of a `cron` expression.

        They start in a new session each, or in `session`, one behind the other. The owner is whose rights they have.
        What is declared when a worker starts counts: a changed schedule begins anew, one that is gone is dropped.

        Raises:
            ValueError: the name is taken or none, or not exactly one of `delay`, `at` and `cron` is given.
            BadInput: the cron expression or the time zone is none.
        """
        if name in self.schedules or not NAME.fullmatch(name):
            raise ValueError(f"{name!r}: a schedule's name is taken once, and has 1 to 100 letters, digits or _.:-")
        when, delay_ms = timing(delay, at, cron, timezone)
        calendar.next_after(when, 0)  # what cannot be read is said where it is written
        plan = Plan(agent, when, session, input, message, delay_ms)
        self.schedules[name] = Scheduled(name, plan, owner)

    def scheduled(
        self,
        cron: str,
        *,
        name: str | None = None,
        timezone: str = "UTC",
        tools: Sequence[Tool[..., Any]] = (),
        version: str = "1",
        owner: str = SCHEDULER,
    ) -> Callable[[F], F]:
        """Register an `async def handler(turn)` that runs at all instants of a cron expression.

        It is an agent like any other, under the function's name. Its turns run in one session, one behind the other.
        """

        def register(function: F) -> F:
            own = name or getattr(function, "__name__", "")
            self.add_agent(own, function, tools=tools, version=version)
            self.schedule(own, agent=own, cron=cron, timezone=timezone, session=session_of_handler(own), owner=owner)
            return function

        return register

    def declared(self) -> tuple[list[Declared], dict[str, str]]:
        """The schedules, with the version of the code that declares them; and the newest version of each agent."""
        newest: dict[str, str] = {}
        for agent in sorted(self.agents.values(), key=lambda one: natural(one.version)):
            newest[agent.name] = agent.version
        told = [
            Declared(one.name, one.plan, one.owner, newest.get(one.plan.agent, "")) for one in self.schedules.values()
        ]
        return told, newest

    def with_deps(self, deps: Any) -> App:
        """The same agents, given these deps instead of the lifespan's: for tests."""

        @asynccontextmanager
        async def given(_: App) -> AsyncGenerator[Any]:
            yield deps

        app = App(lifespan=given)
        app.default_verdict, app.policies, app.agents = self.default_verdict, self.policies, self.agents
        app.hooks = self.hooks
        app.schedules = self.schedules
        return app

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Any]:
        """Enter the lifespan; gives the deps. What the tools and the agents hold ends before it.

        An agent that is an async context manager is entered, too.
        """
        async with AsyncExitStack() as stack:
            deps = await stack.enter_async_context(self._lifespan(self)) if self._lifespan else None
            for close in {tool.closes for agent in self.agents.values() for tool in agent.tools.values()}:
                if close is not None:
                    stack.push_async_callback(close)
            for function in {id(agent.function): agent.function for agent in self.agents.values()}.values():
                if isinstance(function, AbstractAsyncContextManager):
                    await stack.enter_async_context(cast("AbstractAsyncContextManager[Any]", function))
            yield deps
