"""Agents as tools: what another agent does is called, judged and asked about like any other call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from holdfast.core.durations import Expires
from holdfast.core.interrupts import Approvers, OnExpiry
from holdfast.core.ladders import Ladder
from holdfast.runtime.execution import Execution
from holdfast.runtime.tools import Asks, Tool, options_of

P = ParamSpec("P")
R = TypeVar("R")

#: Runs an agent's function on an execution.
Running = Callable[[Execution], Awaitable[Any]]


class AgentTool(Tool[P, R]):
    """A tool that an agent of the app carries out. Its argument `message`, if it has one, is what the agent is told;
    the others are its input.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        rules: dict[str, Any],
        *,
        agent: str | None = None,
        name: str | None = None,
        aloud: bool = False,
        history: bool = False,
        run: Running | None = None,
    ) -> None:
        # It may be run again from the top: all that has an effect in there is an operation of its own.
        super().__init__(fn, "agent", options_of({**rules, "idempotent": True}), name)
        self.agent = agent or self.name
        self.aloud, self.history = aloud, history
        #: What is run, where that is no agent of the app's but a function.
        self.runs = run

    def told(self, values: dict[str, Any]) -> tuple[str | None, Any]:
        """The message and the input that the agent is given."""
        message = values.get("message")
        if not isinstance(message, str):
            return None, values
        rest = {name: value for name, value in values.items() if name != "message"}
        return message, rest or None


class Delegation(AgentTool[..., Any]):
    """What `turn.agent` asks for: a message, or an input of any shape."""

    def told(self, values: dict[str, Any]) -> tuple[str | None, Any]:
        return values["message"], values["input"]


async def _anything(message: str | None, input: Any) -> Any: ...


def delegation(name: str, *, aloud: bool, history: bool, run: Running | None) -> Delegation:
    """The tool of `turn.agent`. Nobody is asked about it, unless a rule says so."""
    return Delegation(_anything, {}, name=name, aloud=aloud, history=history, run=run)


if TYPE_CHECKING:
    from typing import Protocol

    class AgentToolDecorator(Protocol):
        """What `@agent_tool(...)` with options gives."""

        def __call__(self, fn: Callable[P, Awaitable[R]], /) -> AgentTool[P, R]: ...


@overload
def agent_tool(fn: Callable[P, Awaitable[R]], /) -> AgentTool[P, R]: ...
@overload
def agent_tool(
    *,
    agent: str | None = None,
    aloud: bool = False,
    history: bool = False,
    approval: Asks = None,
    expires: Expires | None = None,
    on_expiry: OnExpiry = "deny",
    approvers: str | list[str] | Approvers | None = None,
    escalate: Ladder = (),
    editable: bool = False,
    risk: str | None = None,
    grantable: bool = True,
    name: str | None = None,
) -> AgentToolDecorator: ...
def agent_tool(
    fn: Any = None,
    /,
    *,
    agent: str | None = None,
    aloud: bool = False,
    history: bool = False,
    name: str | None = None,
    **rules: Any,
) -> Any:
    """Declare a tool that another agent of the app carries out. The function's body is never run: write `...`.

    Without `approval`, and without a rule that says otherwise, nobody is asked: what the agent itself calls is judged
    call by call.

    Args:
        agent: its name; by default the function's. The newest version that is registered when the call is made.
        aloud: what it says is said to the people, and what they say meanwhile is for it. Else it is shown as
            reasoning, and only its result counts.
        history: it is told what was said in the session before.
    """

    def make(function: Callable[..., Any]) -> AgentTool[..., Any]:
        return AgentTool(function, rules, agent=agent, name=name, aloud=aloud, history=history)

    return make if fn is None else make(fn)
