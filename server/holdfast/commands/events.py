"""Reading a session's events since a position: a page of them, or a snapshot where they are gone."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands.attempts import present
from holdfast.commands.backend import Backend
from holdfast.commands.reading import folded
from holdfast.core import folding
from holdfast.core.errors import BadRequest
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Gap, PageEvent, Position
from holdfast.store import log
from holdfast.store.log import LogPage

PAGE_MAX = log.PAGE_MAX


class EventPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The events after a position, ascending. They reach up to `seq`: ask again from there while `more`.

    With `gap`, there is no reading on from the position that was asked for: drop what you have, take
    `snapshot`, which is folded up to `seq`, and go on from there.
    """

    session: str
    epoch: str
    seq: int
    events: list[PageEvent]
    more: bool
    gap: Gap | None = None
    snapshot: dict[str, Any] | None = None


def parse_position(text: str) -> Position:
    """`epoch:seq`; `0` alone is the beginning.

    Raises:
        BadRequest: it is neither.
    """
    epoch, _, seq = text.rpartition(":")
    if not seq.isascii() or not seq.isdecimal() or len(seq) > 16 or (not epoch and int(seq) != 0):
        raise BadRequest("since: give epoch:seq as you were told it, or 0 for the beginning.", since=text[:200])
    return Position(epoch, int(seq))


async def since(
    backend: Backend, principal: Principal, session: str, position: Position, limit: int = PAGE_MAX
) -> EventPage:
    """Events after `position`. Cancelling is safe.

    Raises:
        NotFound, Gone, Forbidden
    """
    present(await backend.door.read(session), principal, "read")
    limit = max(1, min(limit, PAGE_MAX))
    page = await backend.log.page(session, position.seq, limit)
    if not _readable(page, position):
        return await _gap(backend, session, position, page)
    events = _events(page, position.seq)
    seq = events[-1].seq if events else position.seq
    return EventPage(session, page.epoch, seq, events, more=seq < page.head)


def _readable(page: LogPage, position: Position) -> bool:
    """Whether nothing is missing after this position that nothing else stands for."""
    if not page.floor <= position.seq <= page.head:
        return False
    return position.epoch == page.epoch or position.seq == 0


def _events(page: LogPage, after: int) -> list[PageEvent]:
    """Each with what it covers: positions between it and the one before were compacted into it."""
    events: list[PageEvent] = []
    for entry in page.entries:
        begin = after + 1 if entry.seq > after + 1 else None
        events.append(PageEvent(entry.seq, entry.at, msgspec.Raw(entry.data), begin))
        after = entry.seq
    return events


async def _gap(backend: Backend, session: str, position: Position, page: LogPage) -> EventPage:
    state = await folded(backend, session)
    gap = Gap(session, position, Position(page.epoch, page.floor))
    return EventPage(session, state.epoch, state.seq, [], more=False, gap=gap, snapshot=folding.snapshot(state))
