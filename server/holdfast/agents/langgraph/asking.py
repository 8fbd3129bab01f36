"""What a graph waits for as our interrupts, and their results as its `Command(resume=…)` has them.

    what LangChain's middleware asks about calls   an approval of each call, with the decisions that it allows
    a `response_schema` of plain fields            a form
    a `response_schema` of a text, or a bare text  a question: resumed with the text
    anything else                                  a gate that shows the value: resumed with True or False

Nobody's answer is no yes: calls are rejected with words that say so, gates get False, questions and forms None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import msgspec
from pydantic import BaseModel

from holdfast.agents.foreign.pending import Answer, Pending
from holdfast.agents.foreign.shown import AgentFailed
from holdfast.agents.outcomes import not_done
from holdfast.core.errors import BadInput
from holdfast.core.forms import check_form
from holdfast.runtime.results import Result

#: Of the author: what the graph is resumed with, from an interrupt's value and what came of it.
Resume = Callable[[Any, Result[Any]], Any]

#:   batched     several calls in one interrupt       call   one
#:   plain       everything else
Shape = Literal["batched", "call", "plain"]


class Waits(msgspec.Struct, frozen=True, omit_defaults=True):
    """One interrupt of the graph, as far as its answer needs it."""

    id: str
    shape: Shape
    value: Any
    #: For each call, which decisions may be given.
    allowed: list[list[str]] = []


def waits(name: str, value: Any, schema: dict[str, Any] | None) -> Waits:
    """The interrupt of this name."""
    value = plain(value)
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if isinstance(given.get("action_requests"), list):
        rules = {rule["action_name"]: rule["allowed_decisions"] for rule in given.get("review_configs", [])}
        allowed = [rules.get(request["name"], ["approve", "reject"]) for request in given["action_requests"]]
        return Waits(name, "batched", value, allowed)
    if given.get("type") == "tool_approval":
        return Waits(name, "call", value, [_decisions(schema)])
    return Waits(name, "plain", value)


def plain(value: Any) -> Any:
    """The value as JSON has it: an author may give anything."""
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_fields))


def _fields(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _decisions(schema: dict[str, Any] | None) -> list[str]:
    """Which decisions a schema lists: it is one of them, or a choice by `type`."""
    given = schema or {}
    if "discriminator" in given:
        return list(given["discriminator"]["mapping"])
    return [given["properties"]["type"]["const"]] if "properties" in given else ["approve", "reject"]


def pending(wait: Waits, schema: dict[str, Any] | None, calls: Mapping[str, tuple[str, Any]]) -> list[Pending]:
    """What is asked; `calls` are those that have no result yet: name and arguments by id."""
    match wait.shape:
        case "batched":
            left = dict(calls)
            return [
                _reviewed(f"{wait.id}:{nth}", request, allowed, _taken(left, request))
                for nth, (request, allowed) in enumerate(zip(wait.value["action_requests"], wait.allowed, strict=True))
            ]
        case "call":
            return [_reviewed(wait.id, wait.value, wait.allowed[0], wait.value.get("tool_call_id"))]
        case "plain":
            return [_plain(wait, schema)]


def _taken(left: dict[str, tuple[str, Any]], request: Mapping[str, Any]) -> str | None:
    """Which call it is about: the first with this name and these arguments."""
    for call, made in left.items():
        if made == (request["name"], request["args"]):
            del left[call]
            return call
    return None


def _reviewed(name: str, request: Mapping[str, Any], allowed: list[str], call: str | None) -> Pending:
    message = request.get("description")
    if allowed == ["respond"]:
        return Pending("question", name, request["name"], message=message or request["name"])
    editable = "edit" in allowed
    return Pending(
        "approval", name, request["name"], input=request["args"], message=message, call=call, editable=editable
    )


def _plain(wait: Waits, schema: dict[str, Any] | None) -> Pending:
    value = wait.value
    kind = (schema or {}).get("type")
    message = value if isinstance(value, str) else _message(value)
    if kind == "string" or (schema is None and isinstance(value, str)):
        context = None if isinstance(value, str) else value
        return Pending("question", wait.id, "question", message=message or "?", options={"context": context})
    if schema is None or kind == "boolean":
        return Pending("gate", wait.id, "interrupt", input=value, message=message)
    try:
        check_form(schema)
    except BadInput as error:
        raise AgentFailed(f"The graph asks for what no device can show: {error.message}") from None
    return Pending("form", wait.id, "form", message=message or "Please fill in.", schema=schema)


def _message(value: Any) -> str | None:
    """What a person should read first, by the names that authors give it."""
    if not isinstance(value, dict):
        return None
    given = cast("dict[str, Any]", value)
    found = (given.get(name) for name in ("message", "question", "task", "instruction", "prompt"))
    return next((text for text in found if isinstance(text, str)), None)


# ---------------------------------------------------------------- answering


def resumed(asked: list[Waits], answers: list[Answer], resume: Resume | None) -> dict[str, Any]:
    """By the interrupt's id, what the graph is resumed with."""
    by_id = {one.pending.id: one for one in answers}
    made: dict[str, Any] = {}
    for wait in asked:
        match wait.shape:
            case "batched":
                given = [by_id[f"{wait.id}:{nth}"] for nth in range(len(wait.allowed))]
                decisions = [_decision(one, allowed) for one, allowed in zip(given, wait.allowed, strict=True)]
                made[wait.id] = {"decisions": decisions}
            case "call":
                made[wait.id] = _decision(by_id[wait.id], wait.allowed[0])
            case "plain" if resume is not None:
                made[wait.id] = resume(wait.value, by_id[wait.id].result)
            case "plain":
                made[wait.id] = _value(by_id[wait.id])
    return made


def _decision(one: Answer, allowed: list[str]) -> dict[str, Any]:
    """One of LangChain's decisions.

    Raises:
        AgentFailed: it was refused, and the graph takes no refusal: it must not pass for a yes.
    """
    name, result = one.pending.name, one.result
    if one.pending.kind == "question":
        return {"type": "respond", "message": _text(result) if result.ok else not_done(result)}
    if result.ok and (result.edited or "approve" not in allowed):
        return {"type": "edit", "edited_action": {"name": name, "args": result.input}}
    if result.ok:
        return {"type": "approve"}
    words = result.reason if result.status == "denied" else not_done(result)
    for kind in ("reject", "respond"):
        if kind in allowed:
            return {"type": kind, **({"message": words} if words else {"message": not_done(result)})}
    raise AgentFailed(f"{name} was not approved, and the graph takes no rejection of it. {not_done(result)}")


def _value(one: Answer) -> Any:
    if one.pending.kind == "gate":
        return one.result.ok
    if not one.result.ok:
        return None
    return _text(one.result) if one.pending.kind == "question" else one.result.value


def _text(result: Result[Any]) -> str:
    reply = result.value
    return reply.text if reply.text is not None else ", ".join(reply.selected)
