"""What is asked, as AG-UI has it: `responseSchema` there is of the whole payload, and an instant is a text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from holdfast.core.folding import State
from holdfast.gateways.sessions import is_waiting

Shown = dict[str, Any]

#: What AG-UI has a place for, beside what is told under `metadata.holdfast`.
_THEIRS = ("id", "reason", "message", "toolCallId", "responseSchema", "expiresAt", "metadata")
_TEXT = {"type": "string"}


def asked(state: State) -> list[Shown]:
    """What is open in the turns that wait, the first asked first. As it is recorded."""
    waiting = {name for turn in state.turns.values() if is_waiting(turn) for name in turn.open}
    return [each for name, each in state.interrupts.items() if name in waiting and "decision" not in each]


def theirs(interrupt: Shown) -> Shown:
    """An interrupt in AG-UI's words, with ours beside them."""
    more = {name: value for name, value in interrupt.items() if name not in _THEIRS}
    shown = {name: interrupt[name] for name in ("id", "reason", "message", "toolCallId") if name in interrupt}
    if interrupt.get("expiresAt") is not None:
        shown["expiresAt"] = _instant(interrupt["expiresAt"])
    own: Shown = interrupt.get("metadata") or {}
    return {**shown, "responseSchema": _payload(interrupt), "metadata": {**own, "holdfast": more}}


def _instant(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _payload(interrupt: Shown) -> Shown:
    """What an answer's payload must be."""
    schema: Shown = interrupt.get("responseSchema") or {}
    match interrupt["kind"]:
        case "approval" | "gate":
            edited = {"input": schema} if interrupt.get("editable") else {}
            return _object({"approved": {"type": "boolean"}, "reason": _TEXT, **edited}, "approved")
        case "question":
            return _object({"selected": {"type": "array", "items": _TEXT}, "text": _TEXT})
        case "form":
            return _object({"action": {"enum": ["accept", "decline", "cancel"]}, "content": schema}, "action")
        case "client_tool":
            return _object({"output": schema, "error": _TEXT})
        case _:
            return _object({"ran": {"type": "boolean"}, "result": {}}, "ran")


def _object(properties: Shown, *required: str) -> Shown:
    needs = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needs}
