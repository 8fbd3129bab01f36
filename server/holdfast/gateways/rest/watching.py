"""Waiting for what becomes of an interrupt or a turn: told by the hub, never asked for again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress

from starlette.requests import Request

from holdfast.core.identity import Principal
from holdfast.gateways.drain import Drain
from holdfast.hub.hub import Hub
from holdfast.hub.subscriber import Subscriber
from holdfast.protocol.close_codes import CloseCode
from holdfast.protocol.frames import Attach, GateShown, Position
from holdfast.protocol.limits import Limits
from holdfast.protocol.text_frame import TextFrame


class Watch:
    """A subscriber that keeps nothing: it only notices that something was said that holds one of these marks."""

    waiting_bytes = 0

    def __init__(self, marks: Sequence[bytes]) -> None:
        self._marks = marks
        self._news = asyncio.Event()
        #: Nothing more is told: the server goes away, the session is gone, the token has ended.
        self.ended = False

    async def changed(self, within_s: float) -> bool:
        """Return when something has changed, or nothing will any more. False: not within this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()
        changed = self._news.is_set()
        if not self.ended:
            self._news.clear()
        return changed

    def end(self) -> None:
        self.ended = True
        self._news.set()

    # As the hub's subscribers see it.

    def write(self, batch: list[TextFrame]) -> None:
        if any(self._concerns(frame.text) for frame in batch):
            self._news.set()

    async def drained(self) -> None:
        return

    def _concerns(self, text: bytes) -> bool:
        # What is no event may stand for many: a gap, a snapshot.
        return not text.startswith(b'{"type":"event"') or any(mark in text for mark in self._marks)

    def close(self, code: CloseCode) -> None:  # noqa: ARG002 - whoever waits is told how it stands, not why it ends
        self.end()

    # As a drain sees it.

    def tell_closing(self, reconnect_after_ms: int) -> None:
        pass


def watching(
    hub: Hub, drain: Drain | None, principal: Principal, shown: GateShown
) -> AbstractAsyncContextManager[Watch]:
    """Notice whatever happens to a gate after it was shown so. Raises as `Hub.attach` does."""
    mark = shown.interrupt.id.encode()
    return watching_session(hub, drain, principal, shown.session, Position(shown.epoch, shown.seq), mark)


@asynccontextmanager
async def watching_session(
    hub: Hub, drain: Drain | None, principal: Principal, session: str, since: Position, *marks: bytes
) -> AsyncGenerator[Watch]:
    """Notice what happens in a session after a position, if it holds one of the marks. Raises as `Hub.attach` does."""
    watch = Watch(marks)
    subscriber = Subscriber(watch, Limits().queue_max_bytes)
    await hub.attach(subscriber, principal, Attach("watch", session, since), on_end=watch.end)
    expiry = None
    if principal.expires_at_ms is not None:
        left_s = principal.expires_at_ms / 1_000 - time.time()
        expiry = asyncio.get_running_loop().call_later(max(0.0, left_s), watch.end)
    try:
        with drain.registered(watch) if drain is not None else nullcontext():
            yield watch
    finally:
        if expiry is not None:
            expiry.cancel()
        subscriber.lost()
        hub.leave(subscriber)


@asynccontextmanager
async def while_asked(request: Request, watch: Watch) -> AsyncGenerator[None]:
    """End the watch when whoever asked has hung up: nobody would hear what it waits for."""
    hearing = asyncio.create_task(_hung_up(request, watch), name="hearing whether they hang up")
    try:
        yield
    finally:
        hearing.cancel()
        await asyncio.wait([hearing])


async def _hung_up(request: Request, watch: Watch) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    watch.end()
