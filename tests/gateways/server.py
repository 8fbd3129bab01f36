"""A real server in this process, on the real store, and devices on the `websockets` library."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from tests.commands.scene import make_backend
from tests.waiting import wait_until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from holdfast.commands.backend import Backend
from holdfast.core.errors import TokenExpired, Unauthenticated, Unavailable
from holdfast.core.identity import Principal
from holdfast.gateways.device import ConnectedDevice, Services
from holdfast.gateways.drain import Drain, DrainingServer
from holdfast.gateways.raw_websocket import options
from holdfast.gateways.websocket import Origins, WebSocketGateway
from holdfast.hub.hub import Hub, HubSettings
from holdfast.protocol import close_codes
from holdfast.protocol.limits import Limits
from holdfast.store.connection import Connection
from holdfast.store.devices import DevicesStore
from holdfast.store.subscription import Subscription


class Tokens:
    """An authenticator whose tokens are subjects."""

    expires_at_ms: int | None = None

    async def authenticate(self, token: str) -> Principal:
        match token:
            case "expired":
                raise TokenExpired
            case "later":
                raise Unavailable
            case "bad":
                raise Unauthenticated
            case _:
                return Principal(token, name=token.title(), expires_at_ms=self.expires_at_ms)


class Quiet(DrainingServer):
    """Leaves the signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Running:
    """A server that runs, and what it is made of."""

    def __init__(self, backend: Backend, hub: Hub, drain: Drain, tokens: Tokens, server: Quiet) -> None:
        self.backend = backend
        self.hub = hub
        self.drain = drain
        self.tokens = tokens
        self.server = server

    @property
    def port(self) -> int:
        return self.server.servers[0].sockets[0].getsockname()[1]

    def connect(self, token: str | None = "alice", **more: Any) -> connect:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        given = {"additional_headers": headers, "compression": None, "proxy": None, "max_size": None, **more}
        return connect(f"ws://127.0.0.1:{self.port}/v1/ws", **given)

    def cut(self, connection: str) -> None:
        """End one connection, whose device will come back."""
        for one in self.drain.connections:
            if isinstance(one, ConnectedDevice) and one.connection == connection:
                one.close(close_codes.SHUTDOWN)

    @asynccontextmanager
    async def device(self, token: str = "alice", **more: Any) -> AsyncGenerator[Peer]:
        async with self.connect(token, **more) as socket:
            peer = Peer(socket)
            await peer.read("welcome")
            yield peer


class Peer:
    """A device on a socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send(msgspec.json.encode({"type": kind, **fields}).decode())

    async def next(self) -> dict[str, Any]:
        frame = msgspec.json.decode(await self.socket.recv())
        self.seen.append(frame)
        return frame

    async def read(self, kind: str) -> dict[str, Any]:
        """The next frame of this type; what comes before it is passed over."""
        while True:
            frame = await self.next()
            if frame["type"] == kind:
                return frame

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Say it, and get the answer: whatever has the same ref."""
        fields.setdefault("ref", f"r{len(self.seen)}-{id(self)}")
        await self.say(kind, **fields)
        while True:
            frame = await self.next()
            if frame.get("ref") == fields["ref"]:
                return frame

    async def closed(self) -> tuple[int, str]:
        """The code and reason with which the server ends it, after what it still says."""
        with suppress(ConnectionClosed):
            while True:
                await self.next()
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""


@asynccontextmanager
async def running(
    url: str,
    connection: Connection,
    *,
    raw: bool = True,
    limits: Limits | None = None,
    origins: tuple[str, ...] = (),
    window_ms: int = 0,
) -> AsyncGenerator[Running]:
    """A server, until the end of the context; then it drains and stops."""
    limits = limits or Limits()
    backend = await make_backend(connection)
    keys = backend.door.keys

    async def publish(channel: str, payload: bytes) -> Any:
        return await connection.execute("PUBLISH", channel, payload)

    devices = DevicesStore(connection, keys, 60_000)
    tokens, drain = Tokens(), Drain(window_ms)
    hub = Hub(
        backend.door,
        backend.log,
        devices,
        lambda on_message, on_gap: Subscription(url, on_message, on_gap, publish=publish),
        HubSettings(),
    )
    async with hub:
        services = Services(hub, backend, tokens, limits)
        gateway = WebSocketGateway(services, origins=Origins(origins), drain=drain)
        app = Starlette(routes=[WebSocketRoute("/v1/ws", gateway)])
        ours = options(limits) if raw else {"ws": "websockets-sansio", "ws_per_message_deflate": False}
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", **ours)
        server = Quiet(config, drain)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve())
            await wait_until(lambda: server.started or serving.done(), "the server has started")
            try:
                yield Running(backend, hub, drain, tokens, server)
            finally:
                server.should_exit = True
