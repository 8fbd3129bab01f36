"""What each command runs: one process, from its start to its orderly end."""

from __future__ import annotations

import asyncio
import importlib
import os
import secrets
import signal
import socket
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import FrameType

import click
import uvicorn
from msgspec.structs import replace

from holdfast import wiring
from holdfast.cli.network import LinkToShow, lan_address
from holdfast.core.errors import HoldfastError
from holdfast.core.identity import OPERATOR, Right
from holdfast.gateways.drain import Drain, DrainingServer
from holdfast.gateways.minting import USUAL_RIGHTS, mint_token
from holdfast.gateways.raw_websocket import options
from holdfast.protocol.limits import Limits
from holdfast.runtime import loading
from holdfast.runtime.app import App
from holdfast.runtime.loading import load_app
from holdfast.settings import Settings, SettingsError, is_loopback
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.opening import OpenStore
from holdfast.store.outbox import Outbox

DEV_SUBJECT = "you"
DEV_TTL = "30 days"  # a link that was bookmarked; `dev` is not for strangers
SHUTDOWN_S = 15  # after the drain, for requests that are still under way
BACKLOG = 2048
#: Where the frames lie that stand between a command and the first line of a user's module.
IMPORTERS = (__file__, loading.__file__, importlib.__file__, "<frozen importlib")


async def serve(settings: Settings) -> None:
    """A server, until it is told to stop."""
    listener = listen(settings)
    async with wiring.opened(settings, "holdfast-server") as store, wiring.serving(settings, store) as server:
        await _serve(server, listener, lambda: click.echo(f"holdfast: serving on {_address(settings, listener)}"))


async def work(settings: Settings, target: str) -> None:
    """A worker, until it is told to stop. Then what is under way is recorded, and others go on with it."""
    app = _imported(target)
    app.policies.under(settings.policy)  # what is wrong with it is said before anything starts
    async with (
        wiring.opened(settings, "holdfast-worker") as store,
        wiring.working(settings, store, app) as worker,
    ):
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, worker.stop)
        await worker.run()


async def develop(settings: Settings, target: str, data: Path, *, lan: bool) -> None:
    """Server, worker and store in one process tree."""
    app = _imported(target)
    app.policies.under(settings.policy)  # what is wrong with it is said before anything starts
    listener = listen(settings)
    async with AsyncExitStack() as stack:
        if settings.redis is None:
            settings = replace(settings, redis=await stack.enter_async_context(_embedded(data)))
        settings = replace(settings, secret=settings.secret or kept_secret(data))
        settings = replace(settings, public_url=settings.public_url or _reached(settings, listener, lan=lan))
        server = await _together(stack, settings, app)
        link = LinkToShow(_link(settings, listener, lan=lan), as_code=lan)
        await _serve(server, listener, link.show)


