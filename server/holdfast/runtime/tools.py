"""Tools: functions that an agent may call, with the rules under which they run."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, cast, overload

import msgspec
from msgspec.structs import replace

from holdfast.core.approval import Approval
from holdfast.core.durations import Duration, Expires, Expiry, expiry, milliseconds
from holdfast.core.interrupts import Approvers, OnExpiry
from holdfast.core.ladders import HandOver, Ladder, Remind, checked, roles_and_subjects
from holdfast.core.manifests import ToolManifest
from holdfast.runtime.call import Call
from holdfast.runtime.signatures import Signature

P = ParamSpec("P")
R = TypeVar("R")

#: True asks, False opts out, None leaves it to the app's default (which is to ask); a predicate decides per call.
Asks = bool | None | Callable[[Call[Any]], bool | Approval | Awaitable[bool | Approval]]
ToolKind = Literal["tool", "client_tool", "agent"]


class ToolOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The rules of a tool. `timeout_ms` is of its execution; waiting for people is `expires`."""

    approval: Any = None
    expires: Expiry | None = None
    on_expiry: OnExpiry = "deny"
    approvers: Approvers | None = None
    escalate: tuple[Remind | HandOver, ...] = ()
    editable: bool = False
    idempotent: bool = False
    timeout_ms: int | None = None
    retries: int = 0
    risk: str | None = None
    auto_continue: bool = True
    grantable: bool = True


class Tool(Generic[P, R]):
    """A tool. It cannot be called like a function: that would go round the approval. The function is `.fn`."""

    def __init__(
        self,
        fn: Callable[..., Any],
        kind: ToolKind,
        options: ToolOptions,
        name: str | None = None,
        signature: Signature | None = None,
    ) -> None:
        self.fn = fn
        self.kind: ToolKind = kind
        self.name = name or fn.__name__
        self.description = inspect.getdoc(fn)
        self.rules = options
        self.signature = signature or Signature(fn, Call)
        #: Ends what the tool holds, when its worker goes; the same for all tools that share it.
        self.closes: Callable[[], Awaitable[None]] | None = None

    def options(
        self,
        *,
        approval: Asks | msgspec.UnsetType = msgspec.UNSET,
        expires: Expires | None = None,
        on_expiry: OnExpiry | None = None,
        approvers: str | list[str] | Approvers | None = None,
        escalate: Ladder | None = None,
        timeout: Duration | None = None,
        auto_continue: bool | None = None,
    ) -> Tool[P, R]:
        """The same tool under other rules, for one call."""
        changes: dict[str, Any] = {}
        if approval is not msgspec.UNSET:
            changes["approval"] = approval
        if expires is not None:
            changes["expires"] = expiry(expires)
        if on_expiry is not None:
            changes["on_expiry"] = on_expiry
        if approvers is not None:
            changes["approvers"] = named_approvers(approvers)
        if escalate is not None:
            changes["escalate"] = checked(escalate)
        if timeout is not None:
            changes["timeout_ms"] = milliseconds(timeout)
        if auto_continue is not None:
            changes["auto_continue"] = auto_continue
        other = copy.copy(self)
        other.rules = replace(self.rules, **changes)
        return other

    @property
    def manifest(self) -> ToolManifest:
        return ToolManifest(
            self.name,
            "client_tool" if self.kind == "client_tool" else "tool",
            self.signature.input_schema,
            self.signature.output_schema,
            self.description,
        )

    async def run(self, call: Call[Any], values: dict[str, Any]) -> R:
        """Call the function. Sync functions run in threads."""
        arguments = self.signature.unpack(values)
        injected = (call,) if self.signature.injects else ()
        if inspect.iscoroutinefunction(self.fn):
            return cast("R", await self.fn(*injected, **arguments))
        return cast("R", await asyncio.to_thread(self.fn, *injected, **arguments))

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


def named_approvers(value: str | list[str] | Approvers) -> Approvers:
    """Approvers from what authors write: "role:finance", "alice", or a list of such."""
    if isinstance(value, Approvers):
        return value
    return Approvers(*roles_and_subjects(value))


