"""A session's events for one reply: attached by the hub as a device is, from the position where the chat asked."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import msgspec

from holdfast.core import events
from holdfast.core.folding import State, fold, from_snapshot
from holdfast.core.identity import Principal
from holdfast.gateways.ai_sdk.replay import Chunk
from holdfast.gateways.ai_sdk.reply import Reply
from holdfast.gateways.drain import Drain
from holdfast.hub.hub import Hub
from holdfast.hub.subscriber import Subscriber
from holdfast.protocol.close_codes import CloseCode
from holdfast.protocol.frames import Attach, Position
from holdfast.protocol.limits import Limits
from holdfast.protocol.text_frame import TextFrame

QUIET_S = 15.0  # proxies close what is silent for 30 or 60 s
DRAINED_BYTES = 64 * 1024
GOES_AWAY = "The stream ended here, the turn goes on: resume it."


class _Frame(msgspec.Struct):
    """What is read of a frame of the hub's."""

    type: str
    epoch: str = ""
    seq: int = 0
    at: int = 0
    head: int = 0
    snapshot: dict[str, Any] | None = None
    event: msgspec.Raw = msgspec.Raw(b"null")
    message: str = ""


_decoder = msgspec.json.Decoder(_Frame)


class Inbound:
    """A bounded queue, as the hub's subscribers see it; what is in it is read by one reply."""

    def __init__(self) -> None:
        self.waiting_bytes = 0
        self._queue: deque[bytes] = deque()
        self._ended = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def write(self, batch: list[TextFrame]) -> None:
        for frame in batch:
            self._queue.append(frame.text)
            self._count(len(frame.text))
        self._news.set()

    async def drained(self) -> None:
        await self._room.wait()

    def close(self, code: CloseCode) -> None:  # noqa: ARG002 - a chat knows no codes
        self.end()

    def tell_closing(self, reconnect_after_ms: int) -> None:
        pass

    def end(self) -> None:
        """Nothing more comes; what is queued is still read."""
        self._ended = True
        self._room.set()
        self._news.set()

    async def read(self) -> list[_Frame] | None:
        """What has come; nothing, when it was quiet for a while. None: that was all."""
        if not self._queue and not self._ended:
            self._news.clear()
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._news.wait()
            except TimeoutError:
                return []
        if not self._queue:
            return None
        frames = [_decoder.decode(text) for text in self._queue]
        self._count(-sum(map(len, self._queue)))
        self._queue.clear()
        return frames

    def _count(self, change: int) -> None:
        self.waiting_bytes += change
        (self._room.set if self.waiting_bytes < DRAINED_BYTES or self._ended else self._room.clear)()


class Followed:
    """A reply, and the session that it follows. `open` it, then read `chunks` to the end, which closes it."""

    def __init__(self, hub: Hub, drain: Drain | None, principal: Principal, state: State, reply: Reply) -> None:
        self._hub, self._drain, self._principal = hub, drain, principal
        self._state, self._reply = state, reply
        self._inbound = Inbound()
        self._subscriber = Subscriber(self._inbound, Limits().queue_max_bytes)
        #: The position up to which the chat's own command has had its effect; None: not told yet.
        self._head: int | None = None
        self._begun = False

    async def open(self, session: str) -> None:
        """Attach. Raises as `Hub.attach` does: then there is nothing to close."""
        since = Position(self._state.epoch, self._state.seq)

        def ended() -> None:
            self._subscriber.flush()  # the reason, which was said in this very tick
            self._inbound.end()

        await self._hub.attach(self._subscriber, self._principal, Attach("ai", session, since), on_end=ended)

    async def chunks(self) -> AsyncIterator[list[Chunk]]:
        """What the chat is to be told, in the order of the log. Empty: nothing happened for a while."""
        expiry = self._expiry()
        try:
            with self._drain.registered(self._inbound) if self._drain is not None else nullcontext():
                while not self._reply.ended:
                    frames = await self._inbound.read()
                    if frames is None:
                        yield self._reply.fail(GOES_AWAY)
                        return
                    yield [chunk for frame in frames for chunk in self._told(frame)]
        finally:
            if expiry is not None:
                expiry.cancel()
            self.close()

    def close(self) -> None:
        self._subscriber.lost()
        self._hub.leave(self._subscriber)

    def _told(self, frame: _Frame) -> list[Chunk]:
        if self._reply.ended:
            return []
        match frame.type:
            case "attached":
                return self._attached(frame)
            case "event":
                return self._event(frame)
            case "error":
                return self._reply.fail(frame.message)
            case _:
                return []

    def _attached(self, frame: _Frame) -> list[Chunk]:
        if frame.snapshot is not None:
            self._state = from_snapshot(frame.snapshot, frame.epoch, frame.seq)
            self._begun = False
        self._head = frame.head
        return self._begin()

    def _event(self, frame: _Frame) -> list[Chunk]:
        event = events.decode(frame.event)
        if self._begun:
            return self._reply.tell(frame.seq, frame.at, event)
        fold(self._state, frame.seq, frame.at, event)
        return self._begin()

    def _begin(self) -> list[Chunk]:
        """Not before the chat's own command is seen: it would be told that it still waits."""
        if self._head is None or self._state.seq < self._head:
            return []
        self._begun = True
        return self._reply.begin(self._state)

    def _expiry(self) -> asyncio.TimerHandle | None:
        if self._principal.expires_at_ms is None:
            return None
        left_s = self._principal.expires_at_ms / 1_000 - time.time()
        return asyncio.get_running_loop().call_later(max(0.0, left_s), self._inbound.end)
