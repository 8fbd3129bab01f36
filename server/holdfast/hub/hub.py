"""The hub: which sessions have a feed on this node, and which devices are attached to them.

    async with Hub(door, log, devices, subscription) as hub:
        await hub.attach(subscriber, principal, frame)

A feed is opened by the first device and kept for a moment after the last: a device that comes back finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

import msgspec

from holdfast.core import events
from holdfast.core.errors import BadRequest, Busy
from holdfast.core.identity import Principal, check
from holdfast.core.ids import check_session_id
from holdfast.hub import joining
from holdfast.hub.attachment import Attachment
from holdfast.hub.feed import Feed
from holdfast.hub.folded import EpochChanged
from holdfast.hub.presence import RoomPresence, Timing
from holdfast.hub.published import PRESENCE
from holdfast.hub.subscriber import Subscriber
from holdfast.protocol.frames import Attach, Device, History, Page, PageEvent
from holdfast.store.devices import DevicesStore
from holdfast.store.door import Door
from holdfast.store.log import Log
from holdfast.store.subscription import OnGap, OnMessage, Subscription

log = logging.getLogger(__name__)

RETRY_S = 1.0  # after what should not happen
POLL_AT_ONCE = 200  # feeds compared with their logs in one go

Subscribe = Callable[[OnMessage, OnGap], Subscription]


class HubSettings(msgspec.Struct, frozen=True):
    """How patient the hub is, and how much it keeps."""

    #: How often all feeds are compared with their logs: pub/sub may drop the last message there is.
    poll_ms: int = 15_000
    #: How long a feed stays when its last device has gone.
    linger_ms: int = 5_000
    #: Sessions with devices on this node. Beyond it: `busy`.
    feeds_max: int = 10_000
    #: Folded sessions in memory; the one that was longest not asked for is forgotten.
    folded_max: int = 500
    presence: Timing = Timing()


class _Place:
    """A feed, and who needs it."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.opening = asyncio.Lock()
        self.open = False
        #: Calls that use it now.
        self.users = 0
        #: The attachments that were told from where they go on.
        self.seated: set[Attachment] = set()
        self.closing: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        return not self.users and not self.seated


