"""What an AG-UI agent waits for as our interrupts, and their results in its terms.

    about one of its calls, with no other answer than a yes, a no or other arguments   an approval of that call
    a schema that wants `approved`, a boolean, or a reason `confirmation` without one  a gate
    a schema of plain fields                                                           a form
    a schema of a text, of `selected` and `text`, or none                              a question

Nobody's answer is sent as `cancelled`: it is neither a yes nor a no.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec
from ag_ui.core import Interrupt

from holdfast.agents.ag_ui.streaming import Called
from holdfast.agents.foreign.pending import Answer, Pending, PendingKind
from holdfast.agents.foreign.shown import AgentFailed
from holdfast.core.errors import BadInput
from holdfast.core.forms import check_form
from holdfast.runtime.results import Result

#: What an answer must look like.
#:   verdict   {approved, reason?}      boolean   true or false
#:   text      a text                   reply     {selected?, text?}
#:   content   the form's fields        filled    {action, content}: as MCP's elicitation has it
Form = Literal["verdict", "boolean", "text", "reply", "content", "filled"]

_KINDS: dict[Form, PendingKind] = {
    "verdict": "gate",
    "boolean": "gate",
    "text": "question",
    "reply": "question",
    "content": "form",
    "filled": "form",
}
EDITS = ("editedArgs", "input")  # fields of a verdict that have other arguments: pydantic-ai's, and our own


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an interrupt is answered."""

    form: Form
    #: The field for other arguments, where the agent takes any.
    edits: str | None = None


def shape(reason: str, schema: dict[str, Any] | None) -> Shape:
    """What the agent wants to be told.

    Raises:
        AgentFailed: what can be shown to nobody.
    """
    if schema is None:
        return Shape("text" if reason == "input_required" else "verdict")
    fields, kind = _properties(schema), schema.get("type")
    if kind in ("boolean", "string"):
        return Shape("boolean" if kind == "boolean" else "text")
    if "approved" in fields and set(schema.get("required", ())) <= {"approved"}:
        return Shape("verdict", next((name for name in EDITS if name in fields), None))
    if "text" in fields and fields.keys() <= {"selected", "text"}:
        return Shape("reply")
    filled = fields.keys() == {"action", "content"}
    try:
        check_form(fields["content"] if filled else schema)
    except BadInput as error:
        raise AgentFailed(f"The agent asks for what no device can show: {error.message}") from None
    return Shape("filled" if filled else "content")


def pending(interrupt: Interrupt, shape: Shape, calls: Mapping[str, Called], left: int | None = None) -> Pending:
    """What the interrupt asks, for `left` milliseconds at most.

    Raises:
        AgentFailed: it is about a call that cannot be shown.
    """
    schema, call = interrupt.response_schema, calls.get(interrupt.tool_call_id or "")
    made: dict[str, Any] = {
        "id": interrupt.id,
        "message": interrupt.message,
        "metadata": interrupt.metadata,
        "expires": None if left is None else f"{left} ms",
    }
    if shape.form == "verdict" and call is not None:
        editable = shape.edits is not None
        return Pending("approval", name=call.name, call=call.id, input=arguments(call), editable=editable, **made)
    kind = _KINDS[shape.form]
    if kind == "gate":
        return Pending("gate", name=interrupt.reason, input=interrupt.metadata, **made)
    made["message"] = interrupt.message or interrupt.reason
    fields = _properties(schema)["content"] if shape.form == "filled" else schema
    return Pending(kind, name=interrupt.reason, schema=fields if kind == "form" else None, **made)


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


def answer(one: Answer, shape: Shape) -> dict[str, Any]:
    """The entry of `resume` that says how it was settled."""
    asked, result = one.pending, one.result
    if not result.ok and (result.status != "denied" or shape.form not in ("verdict", "boolean")):
        return unanswered(asked.id)
    return {"interruptId": asked.id, "status": "resolved", "payload": _payload(result, shape)}


def unanswered(interrupt: str) -> dict[str, Any]:
    return {"interruptId": interrupt, "status": "cancelled"}


def _payload(result: Result[Any], shape: Shape) -> Any:
    match shape.form:
        case "verdict":
            return _verdict(result, shape)
        case "boolean":
            return result.ok
        case "text":
            reply = result.value
            return reply.text if reply.text is not None else ", ".join(reply.selected)
        case "reply":
            given = {"selected": result.value.selected, "text": result.value.text}
            return {name: value for name, value in given.items() if value}
        case "content":
            return result.value
        case "filled":
            return {"action": "accept", "content": result.value}


def _verdict(result: Result[Any], shape: Shape) -> dict[str, Any]:
    verdict: dict[str, Any] = {"approved": result.ok}
    if result.reason:
        verdict["reason"] = result.reason
    if result.ok and result.edited and shape.edits is not None:
        verdict[shape.edits] = result.input
    return verdict
