"""Performing an operation as far as it goes without its worker: judged, asked about, begun. The effect is elsewhere.

What a run in Python does here by waiting or by running the tool, ends the request: `Waits`, `Begun`.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput
from holdfast.core.operations import Failure, Operation
from holdfast.protocol.work import NewCall, NewQuestion, NewRecord
from holdfast.runtime import stepping
from holdfast.runtime.asking import Question
from holdfast.runtime.branches import Branches
from holdfast.runtime.calling import FAILURE_MAX, ToolCall
from holdfast.runtime.execution import Execution
from holdfast.runtime.results import Result
from holdfast.runtime.tools import Tool


class Waits(Exception):
    """It goes on only after an answer."""


class Begun(Exception):
    """It is recorded as started: now its worker runs it."""


class Handed(Branches):
    """Nothing runs here, so nothing can be held: who would wait ends the request."""

    async def suspend(self, name: str) -> None:
        raise Waits(name)


class RemoteCall(ToolCall):
    """A call whose function is elsewhere."""

    async def _execute(self, operation: Operation, *, ungated: bool = False) -> Result[Any]:
        started = replace(operation, status="started", attempts=operation.attempts + 1)
        overtaken = await self._begin(operation, started, ungated=ungated)
        if overtaken is not None:
            return await self._overtaken(operation, overtaken)
        raise Begun(self.key)

    async def ended(self, started: Operation, output: Any, error: str | None) -> Result[Any]:
        """Record how it has ended."""
        value, failure = self._kept(output) if error is None else (None, Failure("Error", error[:FAILURE_MAX]))
        ended = self._ended(started, value, failure)
        if failure is not None and error is not None:
            ended = replace(ended, reason=failure.message)  # its worker's own words
        return await self._end(ended)


def for_call(tool: Tool[..., Any], body: NewCall) -> Tool[..., Any]:
    """The tool under the rules of one call. What its worker says of it cannot take back what the manifest asks.

    Raises:
        BadInput: a rule cannot be used.
    """
    said, strict = body.approval, tool.rules.approval is True
    try:
        made: Tool[..., Any] = tool.options(
            approval=UNSET if said is None or strict else lambda _: said,
            expires=body.expires,
            on_expiry=body.onExpiry,
            approvers=body.approvers,
            escalate=None if body.escalate is None else [written.rung for written in body.escalate],
            auto_continue=body.autoContinue,
        )
    except ValueError as error:
        raise BadInput(f"{tool.name}: {error}", tool=tool.name) from None
    made.description = tool.description
    return made


def question_of(body: NewQuestion) -> Question:
    """What is to be asked.

    Raises:
        BadInput: something of it is missing, or cannot be used.
    """
    options: dict[str, Any] = {
        "expires": body.expires,
        "on_expiry": body.onExpiry,
        "approvers": body.approvers,
        "escalate": [written.rung for written in body.escalate],
        "auto_continue": body.autoContinue,
        "metadata": body.metadata,
    }
    try:
        return _question(body, options)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{body.kind}: {error}") from None


def _question(body: NewQuestion, options: dict[str, Any]) -> Question:
    if body.kind == "gate":
        if body.name is None:
            raise ValueError("name: say which gate it is")
        return stepping.gate(body.name, body.payload, {**options, "message": body.message})
    if body.message is None:
        raise ValueError("message: say what is asked")
    if body.kind == "form":
        return stepping.form(body.message, body.schema, {**options, "url": body.url})
    asked = {"context": body.context, "options": body.options, "multiple": body.multiple, "free_text": body.freeText}
    return stepping.question(body.message, {**options, **asked})


async def record(x: Execution, key: str, place: int, body: NewRecord) -> Operation:
    """Keep what was done."""
    failure = None if body.error is None else Failure("Error", body.error[:FAILURE_MAX])
    operation = Operation(
        x.turn.id,
        key,
        body.kind,
        "done",
        place=place,
        outcome="done" if failure is None else "failed",
        value=body.value if failure is None else None,
        failure=failure,
        reason=failure.message if failure else None,
    )
    await x.writer.commit(lambda turn, by: Commit(turn.session, "record", by=by, operations=[operation]), x.journal)
    x.journal.record(operation)
    return operation
