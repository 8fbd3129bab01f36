"""The HTTP side of a server: REST by its table, what operators ask for, and the page at `/`."""

from __future__ import annotations

from pathlib import Path

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, compile_path
from starlette.routing import Route as Path_
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from holdfast.gateways.links.page import LinkPage
from holdfast.gateways.rest.exchange import Services, endpoint
from holdfast.gateways.rest.openapi import describe
from holdfast.gateways.rest.operations import Operations
from holdfast.gateways.rest.problems import other
from holdfast.gateways.rest.routes import ROUTES

CONSOLE = Path(__file__).parent / "console"
#: For the page: no address of ours in another site's logs, no guessing of types, no framing.
PAGE_HEADERS = {
    b"content-security-policy": b"default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}


def routes(services: Services) -> list[BaseRoute]:
    """All HTTP routes. The page comes last: it takes whatever path is left."""
    operations = Operations(services)
    rest = [
        Path_(route.path, endpoint(services, route.handler, route.body, route.body_max), methods=[route.method])
        for route in ROUTES
    ]
    return [
        *rest,
        *_links(services),
        Path_("/openapi.json", _openapi, methods=["GET"]),
        Path_("/healthz", operations.health, methods=["GET"]),
        Path_("/readyz", operations.ready, methods=["GET"]),
        Path_("/metrics", operations.metrics, methods=["GET"]),
        Mount("/v1", _nothing),
        Mount("/", Page()),
    ]


def _links(services: Services) -> list[BaseRoute]:
    """The page behind a link, where links can be read."""
    if services.links is None:
        return []
    page = LinkPage(services.backend, services.links)
    return [
        Path_("/link/{token}", page.get, methods=["GET"]),
        Path_("/link/{token}", page.post, methods=["POST"]),
    ]


async def on_http_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette gives it
    """What Starlette itself refuses, in the form of all our problems."""
    assert isinstance(error, HTTPException)
    return other(error.status_code, str(error.detail), dict(error.headers or {}))


class Page:
    """The static page: files, with headers that keep others from using it."""

    def __init__(self) -> None:
        self._files = StaticFiles(directory=CONSOLE, html=True, check_dir=False, follow_symlink=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *PAGE_HEADERS.items()]
            await send(message)

        await self._files(scope, receive, send_with_headers)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Under /v1 and in no route: not the page's either."""
    path = "/v1" + scope["path"].removeprefix(scope["root_path"])
    allowed = [route.method for route in ROUTES if compile_path(route.path)[0].match(path)]
    if allowed:
        refused = other(405, f"This path takes {', '.join(allowed)}.", {"Allow": ", ".join(allowed)})
    else:
        refused = other(404, "There is no such path.")
    await refused(scope, receive, send)


async def _openapi(request: Request) -> Response:  # noqa: ARG001
    return Response(msgspec.json.encode(describe(ROUTES)), media_type="application/json")
