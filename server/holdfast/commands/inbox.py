"""The inbox: what waits for this principal, or for whom they stand in, over all sessions, the newest first."""

from __future__ import annotations

import asyncio

import msgspec

from holdfast.commands.backend import Backend
from holdfast.commands.reading import SCAN_MAX
from holdfast.core import deputies
from holdfast.core.errors import Forbidden
from holdfast.core.identity import Principal
from holdfast.core.ids import session_of
from holdfast.core.interrupts import Interrupt
from holdfast.core.people import Away
from holdfast.store.door import View
from holdfast.store.indexes import Entry, Indexes, parse_cursor

PAGE = 50
PAGE_MAX = 200


class InboxPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Open interrupts. Go on at `next`; without it there are no more."""

    interrupts: list[Interrupt]
    next: str | None = None


async def inbox(backend: Backend, principal: Principal, cursor: str | None = None, limit: int = PAGE) -> InboxPage:
    """The open interrupts that this principal may answer. A page may be short though more follow.

    Raises:
        Forbidden: the principal may not answer at all.
        BadRequest: the cursor is not one of ours.
    """
    if not principal.has("answer"):
        raise Forbidden("Your token does not grant 'answer'.", right="answer")
    after = parse_cursor(cursor) if cursor else None
    limit = max(1, min(limit, PAGE_MAX))
    indexes = Indexes(backend.door.connection, backend.door.keys)
    absent = await backend.directory.absent_for(principal.subject)
    found: list[Interrupt] = []
    for _ in range(SCAN_MAX // limit):
        entries = await indexes.inbox(after, limit)
        for entry, view in zip(entries, await _views(backend, entries), strict=True):
            after = entry
            if shown := _answerable(principal, absent, entry, view):
                found.append(shown)
            if len(found) == limit:
                return InboxPage(found, after.cursor)
        if len(entries) < limit:
            return InboxPage(found)
    return InboxPage(found, after.cursor if after else None)


async def _views(backend: Backend, entries: list[Entry]) -> list[View]:
    reads = (backend.door.read(session_of(entry.name), interrupts=(entry.name,)) for entry in entries)
    return list(await asyncio.gather(*reads))


def _answerable(principal: Principal, absent: list[Away], entry: Entry, view: View) -> Interrupt | None:
    record = view.interrupts.get(entry.name)
    if view.session is None or record is None or record.decision is not None:
        return None
    if not deputies.may_still_answer(principal, absent, view.session, record, view.now_ms):
        return None
    return record.interrupt
