"""Notices over REST: those that were given up, for operators."""

from __future__ import annotations

import msgspec

from holdfast.commands import notices
from holdfast.gateways.rest.exchange import Exchange, Reply


class NewReplay(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which notices to send again. None: the newest, as many as one request may."""

    ids: list[str] | None = None
    ref: str | None = None


async def dead(exchange: Exchange) -> Reply:
    limit = exchange.number("limit") or notices.PAGE
    return Reply(await notices.dead(exchange.backend, exchange.principal, exchange.query("cursor"), limit))


async def replay(exchange: Exchange) -> Reply:
    body: NewReplay = exchange.body
    return Reply(await notices.replay(exchange.backend, exchange.principal, body.ids))
