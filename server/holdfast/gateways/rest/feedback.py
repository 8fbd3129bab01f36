"""Feedback over REST: give it, read it."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands import feedback
from holdfast.core.feedback import Target
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.protocol.frames import Feedback


class NewFeedback(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said about one message, operation or interrupt."""

    target: Target
    #: From -1 (bad) to 1 (good).
    score: float | None = None
    labels: tuple[str, ...] = ()
    comment: str | None = None
    #: What it should have been.
    correction: Any = None
    ref: str | None = None


async def give(exchange: Exchange) -> Reply:
    body: NewFeedback = exchange.body
    said = (body.target, body.score, body.labels, body.comment, body.correction)
    frame = Feedback(exchange.ref, exchange.path("id"), *said)
    return Reply(await feedback.give(exchange.backend, exchange.principal, frame, VIA), 201)


async def read(exchange: Exchange) -> Reply:
    context = exchange.query("context") == "true"
    return Reply(await feedback.read(exchange.backend, exchange.principal, exchange.path("id"), context=context))
