"""A WebSocket through plain ASGI: where Holdfast is mounted into an application that somebody else serves."""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import Send

from holdfast.protocol.close_codes import SLOW_DEVICE, CloseCode
from holdfast.protocol.text_frame import TextFrame

DRAINED_BYTES = 64 * 1024  # below it, who sends a lot may go on: what asyncio's transports use


class AsgiSink:
    """A queue before ASGI's `send`, as subscribers see it. `run` it: it ends with the connection."""

    def __init__(self, send: Send, close_ms: int) -> None:
        self._send = send
        self._close_ms = close_ms
        self._queue: deque[TextFrame] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing: CloseCode | None = None
        self._ended = False
        self._task: asyncio.Task[None] | None = None
        self.waiting_bytes = 0

    def write(self, batch: list[TextFrame]) -> None:
        if self._ended or self._closing:
            return
        self._queue.extend(batch)
        self._count(sum([len(frame.text) for frame in batch]))
        self._wake.set()

    async def drained(self) -> None:
        await self._room.wait()

    def close(self, code: CloseCode) -> None:
        if self._closing is not None:
            return
        self._closing = code
        if code is SLOW_DEVICE:
            self._queue.clear()
        self._wake.set()
        if self._task is not None:
            asyncio.get_running_loop().call_later(self._close_ms / 1000, self._task.cancel)

    async def run(self) -> None:
        """Write until closed, or the device is gone; cancelled, if it does not let itself be closed."""
        self._task = asyncio.current_task()
        try:
            while self._closing is None:
                await self._wake.wait()
                self._wake.clear()
                await self._write_all()
            await self._write_all()
            code, reason = self._closing
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            pass  # how servers say that the device is gone
        finally:
            self._ended = True
            self._room.set()

    async def _write_all(self) -> None:
        while self._queue:
            text = self._queue.popleft().text
            await self._send({"type": "websocket.send", "text": text.decode()})
            self._count(-len(text))

    def _count(self, size: int) -> None:
        self.waiting_bytes += size
        if self.waiting_bytes > DRAINED_BYTES:
            self._room.clear()
        else:
            self._room.set()
