"""What an AG-UI agent waits for as our interrupts, and their results in its terms.

    about one of its calls, with no other answer than a yes, a no or other arguments   an approval of that call
    a schema that wants `approved`, a boolean, or a reason `confirmation` without one  a gate
    a schema of plain fields                                                           a form
    a schema of a text, or none                                                        a question

Nobody's answer is sent as `cancelled`: it is neither a yes nor a no.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from ag_ui.core import Interrupt

from holdfast.agents.ag_ui.streaming import Called
from holdfast.agents.foreign.pending import Answer, Pending, PendingKind
from holdfast.agents.foreign.shown import AgentFailed
from holdfast.core.errors import BadInput
from holdfast.core.forms import check_form
from holdfast.runtime.results import Result

EDITS = "editedArgs"  # the field of an approval's answer that has other arguments, where the agent takes any


def pending(interrupt: Interrupt, calls: Mapping[str, Called], left: int | None = None) -> Pending:
    """What the interrupt asks, for `left` milliseconds at most.

    Raises:
        AgentFailed: it can be shown to nobody.
    """
    schema, call = interrupt.response_schema, calls.get(interrupt.tool_call_id or "")
    kind = _kind(interrupt.reason, schema)
    expires = None if left is None else f"{left} ms"
    made: dict[str, Any] = {
        "id": interrupt.id,
        "message": interrupt.message,
        "metadata": interrupt.metadata or None,
        "expires": expires,
    }
    if kind == "gate" and call is not None:
        editable = EDITS in _properties(schema)
        return Pending("approval", name=call.name, call=call.id, input=arguments(call), editable=editable, **made)
    if kind == "gate":
        return Pending("gate", name=interrupt.reason, input=interrupt.metadata, **made)
    made["message"] = interrupt.message or interrupt.reason
    return Pending(kind, name=interrupt.reason, schema=schema if kind == "form" else None, **made)


def arguments(call: Called) -> dict[str, Any]:
    """Those of a call that is to be made.

    Raises:
        AgentFailed: they are no object.
    """
    try:
        given = call.input
    except ValueError as error:
        raise AgentFailed(f"The agent waits for a call of {call.name} whose arguments are no JSON: {error}.") from None
    if not isinstance(given, dict):
        raise AgentFailed(f"The agent waits for a call of {call.name} whose arguments are no JSON object.")
    return cast("dict[str, Any]", given)


def _kind(reason: str, schema: dict[str, Any] | None) -> PendingKind:
    if schema is None:
        return "question" if reason == "input_required" else "gate"
    kind = schema.get("type")
    if kind in ("boolean", "string"):
        return "gate" if kind == "boolean" else "question"
    if "approved" in _properties(schema) and set(schema.get("required", ())) <= {"approved"}:
        return "gate"
    try:
        check_form(schema)
    except BadInput as error:
        raise AgentFailed(f"The agent asks for what no device can show: {error.message}") from None
    return "form"


def bare(interrupt: Interrupt) -> bool:
    """Whether it wants `true` or `false`, and not an object."""
    return (interrupt.response_schema or {}).get("type") == "boolean"


def _properties(schema: dict[str, Any] | None) -> dict[str, Any]:
    properties = (schema or {}).get("properties")
    return cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}


def left_ms(interrupt: Interrupt, now: datetime) -> int | None:
    """How long it can be answered. By convention its end is ISO 8601; what is none has no end for us."""
    try:
        until = datetime.fromisoformat(interrupt.expires_at or "")
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return int((until - now).total_seconds() * 1_000)


# ---------------------------------------------------------------- answering


def answer(one: Answer, *, bare: bool = False) -> dict[str, Any]:
    """The entry of `resume` that says how it was settled; `bare` as the function of this name said."""
    asked, result = one.pending, one.result
    if asked.kind in ("approval", "gate") and result.status in ("done", "denied"):
        verdict = result.ok if bare else _verdict(asked, result)
        return {"interruptId": asked.id, "status": "resolved", "payload": verdict}
    if asked.kind in ("approval", "gate") or not result.ok:
        return unanswered(asked.id)
    payload: Any = result.value if asked.kind == "form" else _text(result)
    return {"interruptId": asked.id, "status": "resolved", "payload": payload}


def unanswered(interrupt: str) -> dict[str, Any]:
    return {"interruptId": interrupt, "status": "cancelled"}


def _verdict(asked: Pending, result: Result[Any]) -> dict[str, Any]:
    verdict: dict[str, Any] = {"approved": result.ok}
    if result.reason:
        verdict["reason"] = result.reason
    if result.ok and result.edited and asked.editable:
        verdict[EDITS] = result.input
    return verdict


def _text(result: Result[Any]) -> str:
    reply = result.value
    return reply.text if reply.text is not None else ", ".join(reply.selected)
