"""Events over SSE: the hub's frames as server-sent events, for who cannot have a WebSocket.

event: event                  what would be the frame's type
id: 3-abcdef:17               the position; the browser sends it back as Last-Event-ID
data: {"type":"event", …}     the frame itself
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import nullcontext

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from holdfast.core.identity import Principal
from holdfast.gateways.drain import Drain
from holdfast.hub.hub import Hub
from holdfast.hub.subscriber import Subscriber
from holdfast.protocol.close_codes import CloseCode
from holdfast.protocol.frames import Attach, Position
from holdfast.protocol.limits import Limits
from holdfast.protocol.text_frame import TextFrame

MEDIA_TYPE = "text/event-stream"
QUIET_S = 15.0  # proxies close what is silent for 30 or 60 s
DRAINED_BYTES = 64 * 1024
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would keep events back


class _Shown(msgspec.Struct):
    """What SSE must know of a frame."""

    type: str
    epoch: str = ""
    seq: int = 0


_decoder = msgspec.json.Decoder(_Shown)


class EventStream:
    """One reader's end: a bounded queue that the hub writes to, and the response reads from."""

    def __init__(self) -> None:
        self.waiting_bytes = 0
        self._queue: deque[bytes] = deque()
        self._epoch = ""
        self._ended = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    # As the hub's subscribers see it.

    def write(self, batch: list[TextFrame]) -> None:
        for frame in batch:
            self._put(self._said(frame.text))

    async def drained(self) -> None:
        await self._room.wait()

    def close(self, code: CloseCode) -> None:
        self._put(f'event: closing\ndata: {{"code":{code.code}}}\n\n'.encode())
        self.end()

    # As a drain sees it.

    def tell_closing(self, reconnect_after_ms: int) -> None:
        self._put(f"retry: {reconnect_after_ms}\n\n".encode())

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._room.set()
        self._wake.set()

    async def read(self) -> AsyncIterator[bytes]:
        """What is to be sent, until the end. A comment now and then where nothing happens."""
        yield b"retry: 2000\n\n"
        while self._queue or not self._ended:
            if not self._queue:
                yield await self._quiet()
                continue
            data = b"".join(self._queue)
            self._queue.clear()
            self._count(-len(data))
            yield data

    async def _quiet(self) -> bytes:
        self._wake.clear()
        try:
            async with asyncio.timeout(QUIET_S):
                await self._wake.wait()
        except TimeoutError:
            return b": quiet\n\n"
        return b""

    def _said(self, text: bytes) -> bytes:
        shown = _decoder.decode(text)
        if shown.type == "attached":
            self._epoch = shown.epoch
        place = b"id: %s:%d\n" % (self._epoch.encode(), shown.seq) if shown.seq else b""
        return b"event: %s\n%sdata: %s\n\n" % (shown.type.encode(), place, text)

    def _put(self, data: bytes) -> None:
        if not self._ended:
            self._queue.append(data)
            self._count(len(data))
            self._wake.set()

    def _count(self, change: int) -> None:
        self.waiting_bytes += change
        if self.waiting_bytes < DRAINED_BYTES:
            self._room.set()
        else:
            self._room.clear()


class Streamed(StreamingResponse):
    """Server-sent events, and what is to be let go of at their end; twice must be as once.

    Who hangs up before the first of them leaves a generator that never began: its `finally` would never run.
    """

    def __init__(
        self, content: AsyncIterator[bytes], close: Callable[[], None], headers: Mapping[str, str] = HEADERS
    ) -> None:
        super().__init__(content, media_type=MEDIA_TYPE, headers=headers)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


async def follow(hub: Hub, drain: Drain | None, principal: Principal, session: str, since: Position) -> Streamed:
    """Everything after a position, and then what happens. Raises as `Hub.attach` does."""
    stream = EventStream()
    subscriber = Subscriber(stream, Limits().queue_max_bytes)

    def ended() -> None:
        subscriber.flush()  # the reason, which was said in this very tick
        stream.end()

    def close() -> None:
        subscriber.lost()
        hub.leave(subscriber)

    await hub.attach(subscriber, principal, Attach("sse", session, since), on_end=ended)
    return Streamed(_sent(drain, principal, stream), close)


async def _sent(drain: Drain | None, principal: Principal, stream: EventStream) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    expiry = None
    if principal.expires_at_ms is not None:
        left_s = principal.expires_at_ms / 1_000 - time.time()
        expiry = loop.call_later(max(0.0, left_s), stream.end)
    try:
        with drain.registered(stream) if drain is not None else nullcontext():
            async for data in stream.read():
                if data:
                    yield data
    finally:
        if expiry is not None:
            expiry.cancel()
