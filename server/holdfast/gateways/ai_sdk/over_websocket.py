"""The AI SDK over its own WebSocket, `/ai/chat/{agent}`: `WebSocketChatTransport` of ai 7.0.135 and later.

One connection carries many requests, told apart by `requestId`. The token comes in the header `authorization` of
each frame, or with the handshake as everywhere. An `abort` only stops the stream: the turn goes on, and stopping
that is a command of its own.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any, Literal

import msgspec
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from holdfast.core.errors import HoldfastError, LimitReached, Unauthenticated
from holdfast.core.folding import State
from holdfast.core.identity import Principal
from holdfast.gateways.ai_sdk import asking
from holdfast.gateways.ai_sdk.posted import Chat, Trigger
from holdfast.gateways.ai_sdk.replay import Chunk
from holdfast.gateways.ai_sdk.reply import Reply
from holdfast.gateways.ai_sdk.versions import NEWEST, understood
from holdfast.gateways.auth import Authenticate
from holdfast.gateways.device import Services
from holdfast.gateways.drain import Drain
from holdfast.gateways.following import Followed
from holdfast.gateways.websocket import Origins
from holdfast.protocol.close_codes import BAD_FRAMES, FORBIDDEN_ORIGIN, SHUTDOWN, CloseCode

SUBPROTOCOL = "holdfast.ai-sdk"
REQUESTS_MAX = 64  # that one connection may have under way: as many as a device may attach sessions

log = logging.getLogger(__name__)


class Request(msgspec.Struct, frozen=True):
    """What a chat sends. Its fields are the transport's."""

    type: Literal["send", "resume", "abort"]
    requestId: str
    id: str = ""
    messages: list[msgspec.Raw] = []
    trigger: Trigger = "submit-message"
    messageId: str | None = None
    headers: dict[str, str] = {}

    @property
    def chat(self) -> Chat:
        """As over HTTP."""
        return Chat(self.id, self.messages, self.trigger, self.messageId)


_decoder = msgspec.json.Decoder(Request)


