"""The native WebSocket, `/v1/ws`: the handshake, who may come in, and which way its frames take.

The token comes in `Authorization: Bearer`, or as a second subprotocol beside `holdfast.v1` (a browser can set
nothing else), or in a first frame `hello`. Who must not come in is accepted and closed at once, for a code
that says "stop" or "come back" can be read by a page, and a refused handshake cannot.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from holdfast.core.identity import Principal
from holdfast.gateways.asgi_websocket import AsgiSink
from holdfast.gateways.auth import Authenticate
from holdfast.gateways.device import ConnectedDevice, Services
from holdfast.gateways.drain import Drain
from holdfast.gateways.raw_websocket import RAW, RawSink
from holdfast.hub.subscriber import Subscriber
from holdfast.protocol.close_codes import FORBIDDEN_ORIGIN, SHUTDOWN, CloseCode
from holdfast.protocol.frames import SUBPROTOCOL


class Origins:
    """Which pages may connect: those of the same host, and those listed. What is no browser has no origin."""

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def allow(self, headers: Headers) -> bool:
        """Whether a handshake with these headers may go on."""
        origin = headers.get("origin")
        if origin is None or "*" in self._allowed or origin.lower() in self._allowed:
            return True
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""


class WebSocketGateway:
    """An ASGI application for one path: `WebSocketRoute("/v1/ws", WebSocketGateway(…))`.

    `identify` is a host application's own way to say who is there; where it does not know, a token counts.
    """

    def __init__(
        self,
        services: Services,
        *,
        origins: Origins | None = None,
        drain: Drain | None = None,
        identify: Authenticate | None = None,
    ) -> None:
        self._services = services
        self._origins = origins or Origins()
        self._drain = drain if drain is not None else Drain()
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one device, from its handshake to its end."""
        await receive()  # websocket.connect
        chosen = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": chosen})
        refused = None if self._origins.allow(Headers(scope=scope)) else FORBIDDEN_ORIGIN
        raw = scope.get("extensions", {}).get(RAW)
        async with asyncio.TaskGroup() as tasks:
            if raw is not None:
                sink = RawSink(raw, self._services.limits.close_ms)
                await self._serve(scope, receive, sink, refused)
            else:
                plain = AsgiSink(send, self._services.limits.close_ms)
                serving = tasks.create_task(self._serve(scope, receive, plain, refused))
                writing = tasks.create_task(plain.run())
                writing.add_done_callback(lambda _: serving.cancel())
                serving.add_done_callback(lambda _: writing.cancel())

    async def _serve(self, scope: Scope, receive: Receive, sink: RawSink | AsgiSink, refused: CloseCode | None) -> None:
        subscriber = Subscriber(sink, self._services.limits.queue_max_bytes)
        device = ConnectedDevice(self._services, secrets.token_hex(8), subscriber)
        if self._drain.draining:
            device.tell_closing(self._drain.reconnect_after_ms())
            refused = SHUTDOWN
        if refused is not None:
            device.close(refused)
        with self._drain.registered(device):
            await device.run(_messages(receive), lambda: self._known(scope, refused))

    async def _known(self, scope: Scope, refused: CloseCode | None) -> Principal | None:
        """Who is there, as far as the handshake tells. Raises as the authenticator does."""
        if refused is not None:
            return None
        if self._identify is not None and (host_knows := await self._identify(HTTPConnection(scope))):
            return host_knows
        token = token_of(scope)
        return await self._services.authenticator.authenticate(token) if token is not None else None


def token_of(scope: Scope) -> str | None:
    """The token of a handshake: of its Authorization, or the subprotocol beside ours."""
    scheme, _, credentials = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return next((name for name in scope.get("subprotocols", ()) if name != SUBPROTOCOL), None)


async def _messages(receive: Receive) -> AsyncIterator[bytes]:
    """What the device sends, until it is gone."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        yield text.encode() if text is not None else message["bytes"]
