"""Notices over REST: telling one, and those that were given up, for operators."""

from __future__ import annotations

import msgspec

from holdfast.commands import notices, notifying
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.protocol.frames import Notify


class NewNotice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people are told, and whom targets are to give it: without `to`, whoever's token it is."""

    text: str
    to: list[str] = []
    ref: str | None = None


class NewReplay(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which notices to send again. None: the newest, as many as one request may."""

    ids: list[str] | None = None
    ref: str | None = None


async def notify(exchange: Exchange) -> Reply:
    body: NewNotice = exchange.body
    frame = Notify(exchange.ref, body.text, tuple(body.to))
    return Reply(await notifying.notify(exchange.backend, exchange.principal, frame, VIA), 201)


async def dead(exchange: Exchange) -> Reply:
    limit = exchange.number("limit") or notices.PAGE
    return Reply(await notices.dead(exchange.backend, exchange.principal, exchange.query("cursor"), limit))


async def replay(exchange: Exchange) -> Reply:
    body: NewReplay = exchange.body
    return Reply(await notices.replay(exchange.backend, exchange.principal, body.ids))
