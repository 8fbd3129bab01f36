"""What the record of a decision means to the operation that waited for it."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.decisions import approves, not_answered
from holdfast.core.interrupts import Closed, Decision, Interrupt
from holdfast.core.operations import Operation, Outcome
from holdfast.runtime.results import Result

_UNANSWERED: dict[Closed, Outcome] = {
    "resolved": "denied",
    "cancelled": "cancelled",
    "expired": "expired",
    "withdrawn": "withdrawn",
    "superseded": "superseded",
}


class Reply(msgspec.Struct, frozen=True):
    """A person's answer to a question."""

    selected: list[str] = []
    text: str | None = None


def refused(operation: Operation, decision: Decision) -> Result[Any]:
    """Not approved, or not answered: a person's no differs from nobody's answer."""
    outcome = _UNANSWERED[decision.status]
    return Result(outcome, None, _words(decision), decision, operation.input, operation.edited)


def answered(shown: Interrupt, operation: Operation, decision: Decision) -> Result[Any]:
    """The result of a question, a form, a gate or a client tool."""
    if decision.status != "resolved":
        return refused(operation, decision)
    payload: dict[str, Any] = decision.payload
    match shown.kind:
        case "question":
            return _done(operation, decision, msgspec.convert(payload, Reply))
        case "form" if payload["action"] == "accept":
            return _done(operation, decision, payload.get("content") or {})
        case "form":
            outcome: Outcome = "denied" if payload["action"] == "decline" else "cancelled"
            return Result(outcome, None, None, decision, operation.input, operation.edited)
        case "client_tool" if "error" in payload:
            return Result("failed", None, payload["error"], decision, operation.input, operation.edited)
        case "client_tool":
            return _done(operation, decision, payload["output"])
        case _ if approves(decision):
            return _done(operation, decision, True)
        case _:
            return refused(operation, decision)


def recorded(operation: Operation, value: Any, decision: Decision | None) -> Result[Any]:
    """The result of an operation whose outcome is recorded."""
    outcome = operation.outcome or "done"
    returned = value if outcome == "done" else None
    return Result(outcome, returned, operation.reason, decision, operation.input, operation.edited)


def _done(operation: Operation, decision: Decision, value: Any) -> Result[Any]:
    return Result("done", value, decision.body.get("reason"), decision, operation.input, operation.edited)


def _words(decision: Decision) -> str | None:
    if decision.status == "resolved":
        return decision.body.get("reason")
    return not_answered(decision)
