"""The one pub/sub connection of a process: the wake-up, never the truth.

Pub/sub may lose messages: while the connection is away, when the store cuts a slow reader off, when a
fail-over leaves a connection that looks healthy and is silent. So: whatever may have lost
something ends in `on_gap`, and an idle subscription is probed through the normal path.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from redis.exceptions import RedisError, ResponseError

from holdfast.core.errors import HoldfastError, StoreUnavailable, StoreUnusable
from holdfast.store.keeper import Keeper, silent
from holdfast.store.pipeline import pack
from holdfast.store.wire import Address, Wire

log = logging.getLogger(__name__)

PROBE_MS = 10_000
TIMEOUT_MS = 5_000
BATCH = 512  # channels in one SUBSCRIBE, so that no command is large enough to hold up the store

OnMessage = Callable[[str, bytes], None]
OnGap = Callable[[], None]
Publish = Callable[[str, bytes], Awaitable[Any]]


class SubscriptionStatistics(msgspec.Struct, frozen=True):
    """Counts since the start, and the channels subscribed now (without the probe's)."""

    connected: bool
    channels: int
    connects: int
    messages: int
    gaps: int
    probes: int
    probes_lost: int


class Subscription:
    """A subscription that comes back. `open` before use, `close` at the end.

    `on_message` and `on_gap` are called from the event loop and must not block; what they raise is logged.
    `publish` sends the probe and must go through the store's normal path, so that what is proven
    is that path. `probe_channel` None means one of its own making.
    """

    def __init__(
        self,
        url: str,
        on_message: OnMessage,
        on_gap: OnGap,
        *,
        publish: Publish,
        name: str = "holdfast-subscription",
        probe_ms: int = PROBE_MS,
        probe_channel: str | None = None,
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        self._address = Address(url)
        self._on_message = on_message
        self._on_gap = on_gap
        self._publish = publish
        self._name = name
        self._probe_s = probe_ms / 1000
        self._probe_channel = probe_channel or f"holdfast:probe:{secrets.token_hex(8)}"
        self._timeout_s = timeout_ms / 1000
        self._keeper = Keeper(
            self._live, name=f"store subscription {name}", timeout_s=self._timeout_s, silence=self._silent
        )
        self._prober: asyncio.Task[None] | None = None
        self._wanted: dict[bytes, str] = {}
        self._feed: _Feed | None = None
        self._up = asyncio.Event()
        self._closed = True
        self._connects = self._messages = self._gaps = self._probes = self._probes_lost = 0

    async def open(self) -> None:
        """Connect, and go on doing so until `close`.

        Raises `StoreUnavailable` if nobody answers within the timeout, `StoreUnusable` if the store refuses
        us. After an error, or if cancelled, it is closed.
        """
        self._closed = False
        try:
            await self._keeper.open()
        except BaseException:
            await self.close()
            raise
        self._prober = asyncio.create_task(self._probe(), name=f"store subscription {self._name} probe")

    async def close(self) -> None:
        """Close; nothing is called afterwards. Who waits in `subscribe` gets `StoreUnavailable`."""
        self._closed = True
        prober, self._prober = self._prober, None
        if prober is not None:
            prober.cancel()
            await asyncio.wait([prober])
        await self._keeper.close()
        self._wanted.clear()
        self._up.set()  # so that who waits for a reconnect sees that there will be none

    async def subscribe(self, channel: str) -> None:
        """Return when the store has confirmed: what is published from now on is heard, or is a gap.

        Raises `StoreUnavailable` if that takes longer than the timeout, and `ResponseError` if the store
        forbids the channel; then, and if cancelled, it is not subscribed. Not counted: one `unsubscribe`
        ends any number of them.
        """
        if self._closed:
            raise StoreUnavailable("The subscription is closed.")
        name = channel.encode()
        self._wanted[name] = channel
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._confirmed(name)
        except TimeoutError:
            self._forget(name)
            raise self._silent() from None
        except BaseException:
            self._forget(name)
            raise

    async def unsubscribe(self, channel: str) -> None:
        """Hear no more of it: nothing is dispatched after the call. Returns when the store has confirmed.

        Never raises for a store that is away: a lost connection is an end too. Safe to cancel.
        """
        ended = self._forget(channel.encode())
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await ended

    def statistics(self) -> SubscriptionStatistics:
        return SubscriptionStatistics(
            connected=self._feed is not None and self._feed.open,
            channels=len(self._wanted),
            connects=self._connects,
            messages=self._messages,
            gaps=self._gaps,
            probes=self._probes,
            probes_lost=self._probes_lost,
        )

    async def _confirmed(self, name: bytes) -> None:
        feed = self._feed
        if feed is not None and feed.open and await feed.ask(b"SUBSCRIBE", [name]):
            return
        # The next connection subscribes all that is wanted, and is not up before that is confirmed.
        await self._up.wait()
        if self._closed:
            raise StoreUnavailable("The subscription is closed.")

    def _forget(self, name: bytes) -> asyncio.Future[bool]:
        """Dispatch no more, and tell the store; whether it confirmed."""
        self._wanted.pop(name, None)
        if self._feed is not None and self._feed.open:
            return self._feed.ask(b"UNSUBSCRIBE", [name])
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        ended.set_result(False)
        return ended

    def _dispatch(self, name: bytes, payload: bytes) -> None:
        channel = self._wanted.get(name)
        if channel is None:  # the probe's, or unsubscribed while it was under way
            return
        self._messages += 1
        try:
            self._on_message(channel, payload)
        except Exception:
            log.exception("A message on %s could not be handled.", channel)

    def _tell_gap(self) -> None:
        self._gaps += 1
        try:
            self._on_gap()
        except Exception:
            log.exception("A gap in the subscription could not be handled.")

    async def _live(self, up: Callable[[], None]) -> None:
        """One life of the connection, which the keeper begins again."""
        feed = _Feed(self._dispatch, self._down)
        try:
            await self._address.dial(feed, name=self._name, timeout_s=self._timeout_s)
            await self._restore(feed)
            up()
            await feed.lost.wait()
        finally:
            await feed.end()

    async def _restore(self, feed: _Feed) -> None:
        """Subscribe all that is wanted on a new connection; then tell of what was missed."""
        self._feed = feed  # from here on, `subscribe` and `unsubscribe` go behind what is asked now
        names = [self._probe_channel.encode(), *self._wanted]
        batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
        try:
            async with asyncio.timeout(self._timeout_s):
                confirmed = await asyncio.gather(*[feed.ask(b"SUBSCRIBE", batch) for batch in batches])
        except TimeoutError:
            raise self._silent() from None
        except ResponseError as error:
            raise StoreUnusable(f"The store does not permit subscribing: {error}.") from error
        if not all(confirmed):
            raise StoreUnavailable
        self._connects += 1
        self._up.set()
        if self._connects > 1:
            self._tell_gap()

    def _down(self) -> None:
        self._feed = None
        self._up.clear()

    async def _probe(self) -> None:
        """Find a connection that is healthy for TCP and delivers nothing."""
        while True:
            feed = self._feed
            if feed is not None:
                feed.heard = False
            await asyncio.sleep(self._probe_s)
            if feed is None or feed is not self._feed or feed.heard:
                continue
            await self._probe_idle(feed)

    async def _probe_idle(self, feed: _Feed) -> None:
        self._probes += 1
        try:
            await self._publish(self._probe_channel, b"")
        except (HoldfastError, RedisError):
            return  # the normal path is away too: that says nothing about this one
        await asyncio.sleep(self._probe_s)
        if not feed.heard and feed.open:
            self._probes_lost += 1
            log.warning("The subscription is silent although the store publishes; connecting again.")
            feed.drop()

    def _silent(self) -> StoreUnavailable:
        return silent(self._address, self._timeout_s)


class _Feed(Wire):
    """One connection in pub/sub mode: messages, between confirmations that come in order."""

    def __init__(self, dispatch: Callable[[bytes, bytes], None], down: Callable[[], None]) -> None:
        super().__init__()
        self._dispatch = dispatch
        self._down = down
        self._asked: deque[_Asked] = deque()
        self.heard = False

    def ask(self, verb: bytes, channels: Sequence[bytes]) -> asyncio.Future[bool]:
        """Send now. True when the store has confirmed all, False if the connection was lost before."""
        asked = _Asked(len(channels))
        self._asked.append(asked)
        self.send(pack((verb, *channels)))
        return asked.confirmed

    def reply_received(self, reply: Any) -> None:
        self.heard = True
        if isinstance(reply, Exception):
            self._asked.popleft().fail(reply)
        elif reply[0] == b"message":
            self._dispatch(reply[1], reply[2])
        elif self._asked[0].confirm():
            self._asked.popleft()

    def connection_lost(self, exc: Exception | None) -> None:
        self._down()
        for asked in self._asked:
            asked.settle(all_confirmed=False)
        super().connection_lost(exc)


class _Asked:
    """One SUBSCRIBE or UNSUBSCRIBE: confirmed by one reply for each channel, or refused by one for all."""

    __slots__ = ("_left", "confirmed")

    def __init__(self, channels: int) -> None:
        self._left = channels
        self.confirmed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def confirm(self) -> bool:
        """Count one confirmation; whether it was the last."""
        self._left -= 1
        if self._left == 0:
            self.settle(all_confirmed=True)
        return self._left == 0

    def settle(self, *, all_confirmed: bool) -> None:
        if not self.confirmed.done():
            self.confirmed.set_result(all_confirmed)

    def fail(self, error: Exception) -> None:
        if not self.confirmed.done():
            self.confirmed.set_exception(error)