class AiSdkGateway:
    """An ASGI application for one path: `WebSocketRoute("/ai/chat/{agent}", AiSdkGateway(…))`."""

    def __init__(
        self, services: Services, *, origins: Origins, drain: Drain, identify: Authenticate | None = None
    ) -> None:
        self._services, self._origins, self._drain, self._identify = services, origins, drain, identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, from its handshake to its end."""
        await receive()  # websocket.connect
        offered = scope.get("subprotocols", ())
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if SUBPROTOCOL in offered else None})
        connection = _Connection(self._services, self._drain, self._identify, scope, send)
        if not self._origins.allow(Headers(scope=scope)):
            return await connection.end(FORBIDDEN_ORIGIN)
        if self._drain.draining:
            return await connection.end(SHUTDOWN)
        with self._drain.registered(connection):
            await connection.run(receive)
        return None


class _Connection:
    """One connection and its requests: each is a task, which ends with its reply or with the connection."""

    def __init__(
        self, services: Services, drain: Drain, identify: Authenticate | None, scope: Scope, send: Send
    ) -> None:
        self._services, self._drain, self._identify = services, drain, identify
        self._scope, self._send = scope, send
        self._agent: str = scope["path_params"]["agent"]
        self._requests: dict[str, asyncio.Task[None]] = {}
        self._tasks = asyncio.TaskGroup()
        self._ending: asyncio.Task[None] | None = None

    async def run(self, receive: Receive) -> None:
        """Until the chat is gone. What it asked is done all the same; only the streams end."""
        async with self._tasks:
            while (message := await receive())["type"] != "websocket.disconnect":
                await self._take(message)
            for task in self._requests.values():
                task.cancel()

    async def end(self, code: CloseCode) -> None:
        """Close it and say why."""
        with suppress(OSError, RuntimeError):  # how servers say that it is closed already
            await self._send({"type": "websocket.close", "code": code.code, "reason": code.reason})

    # As a drain sees it.

    def tell_closing(self, reconnect_after_ms: int) -> None:
        pass  # the chat comes back when its connection is lost

    def close(self, code: CloseCode) -> None:
        self._ending = asyncio.ensure_future(self.end(code))

    async def _take(self, message: Message) -> None:
        try:
            request = _decoder.decode(message.get("text") or message.get("bytes") or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return await self.end(BAD_FRAMES)
        own_id = request.requestId
        if request.type == "abort":
            if task := self._requests.pop(own_id, None):  # at once: what comes next may take its place
                task.cancel()
        elif own_id in self._requests:
            await self._say("error", own_id, errorText="A request of this id is under way already.")
        elif len(self._requests) >= REQUESTS_MAX:
            error = LimitReached(f"A connection has at most {REQUESTS_MAX} requests under way.", limit=REQUESTS_MAX)
            await self._say("error", own_id, errorText=error.message)
        else:
            task = self._requests[own_id] = self._tasks.create_task(self._serve(request))
            task.add_done_callback(lambda ended: self._forget(own_id, ended))
        return None

    def _forget(self, own_id: str, ended: asyncio.Task[None]) -> None:
        if self._requests.get(own_id) is ended:  # else another request has its id by now
            del self._requests[own_id]

    async def _serve(self, request: Request) -> None:
        try:
            await self._reply(request)
        except HoldfastError as error:
            await self._say("error", request.requestId, errorText=error.message)
        except (OSError, RuntimeError):
            pass  # how servers say that the chat is gone
        except Exception:
            # The last place that can answer: what nobody expected is logged whole, and told without details.
            log.exception("A chat's request could not be answered.")
            await self._say("error", request.requestId, errorText="Something failed here; it is in the log.")

    async def _reply(self, request: Request) -> None:
        principal = await self._who(request)
        found = await self._asked(principal, request)
        if found is None:
            return await self._say("no-active", request.requestId)
        followed = Followed(self._services.hub, self._drain, principal, *found)
        await followed.open(request.id)
        await self._say("start", request.requestId)
        sequence = 0
        async for chunks in followed.told():
            for chunk in chunks:
                if understood(chunk, NEWEST):
                    await self._chunk(request, sequence, chunk)
                    sequence += 1
        return await self._say("end", request.requestId)

    async def _asked(self, principal: Principal, request: Request) -> tuple[State, Reply] | None:
        backend = self._services.backend
        if request.type == "resume":
            return await asking.resume(backend, principal, request.id)
        # What was received in full is done, even if the chat is gone by then.
        return await asyncio.shield(asking.submit(backend, principal, self._agent, request.chat))

    async def _who(self, request: Request) -> Principal:
        """Whose request it is. Raises Unauthenticated, TokenExpired, Unavailable."""
        if self._identify is not None and (host_knows := await self._identify(HTTPConnection(self._scope))):
            return host_knows
        given = next((value for name, value in request.headers.items() if name.lower() == "authorization"), None)
        token = _bearer(given or Headers(scope=self._scope).get("authorization", "")) or self._offered()
        if token is None:
            raise Unauthenticated
        return await self._services.authenticator.authenticate(token)

    def _offered(self) -> str | None:
        """The token of a browser's handshake: the subprotocol beside ours."""
        return next((name for name in self._scope.get("subprotocols", ()) if name != SUBPROTOCOL), None)

    async def _chunk(self, request: Request, sequence: int, chunk: Chunk) -> None:
        await self._say("chunk", request.requestId, sequence=sequence, chunk=chunk)

    async def _say(self, kind: str, request: str, **more: Any) -> None:
        said = msgspec.json.encode({"type": kind, "requestId": request, **more})
        await self._send({"type": "websocket.send", "text": said.decode()})


def _bearer(credentials: str) -> str | None:
    scheme, _, token = credentials.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
