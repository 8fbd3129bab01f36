"""A server that says what a test tells it to: real sockets, scripted frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from holdfast.protocol import frames

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection, seen from the server. `number` counts connections from 1."""

    def __init__(self, socket: ServerConnection, number: int, received: list[dict[str, Any]]) -> None:
        self.socket, self.number, self.received = socket, number, received

    async def expect(self, kind: str) -> dict[str, Any]:
        """The next frame, which must be of this type."""
        frame: dict[str, Any] = msgspec.json.decode(await self.socket.recv())
        self.received.append(frame)
        assert frame["type"] == kind, frame
        return frame

    async def greet(self) -> dict[str, Any]:
        hello = await self.expect("hello")
        await self.say(
            {
                "type": "welcome",
                "connection": f"c{self.number}",
                "principal": {},
                "limits": {},
                "serverTime": 0,
            }
        )
        return hello

    async def say(self, frame: dict[str, Any] | frames.Frame) -> None:
        await self.socket.send(msgspec.json.encode(frame).decode())

    async def event(self, seq: int, event: dict[str, Any], from_: int | None = None, session: str = "s") -> None:
        frame = {"type": "event", "session": session, "seq": seq, "at": 1_000 + seq, "event": event}
        await self.say(frame if from_ is None else frame | {"from": from_})

    async def close(self, code: int, reason: str = "") -> None:
        await self.socket.close(code, reason)

    async def until_gone(self) -> None:
        await self.socket.wait_closed()


class ScriptedServer:
    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[dict[str, Any]] = []
        self.connections = 0
        self.failures: list[BaseException] = []


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[ScriptedServer]:
    """Serve `script` for each connection. What fails in it fails the test."""
    server = ScriptedServer("")

    async def handle(socket: ServerConnection) -> None:
        server.connections += 1
        try:
            await script(Peer(socket, server.connections, server.received))
        except ConnectionClosed:
            pass
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                server.failures.append(error)
            raise

    async with serve(handle, "127.0.0.1", 0, subprotocols=[frames.SUBPROTOCOL], compression=None) as serving:
        server.url = f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
        yield server
    if server.failures:
        raise server.failures[0]
