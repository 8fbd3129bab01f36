"""Turns over REST: read one, cancel it, let a blocked one try again."""

from __future__ import annotations

import msgspec

from holdfast.commands import cancelling, reading, retrying
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.protocol.frames import Cancel


class OnlyRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that says nothing but its own id. The body may be left out."""

    ref: str | None = None


async def turn(exchange: Exchange) -> Reply:
    return Reply(await reading.turn(exchange.backend, exchange.principal, exchange.path("tid")))


async def cancel(exchange: Exchange) -> Reply:
    frame = Cancel(exchange.ref, exchange.path("id"), exchange.path("tid"))
    return Reply(await cancelling.cancel(exchange.backend, exchange.principal, frame, VIA))


async def retry(exchange: Exchange) -> Reply:
    own_id, ref = exchange.path("tid"), exchange.ref
    return Reply(await retrying.retry(exchange.backend, exchange.principal, own_id, ref, VIA))
