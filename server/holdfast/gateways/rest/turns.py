"""Turns over REST: read one, cancel it, continue one that is ready to, let a blocked one try again."""

from __future__ import annotations

import msgspec

from holdfast.commands import cancelling, continuing, reading, retrying
from holdfast.core.ids import session_of
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.protocol.frames import Cancel, Continue


class OnlyRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that says nothing but its own id. The body may be left out."""

    ref: str | None = None


async def turn(exchange: Exchange) -> Reply:
    return Reply(await reading.turn(exchange.backend, exchange.principal, exchange.path("tid")))


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
