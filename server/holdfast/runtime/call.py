"""The Call: what a tool, or the predicate that guards it, sees of the call that it serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from holdfast.core.commit import Fence
from holdfast.core.turns import Requester

if TYPE_CHECKING:
    from holdfast.runtime.results import Result

Deps_co = TypeVar("Deps_co", covariant=True)
T = TypeVar("T")


class Call(Generic[Deps_co]):
    """One call of a tool. Injected as the first parameter of a function that is annotated with it."""

    def __init__(
        self,
        *,
        tool: str,
        input: dict[str, Any],
        deps: Deps_co,
        principal: Requester,
        session: str,
        turn: str,
        idempotency_key: str,
        agent: str = "",
        fence: Fence | None = None,
        inside: Inside | None = None,
    ) -> None:
        self.tool = tool
        #: The validated arguments, as JSON values.
        self.input = input
        self.deps = deps
        #: Who sent the message that caused the turn.
        self.principal = principal
        self.session = session
        self.turn = turn
        #: The name of the agent that calls.
        self.agent = agent
        #: The same in every attempt at this call: give it to whatever the tool calls.
        self.idempotency_key = idempotency_key
        #: Grows with every worker that takes the turn: a target that remembers the highest can refuse older ones.
        self.fence = fence
        self._inside = inside

    @property
    def cancelled(self) -> bool:
        """Whether somebody has asked that the turn stop. What the tool has done by then is still recorded."""
        return self._inside is not None and self._inside.cancelled()

    async def progress(self, progress: Any) -> None:
        """Show everybody how far it is. Not recorded."""
        await self._within.progress(progress)

    async def step(self, name: str, fn: Callable[..., Any], *args: Any) -> Any:
        """Do something once: its result is kept, also when the body is run again because it asked a human."""
        return await self._within.step(name, fn, args)

    async def ask(self, question: str, **options: Any) -> Result[Any]:
        """Ask a human from inside the tool. While it waits, the worker is free and only steps of the body are kept."""
        return await self._within.ask(question, options)

    async def form(self, message: str, schema: dict[str, Any] | None = None, **options: Any) -> Result[Any]:
        """Have a human fill in a form, or (`url=`) a page elsewhere, from inside the tool."""
        return await self._within.form(message, schema, options)

    async def gate(self, name: str, payload: Any = None, **options: Any) -> Result[Any]:
        """Have a human let it pass, from inside the tool."""
        return await self._within.gate(name, payload, options)

    @property
    def _within(self) -> Inside:
        if self._inside is None:
            raise RuntimeError("A predicate decides from what it sees; it cannot do anything.")
        return self._inside


class Inside:
    """What a running tool can do through its call: bound by the runtime to the turn."""

    def __init__(
        self,
        *,
        cancelled: Callable[[], bool],
        progress: Callable[[Any], Awaitable[None]],
        step: Callable[[str, Callable[..., Any], tuple[Any, ...]], Awaitable[Any]],
        ask: Callable[[str, dict[str, Any]], Awaitable[Result[Any]]],
        form: Callable[[str, dict[str, Any] | None, dict[str, Any]], Awaitable[Result[Any]]],
        gate: Callable[[str, Any, dict[str, Any]], Awaitable[Result[Any]]],
    ) -> None:
        self.cancelled = cancelled
        self.progress = progress
        self.step = step
        self.ask = ask
        self.form = form
        self.gate = gate
