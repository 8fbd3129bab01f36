"""Updating tool calls: answers that name the call, the way AI SDK's and Ably's clients say it.

what is sent               to an approval or gate        to a client tool   to a question or form
tool-approval-response     {approved, reason}            -                  -
tool-output-available      forged: the server writes it  {output}           the output is the payload
tool-output-error          denied, with that text        {error}            cancelled, with that text
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from holdfast.commands import answering, vain
from holdfast.commands.attempts import item_ref
from holdfast.commands.backend import Backend
from holdfast.core import decisions, deputies, ids
from holdfast.core.entries import Vain
from holdfast.core.errors import BadInput, ForgedOutput, HoldfastError, LimitReached
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Interrupt, InterruptRecord, Kind
from holdfast.protocol.frames import Answer, ToolUpdate, Update, Updated, UpdateResult, error_body

UPDATES_MAX = 100  # of one frame: as many as a turn may ask at once

#: Which interrupt of a call is meant, the first that there is: a call may be approved, then go to a device.
ADDRESSED: dict[str, tuple[Kind, ...]] = {
    "tool-approval-response": ("approval", "gate"),
    "tool-output-available": ("client_tool", "question", "form", "approval", "gate"),
    "tool-output-error": ("client_tool", "question", "form", "approval", "gate"),
}


async def update(backend: Backend, principal: Principal, frame: Update, via: str) -> Updated:
    """Answer the calls one by one; an error of one is its own. Cancelling it: repeat it.

    Raises:
        NotFound, Gone, BadRequest, LimitReached: of the whole frame; nothing was changed.
    """
    ids.check_ref(frame.ref)
    if len(frame.updates) > UPDATES_MAX:
        raise LimitReached(f"An update has at most {UPDATES_MAX} items.", limit=UPDATES_MAX)
    # One after the other: the second answer to a call must meet the decision of the first.
    results = [await _one(backend, principal, frame, item, via) for item in frame.updates]
    return Updated(frame.ref, results)


async def _one(backend: Backend, principal: Principal, frame: Update, item: ToolUpdate, via: str) -> UpdateResult:
    found: tuple[str, ...] = ()
    try:
        found = await backend.door.interrupts_of_call(frame.session, item.toolCallId, ADDRESSED[item.type])
        record = await _addressed(backend, principal, frame, found)
        status, payload = _payload(record.interrupt, item)
        ref = item_ref(frame.ref, item.toolCallId)
        answer = Answer(ref, frame.session, record.id, status, payload)
        answered = await answering.answer(backend, principal, answer, via)
    except HoldfastError as error:
        if found:  # told by its ref, it is noted once
            answer = Answer(item_ref(frame.ref, item.toolCallId), frame.session, found[0], "resolved")
            tried = Vain("answer", answer.interrupt, answer.ref, via, answer.payload, error.code)
            await vain.note(backend, principal.by, tried)
        return UpdateResult(item.toolCallId, error=error_body(error))
    return UpdateResult(item.toolCallId, answered.outcome, answered.interrupt, answered.decision, answered.vote)


async def _addressed(backend: Backend, principal: Principal, frame: Update, found: tuple[str, ...]) -> InterruptRecord:
    """The interrupt that an item means, open or closed: a late answer must meet the decision that stands."""
    view = await backend.door.read(frame.session, interrupts=found[:1])
    session, record = answering.existing_interrupt(view, found[0] if found else "")
    if not decisions.entitled(principal, session, record):
        absent = await backend.directory.absent_for(principal.subject)
        deputies.answering_as(principal, absent, session, record, view.now_ms)
    if frame.message not in (None, decisions.chunk_message(record.interrupt)):
        raise answering.no_such_interrupt()
    return record


def _payload(shown: Interrupt, item: ToolUpdate) -> tuple[Literal["resolved", "cancelled"], Any]:
    if item.type == "tool-approval-response":
        return "resolved", _without_unset({"approved": item.approved, "reason": item.reason or msgspec.UNSET})
    if item.type == "tool-output-available":
        return "resolved", _output(shown, item)
    if item.errorText is None:
        raise BadInput("errorText: must be a string.")
    match shown.kind:
        case "approval" | "gate":
            return "resolved", {"approved": False, "reason": item.errorText}
        case "client_tool":
            return "resolved", {"error": item.errorText}
        case _:
            return "cancelled", {"reason": item.errorText}


def _output(shown: Interrupt, item: ToolUpdate) -> Any:
    if shown.kind in ("approval", "gate"):
        raise ForgedOutput(toolCallId=item.toolCallId, toolName=shown.toolName)
    if item.output is msgspec.UNSET:
        raise BadInput("output: is missing; null is an output too.")
    return {"output": item.output} if shown.kind == "client_tool" else item.output


def _without_unset(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if value is not msgspec.UNSET}
