"""A session's events over REST: a page of JSON, or live as server-sent events."""

from __future__ import annotations

from starlette.responses import Response

from holdfast.commands import events
from holdfast.commands.events import PAGE_MAX
from holdfast.gateways.rest.exchange import Exchange, Reply
from holdfast.gateways.rest.streaming import MEDIA_TYPE, follow


async def read(exchange: Exchange) -> Reply | Response:
    """Live where the reader accepts a stream and this server has a hub; else a page."""
    hub = exchange.services.hub
    wants_stream = MEDIA_TYPE in exchange.request.headers.get("accept", "")
    given = (exchange.request.headers.get("last-event-id") if wants_stream else None) or exchange.query("since")
    since = events.parse_position(given or "0")
    session = exchange.path("id")
    if wants_stream and hub is not None:
        return await follow(hub, exchange.services.drain, exchange.principal, session, since)
    limit = exchange.number("limit") or PAGE_MAX
    return Reply(await events.since(exchange.backend, exchange.principal, session, since, limit))
