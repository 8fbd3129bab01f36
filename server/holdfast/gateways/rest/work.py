"""Workers over REST: agents registered, turns leased and written for (docs/design/remote-workers.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.durations import milliseconds
from holdfast.core.errors import BadRequest, NotImplementedYet
from holdfast.gateways.rest.exchange import Exchange, Reply
from holdfast.gateways.rest.remote import Work
from holdfast.protocol import work as said
from holdfast.protocol.close_codes import CloseCode

WAIT_MAX_S = 60.0  # of one request: proxies give up on what is silent for longer


class Caller:
    """A worker that waits for a turn: until there is one, or the server or the worker goes away."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._ended = False
        self.news = asyncio.Event()

    async def gone(self) -> bool:
        """Whether nobody would get the turn."""
        return self._ended or await self._request.is_disconnected()

    # As a drain sees it.

    def tell_closing(self, reconnect_after_ms: int) -> None:  # noqa: ARG002 - it asks the next server at once
        self.close()

    def close(self, code: CloseCode | None = None) -> None:  # noqa: ARG002
        self._ended = True
        self.news.set()


async def register(exchange: Exchange) -> Reply:
    return Reply(await _work(exchange).register(exchange.principal, exchange.path("agent"), exchange.body))


async def lease(exchange: Exchange) -> Reply | Response:
    """A turn; 204 if there was none in the time that was asked for."""
    body: said.LeaseWanted = exchange.body
    caller, drain = Caller(exchange.request), exchange.services.drain
    wait_s = _wait_s(body.wait)
    with drain.registered(caller) if drain is not None else nullcontext():
        leased = await _work(exchange).lease(exchange.principal, body, wait_s, caller.news, caller.gone)
    return Response(status_code=204) if leased is None else Reply(leased)


async def operations(exchange: Exchange) -> Reply:
    return Reply(await _work(exchange).operations(exchange.principal, exchange.path("tid")))


def write(name: str) -> Callable[[Exchange], Awaitable[Reply]]:
    """A write of a worker: the route has the method's name."""

    async def handler(exchange: Exchange) -> Reply:
        method: Callable[..., Awaitable[Any]] = getattr(_work(exchange), name)
        return Reply(await method(exchange.principal, exchange.path("tid"), exchange.body))

    return handler


def _work(exchange: Exchange) -> Work:
    if exchange.services.work is None:
        raise NotImplementedYet("No workers come by at this server.")
    return exchange.services.work


def _wait_s(text: str | None) -> float:
    try:
        return 0.0 if text is None else min(milliseconds(text) / 1_000, WAIT_MAX_S)
    except ValueError as error:
        raise BadRequest(f"wait: {error}.", path="wait") from None
