"""What a framework waits for when it pauses, as our interrupts; and the answers that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, cast

import msgspec

from holdfast.core.durations import Expires
from holdfast.core.errors import BadInput
from holdfast.core.interrupts import Approvers, OnExpiry
from holdfast.core.ladders import Ladder
from holdfast.runtime.execution import Asked
from holdfast.runtime.results import Result
from holdfast.runtime.signatures import SchemaSignature
from holdfast.runtime.tools import Tool, client_tool, tool
from holdfast.runtime.turn import Turn

#:   approval     a tool of the framework's own: policy, then a human; the framework runs it
#:   client_tool  a tool that runs on a device
#:   tool         a tool that the app gave to `add_agent`: it is called here, as any other
#:   question     in words         form   by a schema         gate   a yes or no about something that is no tool call
PendingKind = Literal["approval", "client_tool", "tool", "question", "form", "gate"]

ANYTHING = {"type": "object"}  # the schema of arguments of which nobody says more


class AskRules(TypedDict, total=False):
    """How people are asked about one tool, or under one name: as in `@tool(…)`."""

    expires: Expires | None
    on_expiry: OnExpiry
    approvers: str | list[str] | Approvers | None
    escalate: Ladder
    auto_continue: bool
    #: Of tools only:
    editable: bool
    risk: str
    grantable: bool
    #: The tool may be run again after a crash, without asking whether it ran.
    idempotent: bool


#: By the tool's name, or that of a gate; "*" is for all others.
Asks = Mapping[str, AskRules]


class Pending(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that the framework waits for."""

    kind: PendingKind
    #: As the framework knows it: the answer is given under this.
    id: str
    #: Of the tool, or of what else is asked.
    name: str = ""
    #: The arguments that are shown, and that an approval holds for.
    input: Any = None
    #: What is asked, in a sentence.
    message: str | None = None
    #: Of the arguments, if they may be edited; of a device's output; of a form's content.
    schema: dict[str, Any] | None = None
    #: The tool call that it is about, by the framework's id; and ours, which the driver gives it.
    call: str | None = None
    shown: str | None = None
    #: Shown with it.
    metadata: dict[str, Any] | None = None
    #: Of a question: `context`, `options`, `multiple`, `free_text`.
    options: dict[str, Any] = {}
    #: Whether the framework can take other arguments than those that it proposed.
    editable: bool = True
    #: Of an approval: whether the framework wants a human. Otherwise only our policies had a word to say.
    gated: bool = True
    #: For how long the framework itself waits, whatever the rules say: a duration.
    expires: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What became of one of them."""

    pending: Pending
    #: Of an approval: `ok`, `reason`, and in `input` the arguments that count. Else with the `value`.
    result: Result[Any]


class Ended(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a segment ended: it waits for something, or the run is over."""

    #: All that the framework needs to go on, in JSON values.
    state: Any = None
    pending: list[Pending] = []
    #: Of the turn, if nothing is pending.
    result: Any = None
    #: Other calls that are shown and have no output yet, by the framework's id: a later segment tells of them.
    unfinished: list[str] = []
    #: The ids that those have here, by the framework's; `drive` fills it in.
    shown: dict[str, str] = {}


def asked(turn: Turn, pending: Pending, asks: Asks) -> Asked[Result[Any]]:
    """The operation that has people, or a device, settle it."""
    rules = rules_for(pending.name, asks)
    if pending.expires is not None:
        rules: AskRules = {**rules, "expires": pending.expires}
    match pending.kind:
        case "approval":
            tool, metadata = _gated(pending, rules), pending.metadata
            return turn.permit(tool, pending.input, call=pending.shown, metadata=metadata, gated=pending.gated)
        case "tool" if pending.name not in turn.tools:
            known = ", ".join(sorted(turn.tools)) or "none"
            return turn.refuse(_gated(pending, rules), f"There is no tool {pending.name!r}. The tools are: {known}.")
        case "tool":
            return turn.call_shown(turn.tools[pending.name], pending.input, call=pending.shown)
        case "client_tool":
            return turn.call_shown(_on_device(pending, rules), pending.input, call=pending.shown)
        case "question":
            shown = {"metadata": pending.metadata, **_waiting(rules)}
            return turn.ask(pending.message or "", **pending.options, **shown)
        case "form":
            return turn.form(pending.message or "", pending.schema, metadata=pending.metadata, **_waiting(rules))
        case "gate":
            shown = {"message": pending.message, "metadata": pending.metadata, **_waiting(rules)}
            return turn.gate(pending.name, pending.input, **shown)


def checked(asks: Asks | None) -> Asks:
    """The rules as they were given. Raises TypeError, ValueError: one is none, or is misspelt."""
    for name, rules in (asks or {}).items():
        if unknown := rules.keys() - AskRules.__annotations__.keys():
            known = ", ".join(AskRules.__annotations__)
            raise TypeError(f"asks[{name!r}]: {', '.join(sorted(unknown))}: not one of {known}.")
        tool(**cast("Any", rules))
    return asks or {}


def rules_for(name: str, asks: Asks) -> AskRules:
    return asks.get(name) or asks.get("*") or {}


async def _not_here() -> None:
    """The framework runs it, or a device."""


def _gated(pending: Pending, rules: AskRules) -> Tool[..., Any]:
    editable = pending.editable and rules.get("editable", True)
    try:
        signature = _Proposed(pending.schema or ANYTHING)
    except BadInput:  # people's edits could not be checked by it
        signature, editable = _Proposed(ANYTHING), False
    made = tool(name=pending.name, **cast("Any", {**rules, "editable": editable}))(_not_here)
    return _described(made, pending, signature)


def _on_device(pending: Pending, rules: AskRules) -> Tool[..., Any]:
    made = client_tool(name=pending.name, **cast("Any", _waiting(rules)))(_not_here)
    return _described(made, pending, SchemaSignature(ANYTHING, pending.schema))


def _described(made: Tool[..., Any], pending: Pending, signature: SchemaSignature) -> Tool[..., Any]:
    described: Tool[..., Any] = Tool(made.fn, made.kind, made.rules, made.name, signature)
    described.description = pending.message
    return described


def _waiting(rules: AskRules) -> dict[str, Any]:
    """What holds for whatever is asked, tool or not."""
    return {name: value for name, value in rules.items() if name in _OF_ALL}


_OF_ALL = ("expires", "on_expiry", "approvers", "escalate", "auto_continue")


class _Proposed(SchemaSignature):
    """Of a framework's own tool: it has accepted what it proposes, by rules of its own. The schema is for edits."""

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        return super().bind(args, kwargs) if args else kwargs
