"""AG-UI over HTTP: `HttpAgent` posts a run and reads its events as server-sent events.

POST /agui/{agent}   RunAgentInput → the events of a run
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response

from holdfast.core.errors import NotImplementedYet
from holdfast.core.folding import State
from holdfast.gateways.ag_ui import asking
from holdfast.gateways.ag_ui.run import Run
from holdfast.gateways.ag_ui.writer import Event
from holdfast.gateways.following import Followed
from holdfast.gateways.rest.exchange import Exchange
from holdfast.gateways.rest.streaming import HEADERS, MEDIA_TYPE, Streamed

BODY_MAX_BYTES = 4 * 1024 * 1024  # a client posts all that was ever said, to be passed over


async def run(exchange: Exchange) -> Response:
    """Do what a run asks, and tell what comes of it."""
    asked = await asking.submit(exchange.backend, exchange.principal, exchange.path("agent"), exchange.body)
    return await streamed(exchange, *asked)


async def streamed(exchange: Exchange, state: State | None, told: Run) -> Response:
    """The events of a run, as they come."""
    if state is None:
        return Response(_encoded(told.begin(State())), media_type=MEDIA_TYPE, headers=HEADERS)
    services = exchange.services
    if services.hub is None:
        raise NotImplementedYet
    followed = Followed(services.hub, services.drain, exchange.principal, state, told)
    await followed.open(exchange.body.threadId)
    return Streamed(_events(followed), followed.close)


async def _events(followed: Followed[Event]) -> AsyncIterator[bytes]:
    async for said in followed.told():
        yield _encoded(said) or b": quiet\n\n"


def _encoded(said: list[Event]) -> bytes:
    return b"".join(b"data: %s\n\n" % msgspec.json.encode(event) for event in said)
