"""A subscriber: something that takes bytes, with a bounded queue before it.

What is pushed in one tick of the event loop leaves in one write. What the device does not take stays counted:
over the limit it is closed with a code that says "come back", and nobody else has waited for it.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from holdfast.protocol import close_codes, frames
from holdfast.protocol.close_codes import CloseCode
from holdfast.protocol.text_frame import TextFrame


class Sink(Protocol):
    """Where frames go: a socket, seen from the hub. Nothing blocks, nor raises when the device is gone."""

    @property
    def waiting_bytes(self) -> int:
        """What was written and not yet taken by the network."""
        ...

    def write(self, batch: list[TextFrame]) -> None: ...

    async def drained(self) -> None:
        """Return when most of what was written has been taken, or the device is gone."""
        ...

    def close(self, code: CloseCode) -> None: ...


class Subscriber:
    """One device's end. `push` never blocks: it queues, or closes a device that is too slow."""

    def __init__(self, sink: Sink, queue_max_bytes: int) -> None:
        self._sink = sink
        self._queue_max_bytes = queue_max_bytes
        self._batch: list[TextFrame] = []
        self._batch_bytes = 0
        self._loop = asyncio.get_running_loop()
        #: Held by who sends more than an event: a device that attaches much at once is given it one by one.
        self.bulk = asyncio.Lock()
        self.closed = False

    def push(self, frame: TextFrame) -> None:
        """Send a frame, at the end of this tick."""
        if self.closed:
            return
        # Counted before this one: a single frame larger than the limit must not be refused for ever.
        if self._batch_bytes + self._sink.waiting_bytes > self._queue_max_bytes:
            self.close(close_codes.SLOW_DEVICE)
            return
        if not self._batch:
            self._loop.call_soon(self.flush)
        self._batch.append(frame)
        self._batch_bytes += len(frame.wire)

    def send(self, frame: frames.Frame) -> None:
        """Send a frame to this device alone."""
        self.push(TextFrame(frames.encode(frame)))

    def flush(self) -> None:
        """Write what is queued, in one write."""
        if self._batch:
            batch, self._batch, self._batch_bytes = self._batch, [], 0
            self._sink.write(batch)

    async def drained(self) -> None:
        """Return when there is room again: whoever sends a lot waits here between pages. Safe to cancel."""
        self.flush()
        await self._sink.drained()

    def close(self, code: CloseCode) -> None:
        """End it, once. A slow device is not made to wait for what it does not take."""
        if self.closed:
            return
        if code is close_codes.SLOW_DEVICE:
            self._batch, self._batch_bytes = [], 0
        self.flush()
        self.closed = True
        self._sink.close(code)

    def lost(self) -> None:
        """The device is gone; what is pushed from now on goes nowhere."""
        self.closed = True
        self._batch, self._batch_bytes = [], 0