if TYPE_CHECKING:
    from typing import Protocol

    class ToolDecorator(Protocol):
        """What `@tool(...)` with options gives."""

        @overload
        def __call__(self, fn: Callable[Concatenate[Call[Any], P], Awaitable[R]], /) -> Tool[P, R]: ...
        @overload
        def __call__(self, fn: Callable[Concatenate[Call[Any], P], R], /) -> Tool[P, R]: ...
        @overload
        def __call__(self, fn: Callable[P, Awaitable[R]], /) -> Tool[P, R]: ...
        @overload
        def __call__(self, fn: Callable[P, R], /) -> Tool[P, R]: ...
        def __call__(self, fn: Callable[..., Any], /) -> Any: ...


@overload
def tool(fn: Callable[Concatenate[Call[Any], P], Awaitable[R]], /) -> Tool[P, R]: ...
@overload
def tool(fn: Callable[Concatenate[Call[Any], P], R], /) -> Tool[P, R]: ...
@overload
def tool(fn: Callable[P, Awaitable[R]], /) -> Tool[P, R]: ...
@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    approval: Asks = None,
    expires: Expires | None = None,
    on_expiry: OnExpiry = "deny",
    approvers: str | list[str] | Approvers | None = None,
    escalate: Ladder = (),
    editable: bool = False,
    idempotent: bool = False,
    timeout: Duration | None = None,
    retries: int = 0,
    risk: str | None = None,
    auto_continue: bool = True,
    grantable: bool = True,
    name: str | None = None,
) -> ToolDecorator: ...
def tool(fn: Any = None, /, *, name: str | None = None, **rules: Any) -> Any:
    """Make a tool of a function: sync or async, with an optional first parameter annotated `Call`.

    The schema comes from the annotations, the description from the docstring. Without `approval`, and without a rule
    that says otherwise, a human is asked. With `grantable=False`, whoever approves cannot say "always".
    With `auto_continue=False`, the turn goes on after the answer only when somebody says `continue`.

    Raises:
        TypeError: an argument has no JSON schema.     ValueError: a duration is none, or a ladder cannot be climbed.
    """
    options = options_of(rules)
    return _make("tool", options, name, fn)


@overload
def client_tool(fn: Callable[P, Awaitable[R]], /) -> Tool[P, R]: ...
@overload
def client_tool(
    *,
    approval: Asks = None,
    editable: bool = False,
    risk: str | None = None,
    grantable: bool = True,
    expires: Expires | None = None,
    on_expiry: OnExpiry = "deny",
    approvers: str | list[str] | Approvers | None = None,
    auto_continue: bool = True,
    escalate: Ladder = (),
    name: str | None = None,
) -> ToolDecorator: ...
def client_tool(fn: Any = None, /, *, name: str | None = None, **rules: Any) -> Any:
    """Declare a tool that runs on a device. The function's body is never run: write `...`.

    Without `approval`, and without a rule that says otherwise, the call goes straight to the devices: whoever sits
    there is the human. Where it must be approved first, `approvers` and `editable` are of that approval, and
    `expires` holds for each of the two.
    """
    return _make("client_tool", options_of(rules), name, fn)


def _make(kind: ToolKind, options: ToolOptions, name: str | None, fn: Any) -> Any:
    def make(function: Callable[..., Any]) -> Tool[..., Any]:
        return Tool(function, kind, options, name)

    return make if fn is None else make(fn)


def options_of(rules: dict[str, Any]) -> ToolOptions:
    given = dict(rules)
    if given.get("expires") is not None:
        given["expires"] = expiry(given["expires"])
    if "timeout" in given:
        timeout = given.pop("timeout")
        given["timeout_ms"] = None if timeout is None else milliseconds(timeout)
    if given.get("approvers") is not None:
        given["approvers"] = named_approvers(given["approvers"])
    given["escalate"] = checked(given.get("escalate", ()))
    return ToolOptions(**given)
