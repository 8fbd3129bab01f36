"""Going away without a storm: devices are told when to come back, each at another moment, and closed then.

Who closes all connections in one instant has all devices at its neighbour's door in the next.
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Protocol

import uvicorn

from holdfast.protocol.close_codes import SHUTDOWN, CloseCode

WINDOW_MS = 5_000  # over which devices are spread; orchestrators usually give 30 s for all of it
LAST_MS = 1_000  # for what is under way when all are closed


class Drainable(Protocol):
    """A connection that can be told to go elsewhere."""

    def tell_closing(self, reconnect_after_ms: int) -> None: ...

    def close(self, code: CloseCode) -> None: ...


class Drain:
    """The connections of this server, and their orderly end."""

    def __init__(self, window_ms: int = WINDOW_MS) -> None:
        self._window_ms = window_ms
        self._connections: set[Drainable] = set()
        self._hurry = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        #: Whether devices that come now must be sent away.
        self.draining = False

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def connections(self) -> frozenset[Drainable]:
        """All that are open."""
        return frozenset(self._connections)

    @contextmanager
    def registered(self, connection: Drainable) -> Generator[None]:
        """While a connection is open."""
        self._connections.add(connection)
        self._empty.clear()
        try:
            yield
        finally:
            self._connections.discard(connection)
            if not self._connections:
                self._empty.set()

    async def run(self) -> None:
        """Tell all devices at once when to come back, and close each then. Returns when all are gone."""
        self.draining = True
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        plan = self._plan()
        for after_ms, connection in plan:
            connection.tell_closing(after_ms)
        for after_ms, connection in plan:
            await _within(begun_s + after_ms / 1000, self._hurry)
            connection.close(SHUTDOWN)
        await _within(loop.time() + LAST_MS / 1000, self._empty)

    def hurry(self) -> None:
        """Close the rest now."""
        self._hurry.set()

    def reconnect_after_ms(self) -> int:
        """When a device may come back that comes while this server goes away."""
        return random.randrange(self._window_ms + 1)

    def _plan(self) -> list[tuple[int, Drainable]]:
        connections = list(self._connections)
        random.shuffle(connections)
        step_ms = self._window_ms / max(1, len(connections))
        return [(int((place + random.random()) * step_ms), one) for place, one in enumerate(connections)]


def _let_streams_end_with_the_drain() -> None:
    """The SSE library of MCP cuts its streams on the signal, before those who wait are told what becomes of them."""
    library = sys.modules.get("sse_starlette.sse")
    if library is not None:
        library.AppStatus.enable_automatic_graceful_drain = False


async def _within(at_s: float, event: asyncio.Event) -> None:
    """Return when it happens, or at this time."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(at_s):
            await event.wait()


class DrainingServer(uvicorn.Server):
    """uvicorn, which drains before it stops. A second Ctrl-C ends the drain too."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()  # stop accepting; what is connected stays
        await self._drain.run()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        _let_streams_end_with_the_drain()
        super().handle_exit(sig, frame)
        if self.force_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._drain.hurry)
