"""The App: agents, and what they share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar, overload

from holdfast.core.manifests import AgentManifest
from holdfast.core.modes import MODES, Mode, checked
from holdfast.core.policies import Verdict
from holdfast.runtime.hooks import Hook, HookFunction, hook_of
from holdfast.runtime.policies import Policies, PolicySource
from holdfast.runtime.tools import Tool
from holdfast.runtime.turn import Turn

F = TypeVar("F", bound=Callable[[Turn], Awaitable[Any]])
Lifespan = Callable[["App"], AbstractAsyncContextManager[Any]]


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
    ) -> None:
        self.name, self.function, self.version = name, function, version
        self.on_message: Mode
        self.on_message, self.modes = checked(on_message, modes)
        self.tools = {tool.name: tool for tool in tools}

    @property
    def manifest(self) -> AgentManifest:
        tools = [tool.manifest for tool in self.tools.values()]
        return AgentManifest(self.name, self.version, tools, self.on_message, self.modes)


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

    def agent(
        self,
        name: str,
        *,
        tools: Sequence[Tool[..., Any]] = (),
        version: str = "1",
        on_message: Mode = "queue",
        modes: Sequence[Mode] = MODES,
    ) -> Callable[[F], F]:
        """Register an `async def agent(turn)`; the options are those of `add_agent`."""

        def register(function: F) -> F:
            self.add_agent(name, function, tools=tools, version=version, on_message=on_message, modes=modes)
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
    ) -> None:
        """Register an agent. Old versions may stay registered: turns go on with the version they began with.

        Args:
            on_message: what becomes of a message that comes while a turn runs or waits: "queue", "steer", "replace"
                or "reject".
            modes: which of these a message may ask for instead.

        Raises:
            ValueError: this name and version are taken, a name has a character that it must not have, or a mode is
                none.
        """
        if not name or any(character in name for character in "@ \n"):
            raise ValueError(f"{name!r}: an agent's name has neither '@' nor blanks")
        agent = Agent(name, function, tools, version, on_message, modes)
        if agent.manifest.queue in self.agents:
            raise ValueError(f"agent {name!r} version {version!r} is registered twice")
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

    def with_deps(self, deps: Any) -> App:
        """The same agents, given these deps instead of the lifespan's: for tests."""

        @asynccontextmanager
        async def given(_: App) -> AsyncGenerator[Any]:
            yield deps

        app = App(lifespan=given)
        app.default_verdict, app.policies, app.agents = self.default_verdict, self.policies, self.agents
        app.hooks = self.hooks
        return app

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Any]:
        """Enter the lifespan; gives the deps."""
        if self._lifespan is None:
            yield None
            return
        async with self._lifespan(self) as deps:
            yield deps
