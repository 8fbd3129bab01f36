"""The composition root: the one place that builds objects of all packages and joins them.

open_store ──▶ Backend ──▶ Hub, REST, WebSocket ──▶ one ASGI application     (serving)
    │             └──────▶ Sweeper, Sealer, Router, a Sender for each webhook (serving)
    └─────────────▶ Worker, woken by its subscription; a Sender for each hook (working)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.commands import linking
from holdfast.commands.backend import Backend
from holdfast.core.chain import derive_key
from holdfast.core.durations import Duration
from holdfast.core.errors import Draining
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Interrupt
from holdfast.core.notices import NoticeShown
from holdfast.gateways import device, http
from holdfast.gateways.ai_sdk.over_http import VERSION_HEADER
from holdfast.gateways.ai_sdk.over_websocket import AiSdkGateway
from holdfast.gateways.auth import Authenticate, Authenticator, Noting, by_bearer
from holdfast.gateways.drain import Drain
from holdfast.gateways.links.token import Links
from holdfast.gateways.mcp.http import HEADERS as MCP_HEADERS
from holdfast.gateways.mcp.http import SESSION as MCP_SESSION
from holdfast.gateways.mcp.http import McpEndpoint
from holdfast.gateways.rest.exchange import Services
from holdfast.gateways.rest.remote import Work
from holdfast.gateways.websocket import Origins, WebSocketGateway
from holdfast.hub.hub import Hub, HubSettings
from holdfast.notify import webhook
from holdfast.notify.hook import HookTarget
from holdfast.notify.router import Router
from holdfast.notify.sender import Sender
from holdfast.runtime.app import App
from holdfast.runtime.execution import Environment
from holdfast.runtime.history import Histories
from holdfast.runtime.hooks import Hook, LinkMaker, Notice
from holdfast.runtime.policies import Policies
from holdfast.runtime.remote.hand import Desk
from holdfast.runtime.remote.line import Line
from holdfast.runtime.remote.work import RemoteWork
from holdfast.runtime.sealer import Sealer
from holdfast.runtime.standings import Standings
from holdfast.runtime.sweeper import Sweeper
from holdfast.runtime.worker import Worker
from holdfast.settings import Settings, SettingsError, read, webhook_keys
from holdfast.store.devices import DevicesStore
from holdfast.store.door import Door
from holdfast.store.opening import OpenStore, open_store
from holdfast.store.outbox import Outbox
from holdfast.store.trail import Trail

DAY_MS = 86_400_000


class Built(msgspec.Struct, frozen=True):
    """The ASGI application, and what of it runs beside its requests."""

    application: Starlette
    mcp: McpEndpoint


class Server(msgspec.Struct, frozen=True):
    """A server that is ready: its application, and the orderly end of its connections."""

    application: ASGIApp
    drain: Drain
    backend: Backend


def plain_tracebacks() -> None:
    """Have exceptions logged without the locals of their frames, unless whoever embeds this has said how to log.

    Locals hold what people wrote, and secrets; and to print those of a large framework holds up everybody for seconds.
    """
    if structlog.is_configured():
        return
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


@asynccontextmanager
async def opened(settings: Settings, name: str) -> AsyncGenerator[OpenStore]:
    """The store of these settings. Raises SettingsError if none is named, and as `open_store` does."""
    if settings.redis is None:
        raise SettingsError("Set HOLDFAST_REDIS (or --redis) to the store's URL: redis://, rediss:// or unix://.")
    prefix, partitions, wait = settings.prefix, settings.partitions, settings.wait
    async with open_store(settings.redis, name=name, prefix=prefix, partitions=partitions, wait=wait) as store:
        yield store


@asynccontextmanager
async def serving(settings: Settings, store: OpenStore, auth: Authenticate | None = None) -> AsyncGenerator[Server]:
    """A server on an open store, with its hub and its sweeper. `auth` knows who is there by other means.

    Raises:
        BadInput, Unusable: the policy's file is none, or cannot be read.
    """
    plain_tracebacks()
    backend = Backend(store.door, store.log, store.manifests)
    hub_settings = HubSettings()
    devices = DevicesStore(store.connection, store.keys, hub_settings.presence.ttl_ms)
    async with (
        handing_out(settings, store, backend) as work,  # first: a policy that is none is said before anything starts
        Hub(store.door, store.log, devices, store.subscription, hub_settings) as hub,
        background(Sweeper(backend).run()),
        background(sealer(settings, store).run()),
        posting(settings, store),
    ):
        drain = Drain()
        built = application(settings, backend, hub, drain, auth, work)
        async with background(built.mcp.run()):
            yield Server(built.application, drain, backend)


@asynccontextmanager
async def handing_out(settings: Settings, store: OpenStore, backend: Backend) -> AsyncGenerator[RemoteWork]:
    """What hands turns to workers that come over HTTP. It listens for turns once the first of them waits.

    Raises:
        BadInput, Unusable: the policy's file is none, or cannot be read.
    """
    policies = Policies(settings.policy)
    environment = Environment(None, "ask", policies, backend, Standings(store.door), lambda _tool, _input: None)
    desk = Desk(
        store.door,
        store.log,
        store.manifests,
        environment,
        Histories(store.log),
        settings.lease_ms,
        settings.retain_events,
    )
    async with AsyncExitStack() as stack:

        async def listen(woken: Callable[[bytes], None]) -> None:
            # A lost wake-up costs a poll: there is nothing to do about a gap.
            wake = store.subscription(lambda _, payload: woken(payload), lambda: None, name="holdfast-work-sub")
            await wake.open()
            stack.push_async_callback(wake.close)
            for partition in range(store.keys.partitions):
                await wake.subscribe(store.keys.wake_channel(partition))

        yield RemoteWork(desk, Line(listen))


@asynccontextmanager
async def posting(settings: Settings, store: OpenStore) -> AsyncGenerator[None]:
    """What hands notices on to all targets, and posts them to the webhooks of these settings."""
    outbox = Outbox(store.connection, store.keys)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(webhook.client())
        for target in webhook.webhooks(settings.webhook, webhook_keys(settings), client):
            sender = Sender(outbox, store.door, target)
            await sender.announce()  # before anything is handed on: what waits in the outbox is for it too
            await stack.enter_async_context(background(sender.run()))
        await stack.enter_async_context(background(Router(outbox).run()))
        yield


def telling(app: App, door: Door, links: LinkMaker | None = None) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """What runs beside a worker's turns, given the lifespan's deps: a sender for each hook of the app."""

    async def tell(deps: Any) -> None:
        outbox = Outbox(door.connection, door.keys)
        async with asyncio.TaskGroup() as tasks:
            for hook in app.hooks.values():
                target = HookTarget(hook.name, _told(hook, deps, links, door))
                tasks.create_task(Sender(outbox, door, target).run(), name=target.shown)

    return tell


def links_of(settings: Settings) -> LinkMaker | None:
    """Makes links for hooks. None: there is no secret to sign with, or no address that people can reach."""
    if settings.secret is None or settings.public_url is None:
        return None
    links, base = Links(settings.secret), settings.public_url

    def make(
        shown: Interrupt, subject: str, roles: tuple[str, ...], name: str | None, ttl: Duration | None
    ) -> tuple[str, int]:
        # The app's own code names who is to answer: that one need not be a member.
        who = Principal(subject, roles, (shown.session,), ("answer",), name)
        link = links.make(base, shown, who, ttl)
        return link.url, link.expiresAt

    return make


def _told(hook: Hook, deps: Any, links: LinkMaker | None, door: Door) -> Callable[[NoticeShown], Awaitable[None]]:
    async def told(shown: NoticeShown) -> None:
        notice = Notice(shown, deps, links)
        try:
            await hook.function(notice)
        finally:
            await linking.made_by_hook(door, shown.interrupt, hook.name, notice.linked)

    return told


def sealer(settings: Settings, store: OpenStore) -> Sealer:
    """What seals the audit trail of this store under these settings."""
    trail = Trail(store.connection, store.keys)
    return Sealer(trail, audit_keys(settings), anchors=settings.audit_anchors, retain_ms=settings.audit_days * DAY_MS)


def audit_keys(settings: Settings) -> list[bytes]:
    """The keys of the audit trail: the first seals, all verify. None: it cannot be sealed."""
    keys = [key.encode() for key in settings.audit_key]
    if settings.secret is not None:
        keys.append(derive_key(settings.secret.encode()))  # also of what was sealed before a key was set
    return keys


def application(
    settings: Settings,
    backend: Backend,
    hub: Hub,
    drain: Drain,
    auth: Authenticate | None = None,
    work: Work | None = None,
) -> Built:
    """The ASGI application: `/v1/ws`, MCP, REST, what operators ask for, and the page."""
    noting = Noting(backend.directory.note)
    authenticator = noting.tokens(
        Authenticator(settings.secret, jwks=settings.jwks, issuer=settings.issuer, audience=settings.audience)
    )
    auth = auth and noting.requests(auth)
    services = Services(
        backend=backend,
        authenticate=_either(auth, by_bearer(authenticator)),
        secret=settings.secret,
        links=Links(settings.secret, settings.public_url) if settings.secret else None,
        hub=hub,
        drain=drain,
        work=work,
    )
    origins = Origins(settings.origins)
    gateway = WebSocketGateway(
        device.Services(hub, backend, authenticator), origins=origins, drain=drain, identify=auth
    )
    ai_sdk = AiSdkGateway(device.Services(hub, backend, authenticator), origins=origins, drain=drain, identify=auth)
    mcp = McpEndpoint(services, origins)
    built = Starlette(
        routes=[
            WebSocketRoute("/v1/ws", gateway),
            WebSocketRoute("/ai/chat/{agent}", ai_sdk),
            Route("/mcp", mcp),
            *http.routes(services),
        ],
        middleware=_middleware(settings),
        exception_handlers={HTTPException: http.on_http_error},
    )
    return Built(built, mcp)


@asynccontextmanager
async def working(settings: Settings, store: OpenStore, app: App) -> AsyncGenerator[Worker]:
    """A worker on an open store, and what wakes it. It is the caller's to `run` and to `stop`.

    Raises:
        BadInput, Unusable: the policy's file is none, or cannot be read.
    """
    worker = Worker(
        app,
        store.door,
        store.log,
        store.manifests,
        slots=settings.concurrency,
        lease_ms=settings.lease_ms,
        retain_events=settings.retain_events,
        policies=app.policies.under(settings.policy),
        beside=telling(app, store.door, links_of(settings)),
    )
    # A lost wake-up costs a poll: there is nothing to do about a gap.
    wake = store.subscription(lambda _, payload: worker.woken(payload), lambda: None, name="holdfast-worker-sub")
    await wake.open()
    try:
        for partition in range(store.keys.partitions):
            await wake.subscribe(store.keys.wake_channel(partition))
        yield worker
    finally:
        await wake.close()


@asynccontextmanager
async def background(work: Any) -> AsyncGenerator[None]:
    """Run something beside the body, and end it with the body. If it fails, so does the body."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def running(worker: Worker) -> AsyncGenerator[None]:
    """A worker beside the body; in the end it records what is under way and lets go of its turns."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()


class Mounted:
    """Holdfast inside another application: `api.mount("/holdfast", hf)`, and `lifespan=hf.lifespan`."""

    def __init__(self, app: App | None, auth: Authenticate | None, settings: Settings) -> None:
        self._app = app
        self._auth = auth
        self._settings = settings
        self._server: Server | None = None

    @asynccontextmanager
    async def lifespan(self, _host: Any = None) -> AsyncGenerator[None]:
        """Everything that it needs, while the host application runs.

        Raises:
            SettingsError, StoreUnavailable, StoreUnusable: it cannot start, in one sentence.
        """
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(opened(self._settings, "holdfast-mounted"))
            self._server = await stack.enter_async_context(serving(self._settings, store, self._auth))
            if self._app is not None:
                worker = await stack.enter_async_context(working(self._settings, store, self._app))
                await stack.enter_async_context(running(worker))
            try:
                yield
            finally:
                await self._server.drain.run()
                self._server = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._server is None:
            raise Draining("Holdfast is not running: give the application lifespan=hf.lifespan.")
        await self._server.application(scope, receive, send)


def asgi(
    app: App | None = None,
    *,
    auth: Callable[[HTTPConnection], Awaitable[Principal | None]] | None = None,
    settings: Settings | None = None,
    **flags: Any,
) -> Mounted:
    """Holdfast inside your own Starlette or FastAPI application, with a worker for `app` if one is given.

        hf = holdfast.asgi(app, auth=who_is_there, redis="redis://localhost")
        api = FastAPI(lifespan=hf.lifespan)
        api.mount("/holdfast", hf)

    `auth` says who a request is from (None: nobody; then a token is looked for). Settings come from `flags`,
    else from `HOLDFAST_*`.

    Raises:
        SettingsError: a setting cannot be used.
    """
    chosen = settings or read(flags)
    if auth is None and chosen.secret is None and chosen.jwks is None:
        raise SettingsError("Give `auth`, or set HOLDFAST_SECRET or HOLDFAST_JWKS: nobody could come in.")
    return Mounted(app, auth, chosen)


def _either(auth: Authenticate | None, bearer: Authenticate) -> Authenticate:
    if auth is None:
        return bearer

    async def authenticate(connection: HTTPConnection) -> Principal | None:
        return await auth(connection) or await bearer(connection)

    return authenticate


def _middleware(settings: Settings) -> list[Middleware]:
    """Pages of other origins may only come in where an operator has named them."""
    if not settings.origins:
        return []
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Last-Event-ID", VERSION_HEADER, *MCP_HEADERS],
        expose_headers=[MCP_SESSION],
    )
    return [cors]
