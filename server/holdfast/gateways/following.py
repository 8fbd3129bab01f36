"""A session's events for one who is told of them over HTTP or a wire of others, in that wire's own words.

The hub attaches it as it does a device, from the position where its command was given.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from holdfast.core import events
from holdfast.core.events import Event, UnknownEvent
from holdfast.core.folding import State, fold, from_snapshot
from holdfast.core.identity import Principal
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

T = TypeVar("T")


class Teller(Protocol[T]):
    """Says in a wire's own words what happens in a session, until it has ended."""

    @property
    def ended(self) -> bool: ...

    def begin(self, state: State) -> list[T]:
        """How it stands; again, if what was told since cannot be gone on from. The state is the teller's from then."""
        ...

    def tell(self, seq: int, at: int, event: Event | UnknownEvent) -> list[T]:
        """What an event adds."""
        ...

    def fail(self, code: str, text: str) -> list[T]:
        """The stream cannot go on; its turn may."""
        ...


class _Frame(msgspec.Struct):
    """What is read of a frame of the hub's."""

    type: str
    epoch: str = ""
    seq: int = 0
    at: int = 0
    head: int = 0
    snapshot: dict[str, Any] | None = None
    event: msgspec.Raw = msgspec.Raw(b"null")
    code: str = ""
    message: str = ""


_decoder = msgspec.json.Decoder(_Frame)


class Inbound:
    """A bounded queue, as the hub's subscribers see it; what is in it is read by one stream."""

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

    def close(self, code: CloseCode) -> None:  # noqa: ARG002 - no wire of others knows our codes
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


class Followed(Generic[T]):
    """A teller, and the session that it tells of. `open` it, then read `told` to the end, which closes it."""

    def __init__(self, hub: Hub, drain: Drain | None, principal: Principal, state: State, teller: Teller[T]) -> None:
        self._hub, self._drain, self._principal = hub, drain, principal
        self._state, self._teller = state, teller
        self._inbound = Inbound()
        self._subscriber = Subscriber(self._inbound, Limits().queue_max_bytes)
        #: The position up to which the command has had its effect; None: not told yet.
        self._head: int | None = None
        self._begun = False

    async def open(self, session: str) -> None:
        """Attach. Raises as `Hub.attach` does: then there is nothing to close."""
        since = Position(self._state.epoch, self._state.seq)

        def ended() -> None:
            self._subscriber.flush()  # the reason, which was said in this very tick
            self._inbound.end()

        await self._hub.attach(self._subscriber, self._principal, Attach("follow", session, since), on_end=ended)

    async def told(self) -> AsyncIterator[list[T]]:
        """What is to be said, in the order of the log. Empty: nothing happened for a while."""
        expiry = self._expiry()
        try:
            with self._drain.registered(self._inbound) if self._drain is not None else nullcontext():
                while not self._teller.ended:
                    frames = await self._inbound.read()
                    if frames is None:
                        yield self._teller.fail("unavailable", GOES_AWAY)
                        return
                    yield [said for frame in frames for said in self._said(frame)]
        finally:
            if expiry is not None:
                expiry.cancel()
            self.close()

    def close(self) -> None:
        """Let go of the session. Twice is once: `told` does it, and whoever may never have begun to read it."""
        self._subscriber.lost()
        self._hub.leave(self._subscriber)

    def _said(self, frame: _Frame) -> list[T]:
        if self._teller.ended:
            return []
        match frame.type:
            case "attached":
                return self._attached(frame)
            case "event":
                return self._event(frame)
            case "error":
                return self._teller.fail(frame.code, frame.message)
            case _:
                return []

    def _attached(self, frame: _Frame) -> list[T]:
        if frame.snapshot is not None:
            self._state = from_snapshot(frame.snapshot, frame.epoch, frame.seq)
            self._begun = False
        self._head = frame.head
        return self._begin()

    def _event(self, frame: _Frame) -> list[T]:
        event = events.decode(frame.event)
        if self._begun:
            return self._teller.tell(frame.seq, frame.at, event)
        fold(self._state, frame.seq, frame.at, event)
        return self._begin()

    def _begin(self) -> list[T]:
        """Not before the command is seen: whoever gave it would be told that it still waits."""
        if self._head is None or self._state.seq < self._head:
            return []
        self._begun = True
        return self._teller.begin(self._state)

    def _expiry(self) -> asyncio.TimerHandle | None:
        if self._principal.expires_at_ms is None:
            return None
        left_s = self._principal.expires_at_ms / 1_000 - time.time()
        return asyncio.get_running_loop().call_later(max(0.0, left_s), self._inbound.end)
