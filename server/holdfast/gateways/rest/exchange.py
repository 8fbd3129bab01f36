"""One request and its reply: who asks, what they sent, and how the answer is said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from ulid import ULID

from holdfast.commands.backend import Backend
from holdfast.core.errors import BadRequest, HoldfastError, TooLarge, Unauthenticated
from holdfast.core.identity import Principal
from holdfast.core.ids import check_ref
from holdfast.gateways.auth import Authenticate
from holdfast.gateways.drain import Drain
from holdfast.gateways.links.token import Links
from holdfast.gateways.rest.problems import other, refusal
from holdfast.gateways.rest.remote import Work
from holdfast.hub.hub import Hub
from holdfast.protocol.frames import FRAME_MAX_BYTES

BODY_MAX_BYTES = FRAME_MAX_BYTES  # the same command, by whichever way it comes
VIA = "rest"

T = TypeVar("T")

log = structlog.get_logger("holdfast.http")


class Services(msgspec.Struct, frozen=True):
    """What the handlers work with."""

    backend: Backend
    authenticate: Authenticate
    #: Signs minted tokens; None: nobody can mint here.
    secret: str | None = None
    #: Makes and reads links; None: nobody can.
    links: Links | None = None
    #: Live events; None: pages only.
    hub: Hub | None = None
    #: The connections of this server; None: somebody else ends them.
    drain: Drain | None = None
    #: Carries out what workers ask for; None: none come by here.
    work: Work | None = None


class Reply(msgspec.Struct, frozen=True):
    """What is answered."""

    value: Any
    status: int = 200
    headers: dict[str, str] = {}


class Exchange:
    """A request of an authenticated principal."""

    def __init__(self, services: Services, request: Request, principal: Principal, body: Any) -> None:
        self.backend = services.backend
        self.services = services
        self.request = request
        self.principal = principal
        self.body = body

    def path(self, name: str) -> str:
        """A part of the path."""
        return cast("str", self.request.path_params[name])

    def query(self, name: str) -> str | None:
        """A parameter of the query; empty is absent."""
        return self.request.query_params.get(name) or None

    def number(self, name: str) -> int | None:
        """A parameter of the query that is a whole number. Raises BadRequest."""
        text = self.query(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= 9):
            raise BadRequest(f"{name}: must be a whole number.", path=name)
        return int(text)

    @property
    def ref(self) -> str:
        """The command's id: the body's, else the query's, else one of our making that nobody can repeat."""
        given = getattr(self.body, "ref", None) or self.query("ref")
        return check_ref(given) if given is not None else str(ULID())


Handler = Callable[[Exchange], Awaitable[Reply | Response]]


def endpoint(
    services: Services, handler: Handler, body: type[Any] | None, body_max: int = BODY_MAX_BYTES
) -> Callable[[Request], Awaitable[Response]]:
    """A handler as Starlette calls it: authenticated, decoded, answered; refused in one way."""

    async def respond(request: Request) -> Response:
        try:
            return await _respond(services, handler, body, body_max, request)
        except HoldfastError as error:
            return refusal(error)
        except Exception:
            # The last place that can answer: what nobody expected is logged whole, and told without details.
            log.exception("request failed", method=request.method, path=request.url.path)
            return other(500, "The server failed at this request; it is in its log.")

    return respond


async def _respond(
    services: Services, handler: Handler, body: type[Any] | None, body_max: int, request: Request
) -> Response:
    principal = await services.authenticate(request)
    if principal is None:
        raise Unauthenticated
    sent = await _decoded(request, body, body_max) if body is not None else None
    reply = await handler(Exchange(services, request, principal, sent))
    if isinstance(reply, Response):
        return reply
    return Response(msgspec.json.encode(reply.value), reply.status, reply.headers, "application/json")


async def _decoded(request: Request, kind: type[T], max_bytes: int) -> T:
    """The body, as `kind`. No body at all is an empty object.

    Raises:
        TooLarge, BadRequest: with what is wrong, and where.
    """
    data = await read_body(request, max_bytes)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if data and media_type != "application/json" and not media_type.endswith("+json"):
        raise BadRequest("The body must be JSON: send Content-Type: application/json.", path="Content-Type")
    try:
        return msgspec.json.decode(data or b"{}", type=kind)
    except RecursionError:
        raise BadRequest("The body is nested too deeply.", path="$") from None
    except msgspec.ValidationError as error:
        message, _, path = str(error).rpartition(" - at `")
        raise BadRequest(str(error), path=path.rstrip("`") if message else "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not JSON in UTF-8: {error}", path="$") from None


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises TooLarge."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise TooLarge(f"A body is at most {max_bytes} bytes.", limit=max_bytes)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > max_bytes:
            raise TooLarge(f"A body is at most {max_bytes} bytes.", limit=max_bytes)
    return bytes(data)
