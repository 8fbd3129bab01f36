"""Interrupts over REST: the inbox, one with its history, and answering."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from holdfast.commands import answering, answering_many, claiming, inbox, reading, withdrawing
from holdfast.core.ids import session_of
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.protocol import frames

STATUS_OF = {"won": 200, "recorded": 202, "lost": 409}


class NewAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer. What `payload` must be depends on the kind of the interrupt."""

    status: Literal["resolved", "cancelled"]
    payload: Any = None
    device: frames.DeviceId | None = None
    ref: str | None = None


class NewAnswers(msgspec.Struct, frozen=True, omit_defaults=True):
    """Several answers. Each is answered by itself."""

    answers: list[frames.AnswerItem]
    ref: str | None = None


class NewWithdrawal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why nobody needs to answer any more, in words for the agent."""

    reason: str | None = None
    ref: str | None = None


class NewProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the device is that runs a client tool, in its own words."""

    progress: Any
    device: frames.DeviceId | None = None
    ref: str | None = None


class NewClaim(msgspec.Struct, frozen=True, omit_defaults=True):
    """For how long: 5 minutes unless said (30 seconds for a client tool), 0 lets go; and for which device."""

    for_ms: int | None = None
    device: frames.DeviceId | None = None
    ref: str | None = None


async def interrupts(exchange: Exchange) -> Reply:
    limit = exchange.number("limit") or inbox.PAGE
    return Reply(await inbox.inbox(exchange.backend, exchange.principal, exchange.query("cursor"), limit))


async def interrupt(exchange: Exchange) -> Reply:
    return Reply(await reading.interrupt(exchange.backend, exchange.principal, exchange.path("iid")))


async def answer(exchange: Exchange) -> Reply:
    """By the interrupt alone, or under its session: its id says where it lives."""
    body: NewAnswer = exchange.body
    own_id = exchange.path("iid")
    session = exchange.request.path_params.get("id") or session_of(own_id)
    frame = frames.Answer(exchange.ref, session, own_id, body.status, body.payload, body.device)
    answered = await answering.answer(exchange.backend, exchange.principal, frame, VIA)
    return Reply(answered, STATUS_OF[answered.outcome])


async def answer_many(exchange: Exchange) -> Reply:
    body: NewAnswers = exchange.body
    frame = frames.AnswerMany(exchange.ref, body.answers)
    return Reply(await answering_many.answer_many(exchange.backend, exchange.principal, frame, VIA))


async def withdraw(exchange: Exchange) -> Reply:
    body: NewWithdrawal = exchange.body
    own_id = exchange.path("iid")
    frame = frames.Withdraw(exchange.ref, session_of(own_id), own_id, body.reason)
    answered = await withdrawing.withdraw(exchange.backend, exchange.principal, frame, VIA)
    return Reply(answered, STATUS_OF[answered.outcome])


async def claim(exchange: Exchange) -> Reply:
    body: NewClaim = exchange.body
    own_id = exchange.path("iid")
    frame = frames.Claim(exchange.ref, session_of(own_id), own_id, body.for_ms, body.device)
    return Reply(await claiming.claim(exchange.backend, exchange.principal, frame, VIA))


async def progress(exchange: Exchange) -> Reply:
    body: NewProgress = exchange.body
    own_id = exchange.path("iid")
    frame = frames.Progress(exchange.ref, session_of(own_id), own_id, body.progress, body.device)
    return Reply(await claiming.progress(exchange.backend, exchange.principal, frame, VIA))
