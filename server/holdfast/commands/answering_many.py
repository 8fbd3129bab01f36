"""Answering several interrupts at once: each by itself. What becomes of one never touches its siblings."""

from __future__ import annotations

from typing import Literal

import msgspec

from holdfast.commands import answering
from holdfast.commands.attempts import item_ref
from holdfast.commands.backend import Backend
from holdfast.core import ids
from holdfast.core.errors import BadInput, BadRequest, HoldfastError, LimitReached
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Answer, AnsweredMany, AnswerItem, AnswerMany, AnswerResult, error_body

ANSWERS_MAX = 100  # of one frame: a page of the inbox, and as many as a turn may ask at once


async def answer_many(backend: Backend, principal: Principal, frame: AnswerMany, via: str) -> AnsweredMany:
    """Answer them one after the other, each under the ref `REF#0`, `REF#1` …; an error of one is its own.

    Cancelling leaves some answered and some not: repeat it, and those that won are told so again.

    Raises:
        BadRequest, LimitReached: of the whole frame; nothing was changed.
    """
    ids.check_ref(frame.ref)
    if len(frame.answers) > ANSWERS_MAX:
        raise LimitReached(f"At most {ANSWERS_MAX} answers at once.", limit=ANSWERS_MAX)
    # One after the other: a second answer to an interrupt must meet the decision of the first.
    results = [
        await _one(backend, principal, item, item_ref(frame.ref, number), via)
        for number, item in enumerate(frame.answers)
    ]
    return AnsweredMany(frame.ref, results)


async def _one(backend: Backend, principal: Principal, item: AnswerItem, ref: str, via: str) -> AnswerResult:
    try:
        _check_no_grant(item)
        answer = Answer(ref, item.session, item.interrupt, _status(item), item.payload)
        answered = await answering.answer(backend, principal, answer, via)
    except HoldfastError as error:
        return AnswerResult(item.interrupt, error=error_body(error))
    return AnswerResult(item.interrupt, answered.outcome, answered.decision, answered.vote)


def _check_no_grant(item: AnswerItem) -> None:
    """What stands for ever is said one by one, by somebody who has read what it is about."""
    payload: object = item.payload
    if isinstance(payload, dict) and "grant" in payload:
        raise BadInput("payload.grant: a grant cannot be given with several answers at once.")


def _status(item: AnswerItem) -> Literal["resolved", "cancelled"]:
    try:
        return msgspec.convert(item.status, Literal["resolved", "cancelled"])
    except msgspec.ValidationError:
        raise BadRequest('status: must be "resolved" or "cancelled".', path="status") from None