class Hub:
    """All feeds of this node. An async context manager: entered and left by one and the same task."""

    def __init__(
        self,
        door: Door,
        read: Log,
        devices: DevicesStore,
        subscribe: Subscribe,
        settings: HubSettings | None = None,
    ) -> None:
        self._door = door
        self._log = read
        self._settings = settings or HubSettings()
        self._subscription = subscribe(self._received, self._poll_soon)
        self._presence = RoomPresence(devices, self._seated, self._settings.presence)
        self._places: dict[str, _Place] = {}
        self._by_channel: dict[str, _Place] = {}
        self._seats: dict[Subscriber, dict[str, Attachment]] = {}
        self._folded: OrderedDict[str, Feed] = OrderedDict()
        self._tasks = asyncio.TaskGroup()
        self._children: set[asyncio.Task[None]] = set()
        self._open = False
        self._poll_now = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._subscription.open()
        await self._tasks.__aenter__()
        self._open = True
        self._spawn(_for_ever(self._poll))
        self._spawn(_for_ever(self._presence.run))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        for place in self._places.values():
            if place.closing is not None:
                place.closing.cancel()
        for task in self._children:
            task.cancel()
        try:
            await self._tasks.__aexit__(kind, error, trace)
        finally:
            await self._presence.close()
            await self._subscription.close()

    @property
    def feeds(self) -> dict[str, Feed]:
        """Session → its feed, for who wants to know."""
        return {session: place.feed for session, place in self._places.items()}

    async def attach(
        self,
        subscriber: Subscriber,
        principal: Principal,
        frame: Attach,
        *,
        device: Device | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Send `attached`, with a snapshot or what was missed, and then every event, once and in order.

        A device that is attached already begins again. With `device` it is shown to others as present.
        `on_end` is called if it is the session that ends it. Cancelling is safe.

        Raises:
            BadRequest, NotFound, Forbidden, Gone, Busy, Unavailable: nothing was changed.
        """
        if frame.since is not None and frame.since.seq < 0:
            raise BadRequest("attach: since.seq must be 0 or more.")

        def ended(attachment: Attachment) -> None:
            self._unseat(attachment)
            on_end()

        attachment = Attachment(subscriber, principal, frame, device, self._seat, ended)
        async with self._using(frame.session) as feed:
            try:
                await joining.join(feed, attachment)
            except BaseException:
                self._unseat(attachment)
                raise
            if feed.folded.loaded:
                self._keep_folded(feed)

    def detach(self, subscriber: Subscriber, session: str) -> None:
        """Send nothing more of a session. Not being attached is fine."""
        self._part(subscriber, session, cut_off=False)

    def leave(self, subscriber: Subscriber) -> None:
        """The device is gone from all its sessions."""
        for session in list(self._seats.get(subscriber, ())):
            self._part(subscriber, session, cut_off=True)

    def attached(self, subscriber: Subscriber, session: str) -> bool:
        """Whether a device is attached to a session."""
        return session in self._seats.get(subscriber, ())

    async def history(self, principal: Principal, frame: History) -> Page:
        """A page of what was before a position. Cancelling is safe.

        Raises:
            BadRequest, NotFound, Forbidden, Gone, Busy, Unavailable
        """
        async with self._using(frame.session) as feed:
            check(principal, "read", frame.session, feed.members)
            while True:
                try:
                    return await self._page(feed, frame)
                except EpochChanged:
                    feed.look()
                    await feed.healed()

    async def _page(self, feed: Feed, frame: History) -> Page:
        async with feed.folded.up_to(feed) as state:
            past = feed.past(state, frame.before, frame.limit)
        self._keep_folded(feed)
        made = [PageEvent(each.seq, each.at, msgspec.Raw(events.encode(each.event))) for each in past.events]
        return Page(frame.ref, frame.session, made, past.start, past.end, past.more)

    # Who sits where.

    def _seat(self, attachment: Attachment) -> None:
        """It was told from where it goes on; the one before it, of the same device, ends in this moment."""
        seats = self._seats.setdefault(attachment.subscriber, {})
        before = seats.get(attachment.session)
        if before is not None and before is not attachment:
            self._unseat(before)
        self._seats.setdefault(attachment.subscriber, {})[attachment.session] = attachment
        self._places[attachment.session].seated.add(attachment)
        if attachment.device is not None:
            self._presence.entered(attachment.session, attachment.device)

    def _unseat(self, attachment: Attachment) -> None:
        attachment.ended = True
        seats = self._seats.get(attachment.subscriber, {})
        if seats.get(attachment.session) is attachment:
            del seats[attachment.session]
            if not seats:
                del self._seats[attachment.subscriber]
        place = self._places.get(attachment.session)
        if place is not None:
            place.feed.leave(attachment)
            place.seated.discard(attachment)
            self._close_if_idle(place)

    def _part(self, subscriber: Subscriber, session: str, *, cut_off: bool) -> None:
        attachment = self._seats.get(subscriber, {}).get(session)
        if attachment is not None:
            self._unseat(attachment)
            if attachment.device is not None:
                self._presence.left(session, attachment.device.connection, cut_off=cut_off)

    def _seated(self, session: str) -> set[Attachment]:
        place = self._places.get(session)
        return place.seated if place is not None else set()

    # Feeds: opened by the first, closed a while after the last.

    @asynccontextmanager
    async def _using(self, session: str) -> AsyncGenerator[Feed]:
        place = self._place(session)
        place.users += 1
        try:
            await self._open_place(place)
            yield place.feed
        finally:
            place.users -= 1
            self._close_if_idle(place)

    def _place(self, session: str) -> _Place:
        place = self._places.get(session)
        if place is None or place.feed.over:
            check_session_id(session)
            self._make_room()
            feed = Feed(session, self._door, self._log, self._spawn, joining.catch_up)
            place = self._places[session] = _Place(feed)
            self._by_channel[self._channel(session)] = place
        return place

    async def _open_place(self, place: _Place) -> None:
        async with place.opening:
            if not place.open:
                # First: what is published while the feed opens must be heard.
                await self._subscription.subscribe(self._channel(place.feed.session))
                await place.feed.open()
                place.open = True

    def _make_room(self) -> None:
        if len(self._places) < self._settings.feeds_max:
            return
        idle = next((place for place in self._places.values() if place.idle), None)
        if idle is None:
            raise Busy(f"This server has {self._settings.feeds_max} sessions open; try again, or another one.")
        self._spawn(self._close(idle))

    def _close_if_idle(self, place: _Place) -> None:
        if place.idle and self._open:
            if place.closing is not None:
                place.closing.cancel()
            wait_s = self._settings.linger_ms / 1000 if place.open else 0
            loop = asyncio.get_running_loop()
            place.closing = loop.call_later(wait_s, lambda: self._spawn(self._close(place)))

    async def _close(self, place: _Place) -> None:
        session = place.feed.session
        if not place.idle or self._places.get(session) is not place:
            return
        del self._places[session], self._by_channel[self._channel(session)]
        self._folded.pop(session, None)
        # It goes out in this very tick, so it cannot undo the subscription of who comes next.
        await self._subscription.unsubscribe(self._channel(session))

    def _channel(self, session: str) -> str:
        return self._door.keys.channel(session)

    def _keep_folded(self, feed: Feed) -> None:
        """Remember that it was asked for; forget the one for which that was longest ago."""
        self._folded[feed.session] = feed
        self._folded.move_to_end(feed.session)
        while len(self._folded) > self._settings.folded_max:
            self._folded.popitem(last=False)[1].folded.forget()

    # From the store.

    def _received(self, channel: str, payload: bytes) -> None:
        place = self._by_channel.get(channel)
        if place is None:
            return
        if payload.startswith(PRESENCE):
            self._presence.look(place.feed.session)
        else:
            place.feed.received(payload)

    def _poll_soon(self) -> None:
        self._poll_now.set()

    async def _poll(self) -> None:
        """The slow poll behind the wake-ups; at once if the subscription was cut off."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll_ms / 1000):
                await self._poll_now.wait()
        self._poll_now.clear()
        feeds = [place.feed for place in self._places.values() if place.open]
        for start in range(0, len(feeds), POLL_AT_ONCE):
            some = feeds[start : start + POLL_AT_ONCE]
            for feed in some:
                feed.look()
            await asyncio.gather(*(feed.healed() for feed in some))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if not self._open:
            work.close()
            return
        task = self._tasks.create_task(work)
        self._children.add(task)
        task.add_done_callback(self._children.discard)


async def _for_ever(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Again and again. What is unexpected is logged: a hub that silently no longer polls would be worse."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("The hub's %s failed; it goes on.", work.__name__)
            await asyncio.sleep(RETRY_S)
