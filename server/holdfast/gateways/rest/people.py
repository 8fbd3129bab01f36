"""People over REST: whether one is away, and who stands in."""

from __future__ import annotations

import msgspec

from holdfast.commands import leaving
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply


class NewAbsence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Until when, in milliseconds, and who may answer in one's place."""

    until: int
    deputy: str | None = None
    ref: str | None = None


async def absence(exchange: Exchange) -> Reply:
    return Reply(await leaving.absence(exchange.backend, exchange.principal))


async def leave(exchange: Exchange) -> Reply:
    body: NewAbsence = exchange.body
    return Reply(await leaving.leave(exchange.backend, exchange.principal, body.until, body.deputy, VIA))


async def come_back(exchange: Exchange) -> Reply:
    return Reply(await leaving.come_back(exchange.backend, exchange.principal, VIA))
