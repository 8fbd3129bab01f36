"""The AI SDK over HTTP: `DefaultChatTransport` posts a chat and reads its reply as server-sent events.

POST /ai/chat/{agent}               {id, messages, trigger, messageId}
GET  /ai/chat/{agent}/{id}/stream   the reply again, from its message's start; 204: nothing was ever said
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response

from holdfast.core.errors import BadRequest, NotImplementedYet
from holdfast.core.folding import State
from holdfast.gateways.ai_sdk import asking
from holdfast.gateways.ai_sdk.replay import Chunk
from holdfast.gateways.ai_sdk.reply import Reply
from holdfast.gateways.ai_sdk.versions import Version, understood, version_of
from holdfast.gateways.following import Followed
from holdfast.gateways.rest.exchange import Exchange
from holdfast.gateways.rest.streaming import HEADERS, Streamed

VERSION_HEADER = "x-ai-sdk-version"
STREAM_HEADERS = {**HEADERS, "x-vercel-ai-ui-message-stream": "v1"}
BODY_MAX_BYTES = 4 * 1024 * 1024  # a chat posts all that was ever said in it, to be passed over


async def post(exchange: Exchange) -> Response:
    """Do what a chat asks, and reply."""
    version = _version(exchange)
    state, reply = await asking.submit(exchange.backend, exchange.principal, exchange.path("agent"), exchange.body)
    return await _streamed(exchange, exchange.body.id, state, reply, version)


async def again(exchange: Exchange) -> Response:
    """The reply that goes on, or was the last one."""
    version, session = _version(exchange), exchange.path("id")
    found = await asking.resume(exchange.backend, exchange.principal, session)
    return Response(status_code=204) if found is None else await _streamed(exchange, session, *found, version)


def _version(exchange: Exchange) -> Version:
    named = exchange.request.headers.get(VERSION_HEADER)
    version = version_of(named)
    if version is None:
        raise BadRequest("The versions 6 and 7 of the AI SDK are spoken here.", path=VERSION_HEADER)
    return version


async def _streamed(exchange: Exchange, session: str, state: State, reply: Reply, version: Version) -> Response:
    services = exchange.services
    if services.hub is None:
        raise NotImplementedYet
    followed = Followed(services.hub, services.drain, exchange.principal, state, reply)
    await followed.open(session)
    return Streamed(_events(followed, version), followed.close, STREAM_HEADERS)


async def _events(followed: Followed[Chunk], version: Version) -> AsyncIterator[bytes]:
    async for chunks in followed.told():
        told = [b"data: %s\n\n" % msgspec.json.encode(chunk) for chunk in chunks if understood(chunk, version)]
        yield b"".join(told) or b": quiet\n\n"
    yield b"data: [DONE]\n\n"
