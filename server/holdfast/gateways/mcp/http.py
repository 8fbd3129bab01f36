"""`/mcp` on the server: the same tools over the protocol's own HTTP, for whoever's token comes with the request.

Every request stands for itself, in both generations of the protocol, so any server takes any of them. A session of
the older one is a name that its requests carry, by which a call can be taken back; nothing is kept under it.

The protocol's package is imported at the first request: a server that nobody asks in this way starts no later for it.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from holdfast.core.errors import BadRequest, Forbidden, HoldfastError, Unauthenticated, Unusable
from holdfast.core.identity import Principal
from holdfast.gateways.mcp.app_desk import AppDesk
from holdfast.gateways.mcp.desk import Terms, terms_of
from holdfast.gateways.mcp.edge import AppTools
from holdfast.gateways.mcp.here import ServerDesk
from holdfast.gateways.mcp.under_way import Call, UnderWay
from holdfast.gateways.mcp.waiting import Progress
from holdfast.gateways.rest.exchange import BODY_MAX_BYTES, Services, read_body
from holdfast.gateways.rest.problems import other, refusal
from holdfast.gateways.websocket import Origins

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

CALLER = "holdfast.caller"  # where a request's scope says who it is from
SESSION = "mcp-session-id"
SESSION_MAX = 128  # characters of a session's name
HEADERS = (SESSION, "mcp-protocol-version", "mcp-method", "mcp-name")  # what a page may send
CANCELLED = "notifications/cancelled"
MISSING = "This server has no MCP: install holdfast[mcp] beside it."


class Caller(msgspec.Struct, frozen=True):
    """Who makes a request, and on which terms."""

    principal: Principal
    session: str | None
    terms: Terms

    def call(self, number: str | int | None) -> Call | None:
        """How a call of theirs is known here. None: it cannot be named by another request."""
        if self.session is None or number is None:
            return None
        return self.principal.subject, self.session, number


class McpEndpoint:
    """An ASGI application, and the task beside it that keeps what its requests share."""

    def __init__(self, services: Services, origins: Origins) -> None:
        self._services, self._origins = services, origins
        self._edge = _HttpEdge(services)
        self._wanted = asyncio.Event()
        self._ready: asyncio.Future[StreamableHTTPSessionManager] | None = None

    async def run(self) -> None:
        """Run until cancelled."""
        await self._wanted.wait()
        assert self._ready is not None
        try:
            manager = await asyncio.to_thread(_manager, self._edge)
        except ImportError as error:  # an old version of it; the server has more to do than this
            self._ready.set_exception(Unusable(f"{MISSING} ({error})"))
            return
        async with manager.run():
            self._ready.set_result(manager)
            await asyncio.Event().wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = _refused(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            caller = await self._caller(request)
            body = await read_body(request, BODY_MAX_BYTES)
            manager = await self._manager()
        except HoldfastError as error:
            await refusal(error)(scope, receive, send)
            return
        said = _envelope(body)
        if said.method == CANCELLED and (call := caller.call(said.params.requestId)) is not None:
            self._edge.calls.cancel(call)
            await Response(status_code=202)(scope, receive, send)
            return
        await manager.handle_request({**scope, CALLER: caller}, _again(body, receive), _named(said, send))

    async def _caller(self, request: Request) -> Caller:
        """Raises Forbidden, BadRequest, and as whatever authenticates does."""
        if not self._origins.allow(request.headers):
            raise Forbidden("Pages of this origin may not come in here.")
        principal = await self._services.authenticate(request)
        if principal is None:
            raise Unauthenticated
        session = request.headers.get(SESSION)
        query = request.query_params
        try:
            terms = terms_of(query.getlist("ask"), query.get("expires"), query.get("wait"))
        except ValueError as error:
            raise BadRequest(f"The address: {error}.") from None
        return Caller(principal, session if session and len(session) <= SESSION_MAX else None, terms)

    async def _manager(self) -> StreamableHTTPSessionManager:
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._wanted.set()
        return await asyncio.shield(self._ready)


class _HttpEdge:
    """The edge of a server that serves many agents."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.calls = UnderWay()

    def desk(self, context: Any) -> ServerDesk:
        return ServerDesk(self._services, _caller(context).principal)

    def terms(self, context: Any) -> Terms:
        return _caller(context).terms

    def app(self, context: Any, progress: Progress) -> AppTools:
        from holdfast.gateways.mcp.app_tools import AppCalls

        caller = _caller(context)
        return AppCalls(AppDesk(self._services, caller.principal), caller.terms, context, progress)

    def under_way(self, context: Any) -> AbstractContextManager[anyio.CancelScope]:
        caller = _caller(context)
        return self.calls.one(caller.principal.subject, caller.call(context.request_id))


class _Params(msgspec.Struct, frozen=True):
    requestId: str | int | None = None


class Envelope(msgspec.Struct, frozen=True):
    """As much of a message as must be known before the protocol's own server reads it."""

    method: str = ""
    params: _Params = _Params()


def _caller(context: Any) -> Caller:
    return context.request.scope[CALLER]


def _manager(edge: _HttpEdge) -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from holdfast.gateways.mcp.server import serving

    return StreamableHTTPSessionManager(serving(edge), stateless=True, max_request_body_size=BODY_MAX_BYTES)


def _refused(scope: Scope) -> Response | None:
    """What is said no to whoever it is from."""
    if find_spec("mcp") is None:
        return other(404, MISSING)
    if scope["method"] != "POST":
        # No stream beside those of calls: nothing is ever said here that nobody asked for.
        return other(405, "This path takes POST.", {"Allow": "POST"})
    return None


def _envelope(body: bytes) -> Envelope:
    """What cannot be read is left to the protocol's own server, which says why."""
    try:
        return msgspec.json.decode(body, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Envelope()


def _again(body: bytes, receive: Receive) -> Receive:
    """The request as if nobody had read it."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return unread.pop() if unread else await receive()

    return read


def _named(said: Envelope, send: Send) -> Send:
    """Give the session that begins a name."""
    if said.method != "initialize":
        return send

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            headers = MutableHeaders(raw=[*message["headers"]])
            headers[SESSION] = secrets.token_urlsafe(16)
            message = {**message, "headers": headers.raw}
        await send(message)

    return named
