"""How a device gets to where its feed is: from nothing by a snapshot, from a position by what it missed.

Reading takes time, and events go on arriving meanwhile. So a device reads on until it is within the feed's
tail, is given the rest of it, and joins, all in one tick: there is no moment in which an event could be lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from holdfast.core.errors import Refused, Unavailable
from holdfast.hub.attachment import Attachment
from holdfast.hub.feed import Feed
from holdfast.hub.folded import EpochChanged
from holdfast.hub.tail import Step, steps
from holdfast.protocol.close_codes import INTERNAL_ERROR
from holdfast.protocol.frames import Attached, Gap
from holdfast.store.backoff import Backoff
from holdfast.store.log import LogPage

log = logging.getLogger(__name__)

PAGE = 200  # events of one read
SLICE_BYTES = 128 * 1024  # pushed before asking whether the device takes it: an eighth of what may wait for it


async def join(feed: Feed, attachment: Attachment) -> None:
    """Say from where a device goes on. Of a long past, the rest is sent behind this call.

    Raises:
        NotFound, Forbidden, Gone, Unavailable: nothing was said.
    """
    attachment.check(feed.members)
    since = attachment.frame.since
    if since is None:
        await snapshot(feed, attachment)
        return
    attachment.epoch, attachment.position = (since.epoch if since.seq else feed.epoch), since.seq
    if not await _step(feed, attachment):
        feed.spawn(catch_up(feed, attachment))


async def catch_up(feed: Feed, attachment: Attachment, gap: Gap | None = None) -> None:
    """Bring a device on until it is live, or gone. With `gap`, by a snapshot."""
    backoff = Backoff()
    while not attachment.ended:
        try:
            if gap is not None:
                return await snapshot(feed, attachment, gap)
            if await _step(feed, attachment):
                return None
            backoff.reset()
        except Unavailable:
            await asyncio.sleep(backoff.next_s())
        except Refused as error:
            feed.leave(attachment)
            attachment.fail(error)
        except Exception:
            log.exception("A device could not be brought on in %s.", feed.session)
            attachment.subscriber.close(INTERNAL_ERROR)
            return None
    return None


async def snapshot(feed: Feed, attachment: Attachment, gap: Gap | None = None) -> None:
    """Give a device the session as it is, and let it join. Raises as `join` does."""
    async with attachment.subscriber.bulk:
        while True:
            await attachment.subscriber.drained()
            try:
                return await _snapshot(feed, attachment, gap)
            except EpochChanged:
                feed.look()
                await feed.healed()


async def _snapshot(feed: Feed, attachment: Attachment, gap: Gap | None) -> None:
    async with feed.folded.up_to(feed) as state:
        # From here to the join nothing is awaited.
        attachment.check(state.members)
        if attachment.ended:
            return
        frame = attachment.frame
        shown = feed.shown(state, frame.limit)
        attachment.start(Attached(frame.ref, feed.session, feed.epoch, state.seq, "snapshot", state.seq, shown), gap)
        feed.go_live(attachment)


async def _step(feed: Feed, attachment: Attachment) -> bool:
    """Bring a device on by a page; True when it is live."""
    async with attachment.subscriber.bulk:
        await attachment.subscriber.drained()
        attachment.check(feed.members)  # who was removed meanwhile gets no more of it
        if attachment.ended or (attachment.started and _from_tail(feed, attachment)):
            return True
        # The first time the log is asked in any case: a wake-up may be late, and `head` must be true.
        page = await feed.log.page(feed.session, attachment.position, PAGE)
        if page.epoch != feed.epoch:
            feed.look()
            await feed.healed()
        if attachment.epoch == page.epoch and page.floor <= attachment.position <= page.head:
            all_pushed = await _push(feed, attachment, page)
            return _from_tail(feed, attachment, at_head=all_pushed and len(page.entries) < PAGE)
    await snapshot(feed, attachment, attachment.gap(page.epoch, page.floor))
    return True


def _from_tail(feed: Feed, attachment: Attachment, *, at_head: bool = False) -> bool:
    """Give it what is in memory, and let it join, if that reaches back to where it is."""
    if attachment.epoch != feed.epoch:
        return False
    newer: list[Step] | None
    if attachment.position > feed.position:  # it has read what is still under way to the feed, or was lost
        newer = [] if at_head else None
    else:
        newer = feed.tail.after(attachment.position)
    if newer is None or not attachment.push(newer):
        return False
    feed.go_live(attachment)
    return True


async def _push(feed: Feed, attachment: Attachment, page: LogPage) -> bool:
    """Send a page; whether all of it. The first time, one slice: the rest must not hold up who attaches."""
    first = not attachment.started
    if first:
        ref, epoch, seq = attachment.frame.ref, attachment.epoch, attachment.position
        attachment.start(Attached(ref, feed.session, epoch, seq, "replay", page.head))
    for some in _slices(steps(attachment.position, page.entries)):
        attachment.push(some)
        if first:
            break
        await attachment.subscriber.drained()
    return not page.entries or attachment.position >= page.entries[-1].seq


def _slices(some: list[Step]) -> Iterator[list[Step]]:
    part: list[Step] = []
    size = 0
    for step in some:
        part.append(step)
        size += len(step.entry.data)
        if size >= SLICE_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
