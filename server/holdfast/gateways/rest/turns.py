"""Turns over REST: list them, read one, cancel, continue or retry it, open its gate."""

from __future__ import annotations

import msgspec

from holdfast.commands import cancelling, continuing, retrying, workflows
from holdfast.core.ids import session_of
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.gateways.rest.interrupts import STATUS_OF
from holdfast.protocol.frames import Cancel, Continue


class OnlyRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that says nothing but its own id. The body may be left out."""

    ref: str | None = None


class NewDecision(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why, if you want to say so. The body may be left out."""

    reason: str | None = None
    ref: str | None = None


async def turn(exchange: Exchange) -> Reply:
    return Reply(await workflows.workflow(exchange.backend, exchange.principal, exchange.path("tid")))


async def turns(exchange: Exchange) -> Reply:
    limit = exchange.number("limit")
    page = await workflows.listing(
        exchange.backend,
        exchange.principal,
        status=exchange.query("status"),
        agent=exchange.query("agent"),
        cursor=exchange.query("cursor"),
        limit=workflows.PAGE if limit is None else limit,
    )
    return Reply(page)


async def approve(exchange: Exchange) -> Reply:
    return await _decide(exchange, True)


async def reject(exchange: Exchange) -> Reply:
    return await _decide(exchange, False)


async def _decide(exchange: Exchange, approved: bool) -> Reply:
    own_id, reason = exchange.path("tid"), getattr(exchange.body, "reason", None)
    answered = await workflows.decide(exchange.backend, exchange.principal, own_id, approved, reason, exchange.ref, VIA)
    return Reply(answered, STATUS_OF[answered.outcome])


async def cancel(exchange: Exchange) -> Reply:
    frame = Cancel(exchange.ref, exchange.path("id"), exchange.path("tid"))
    return Reply(await cancelling.cancel(exchange.backend, exchange.principal, frame, VIA))


async def carry_on(exchange: Exchange) -> Reply:
    own_id = exchange.path("tid")
    frame = Continue(exchange.ref, session_of(own_id), own_id)
    continued = await continuing.carry_on(exchange.backend, exchange.principal, frame, VIA)
    return Reply(continued, 200 if continued.outcome == "won" else 409)


async def retry(exchange: Exchange) -> Reply:
    own_id, ref = exchange.path("tid"), exchange.ref
    return Reply(await retrying.retry(exchange.backend, exchange.principal, own_id, ref, VIA))
