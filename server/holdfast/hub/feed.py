"""One session on this node: from the store's log and its wake-ups to the devices that are attached.

Pub/sub may lose, double and delay; the log has all. So an event is delivered only if it is the next one. If
not, the feed reads the log from where it is, once for all devices, and holds what arrives meanwhile:

    received ── the next one ──▶ delivered to all that are live
        │
        └── a hole, another epoch, anything else ──▶ look: read the log and deliver; then what was held

How a device comes to be live is in `joining.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from holdfast.core import events, folding
from holdfast.core.errors import Forbidden, Gone, HoldfastError, NotFound, Unavailable
from holdfast.core.events import SessionUpdated
from holdfast.core.folding import State
from holdfast.hub.attachment import Attachment, event_frame
from holdfast.hub.folded import Folded
from holdfast.hub.published import Batch, parse
from holdfast.hub.tail import Step, Tail, steps
from holdfast.protocol.frames import Gap
from holdfast.store.backoff import Backoff
from holdfast.store.door import Door
from holdfast.store.log import Entry, Log, LogPage

log = logging.getLogger(__name__)

PAGE = 200  # events of one read
HELD_MAX = 1_000  # commits held while reading; what is beyond is read from the log again
MESSAGES_MAX = 200  # of one snapshot or page, whatever a device asks for
# The two events that are the feed's own business too. The tag comes first in what we encode.
_MEMBERS_CHANGED = b'{"type":"session.updated"'
_DELETED = b'{"type":"session.deleted"'

Spawn = Callable[[Coroutine[Any, Any, None]], None]
CatchUp = Callable[["Feed", Attachment, Gap | None], Coroutine[Any, Any, None]]


class Feed:
    """A session on this node. `open` it when its channel is subscribed."""

    def __init__(self, session: str, door: Door, log: Log, spawn: Spawn, catch_up: CatchUp) -> None:
        self.session = session
        self.epoch = ""
        #: What all that are live have.
        self.position = 0
        self.tail = Tail(0)
        self.members: dict[str, str] = {}
        #: The session is no more: nothing will come.
        self.over = False
        #: How often the log was read for all devices: after a hole, and to be sure.
        self.looks = 0
        self.log = log
        self.folded = Folded(session, log)
        self.spawn = spawn
        self._door = door
        self._catch_up = catch_up
        self._live: set[Attachment] = set()
        #: What was published while the log is read; None: nothing is being read.
        self._held: list[Batch] | None = []
        self._missed = False
        self._healed = asyncio.Event()

    async def open(self) -> None:
        """Learn where the session is. Cancelling is safe.

        Raises:
            NotFound, Gone: there is no such session, or no more.
            Unavailable: try again.
        """
        view = await self._door.read(self.session)
        if view.gone:
            raise Gone(session=self.session)
        if view.session is None:
            raise NotFound("There is no such session, or it is not yours to see.", session=self.session)
        self.members = view.session.members
        self._begin(view.epoch, view.head)
        if not self._release():
            self.spawn(self._heal())

    # From the store.

    def received(self, payload: bytes) -> None:
        """Something was published on the session's channel."""
        batch = parse(payload)
        if batch is None:
            self.look()
        elif self._held is not None:
            self._hold(batch)
        elif not self._apply(batch):
            self.look()

    def look(self) -> None:
        """Compare with the log: now, or again when it has just been read."""
        self._missed = True
        if self._held is None and not self.over:
            self._held = []
            self._healed.clear()
            self.spawn(self._heal())

    async def healed(self) -> None:
        """Return when nothing is known to be missing."""
        await self._healed.wait()

    def _apply(self, batch: Batch) -> bool:
        """Deliver what is new; False if something is missing before it."""
        if batch.epoch != self.epoch or batch.entries[0].seq > self.position + 1:
            return False
        self._deliver([Step(entry.seq, entry) for entry in batch.entries])
        return True

    def _hold(self, batch: Batch) -> None:
        if self._held is not None and len(self._held) < HELD_MAX:
            self._held.append(batch)
        else:
            self._missed = True

    def _release(self) -> bool:
        """Deliver what was held; False if something is missing in it."""
        if self._missed or not all(self._apply(batch) for batch in self._held or ()):
            return False
        self._held = None
        self._healed.set()
        return True

    async def _heal(self) -> None:
        backoff = Backoff()
        while not self._healed.is_set():
            # What was published before the read is in what is read.
            self._held, self._missed = [], False
            try:
                await self._read_on()
            except (Gone, NotFound) as error:
                self.end(error)
            except Exception as error:
                if not isinstance(error, Unavailable):  # a bug, or a store that refuses: it must not end the hub
                    log.exception("The log of %s could not be read.", self.session)
                await asyncio.sleep(backoff.next_s())

    async def _read_on(self) -> None:
        page = await self.log.page(self.session, self.position, PAGE)
        self.looks += 1
        if page.epoch != self.epoch or not page.floor <= self.position <= page.head:
            self._renew(page)
        self._deliver(steps(self.position, page.entries))
        if len(page.entries) < PAGE:
            self._release()

    def _begin(self, epoch: str, head: int) -> None:
        self.epoch, self.position, self.tail = epoch, head, Tail(head)

    def _renew(self, page: LogPage) -> None:
        """The devices' past is another one, or was trimmed under them: all begin again, with a snapshot."""
        again = list(self._live)
        self._live.clear()
        self.folded.forget()
        self._begin(page.epoch, page.head)
        for attachment in again:
            self.spawn(self._catch_up(self, attachment, attachment.gap(page.epoch, page.floor)))

    def _deliver(self, some: list[Step]) -> None:
        for step in some:
            if step.entry.seq > self.position:
                self._deliver_one(step)

    def _deliver_one(self, step: Step) -> None:
        """To all that are live: one frame for those that are where the feed is, which is nearly all."""
        entry = step.entry
        if entry.data.startswith(_MEMBERS_CHANGED):
            self._members_changed(entry)
        before, frame = self.position, event_frame(self.session, entry, step.start)
        for attachment in tuple(self._live):
            if attachment.position == before:
                attachment.subscriber.push(frame)
                attachment.position = entry.seq
            elif not attachment.push((step,)):
                # It should not have been. Better to read on than to let it believe in nothing.
                log.error("A device was live too early in %s.", self.session)
                self.leave(attachment)
                self.spawn(self._catch_up(self, attachment, None))
        self.position = entry.seq
        self.tail.append(step)
        if entry.data.startswith(_DELETED):
            self.look()  # and find that it is gone

    def _members_changed(self, entry: Entry) -> None:
        """Who may no longer read gets nothing more, from this event on."""
        event = events.decode(entry.data)
        if isinstance(event, SessionUpdated):
            self.members = event.session.members
            for attachment in list(self._live):
                try:
                    attachment.check(self.members)
                except (NotFound, Forbidden) as error:
                    self.leave(attachment)
                    attachment.fail(error)

    # To the devices.

    @property
    def live(self) -> frozenset[Attachment]:
        """The devices that get every event as it happens."""
        return frozenset(self._live)

    def go_live(self, attachment: Attachment) -> None:
        """From now on it gets every event. It must have all up to `position`, in this very tick."""
        if not attachment.ended:
            self._live.add(attachment)

    def leave(self, attachment: Attachment) -> None:
        """It gets nothing more."""
        self._live.discard(attachment)

    def shown(self, state: State, limit: int | None) -> dict[str, Any]:
        """A snapshot with so many messages."""
        return folding.snapshot(state, _bounded(limit))

    def past(self, state: State, before: int, limit: int) -> folding.Past:
        """A page of history with so many messages."""
        return folding.history(state, before, _bounded(limit))

    def end(self, error: HoldfastError) -> None:
        """Tell all devices why nothing more will come."""
        self.over = True
        self._held = None
        self._healed.set()
        for attachment in list(self._live):
            self.leave(attachment)
            attachment.fail(error)


def _bounded(limit: int | None) -> int:
    return folding.PAGE_MESSAGES if limit is None else max(1, min(limit, MESSAGES_MAX))