def _imported(target: str) -> App:
    """The app, or an error that shows the user's own lines: ours say nothing about a mistake in theirs.

    Raises:
        HoldfastError, SettingsError: as one sentence; what the module itself raised has been printed above it.
    """
    try:
        return load_app(target)
    except (HoldfastError, SettingsError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a user's module raises
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename.startswith(IMPORTERS):
            frames = frames.tb_next
        click.echo("".join(traceback.format_exception(error.with_traceback(frames))), nl=False, err=True)
        raise SettingsError(f"{target}: it cannot be imported, for the reason above.") from None


async def examine(settings: Settings) -> list[str]:
    """What `doctor` finds. Raises if something is wrong."""
    async with wiring.opened(settings, "holdfast-doctor") as store:
        info = store.connection.info
        assert info is not None
        found = [f"store: {info.server} {info.version}, {store.keys.partitions} partitions; it takes commits"]
        found += [f"note: {note}" for note in info.notes]
        queues = [manifest.queue for manifest in await store.manifests.all()]
        served = [queue for queue in queues if await store.manifests.is_served(queue)]
        found += [f"agent: {queue}, {'served' if queue in served else 'no worker'}" for queue in queues]
        if not served:
            found.append("worker: none; turns wait until one runs (holdfast worker PATH_OR_MODULE:app)")
        found += await _notices(store)
        found.append("secret: set" if settings.secret else "secret: not set (HOLDFAST_SECRET)")
        return found


async def _notices(store: OpenStore) -> list[str]:
    """Where notices go, and whether they get there."""
    outbox = Outbox(store.connection, store.keys)
    backlog, targets = await outbox.backlog(), await outbox.targets()
    look = " (holdfast notices list)" if backlog.undelivered else ""
    told = ", ".join(target.shown for target in targets) or "nowhere: there is neither a webhook nor a hook"
    return [f"notices: {backlog.waiting} on their way, {backlog.undelivered} given up{look}", f"notices go to: {told}"]


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on: taken first, so that what is wrong with it is said before anything else starts.

    Raises:
        SettingsError: the port is in use, or the address is none of this machine's.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise SettingsError(f"Cannot listen on {where}: {error.strerror or error}.") from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def kept_secret(data: Path) -> str:
    """The secret of a `dev` folder: made once, readable by its owner only.

    Raises:
        SettingsError: the folder cannot be written.
    """
    path = data / "secret"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"The data folder {data} cannot be used: {error.strerror}.") from None


def secret_of(data: Path) -> str:
    """The secret that `dev` has made in this folder.

    Raises:
        SettingsError: `dev` never ran here.
    """
    try:
        return (data / "secret").read_text().strip()
    except OSError as error:
        raise SettingsError(f"{data} is no folder of `holdfast dev`: {error.strerror}.") from None


@asynccontextmanager
async def _embedded(data: Path) -> AsyncGenerator[str]:
    """The embedded store, watched: it is started again if it ends."""
    async with (
        EmbeddedStore(data / "store") as store,
        wiring.background(store.keep_running(lambda told: click.echo(told, err=True))),
    ):
        yield store.url


async def _together(stack: AsyncExitStack, settings: Settings, app: App) -> wiring.Server:
    store = await stack.enter_async_context(wiring.opened(settings, "holdfast-dev"))
    server = await stack.enter_async_context(wiring.serving(settings, store))
    worker = await stack.enter_async_context(wiring.working(settings, store, app))
    await stack.enter_async_context(wiring.running(worker))
    return server


class _Server(DrainingServer):
    """Tells when it serves, and from then on can be stopped in order."""

    def __init__(self, config: uvicorn.Config, drain: Drain, started: Callable[[], None]) -> None:
        super().__init__(config, drain)
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell_started()


async def _serve(server: wiring.Server, listener: socket.socket, started: Callable[[], None] = lambda: None) -> None:
    """Serve until a signal; then drain."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has ended; a stop that was asked for is no failure.
        signal.signal(sign, _already_heard)
    config = uvicorn.Config(
        server.application,
        loop="none",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        **options(Limits()),
    )
    await _Server(config, server.drain, started).serve(sockets=[listener])


def _already_heard(_sign: int, _frame: FrameType | None) -> None:
    """Do nothing."""


def _link(settings: Settings, listener: socket.socket, *, lan: bool) -> str:
    """The address to open, with a token in its fragment, which no browser sends to anybody."""
    rights: list[Right] = [*USUAL_RIGHTS, "mint", "admin"]
    token = mint_token(DEV_SUBJECT, roles=[OPERATOR], sessions=["*"], can=rights, ttl=DEV_TTL, secret=settings.secret)
    return f"{_reached(settings, listener, lan=lan)}/#token={token}"


def _reached(settings: Settings, listener: socket.socket, *, lan: bool) -> str:
    """Where the browsers of this machine, or of its network, reach it."""
    host = lan_address() if lan else (settings.host if is_loopback(settings.host) else "localhost")
    return _address(replace(settings, host=host), listener)


def _address(settings: Settings, listener: socket.socket) -> str:
    """Where it listens. The port is the socket's: 0 took any that was free."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"
