"""Rerouting: somebody has gone away, or is back, and what is open is looked at again.

Whom it concerns stands in sessions of all partitions, so this is a walk through the inbox, in pieces. The deadline's
name says how far it has come. Whoever dies on the way leaves a piece that is due; the next one looks at it once more,
which changes nothing where it was seen already.
"""

from __future__ import annotations

import asyncio

from holdfast.commands.backend import Backend
from holdfast.core import absences, escalation
from holdfast.core.commit import Commit
from holdfast.core.ids import session_of
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.session import SessionRecord
from holdfast.store.door import Done, View
from holdfast.store.failpoints import reached
from holdfast.store.indexes import Entry, Indexes, parse_cursor

PIECE = 100  # interrupts that are looked at between other deadlines, so that these are not late


async def look_again(backend: Backend, home: str, at: str, piece: int = PIECE) -> bool:
    """Look at the next piece of all that is open, the newest first; for the person whose home it is.

    Cancelling is safe. False: something changed meanwhile, and the same piece is to be looked at again.

    Raises:
        HoldfastError: of the store: it is due as before.
    """
    indexes = Indexes(backend.door.connection, backend.door.keys)
    entries = await indexes.inbox(parse_cursor(at) if ":" in at else None, piece)
    seen = await _seen_anew(backend, entries)
    reached("rerouted")
    if not seen:
        return False
    further = entries[-1].cursor if len(entries) == piece else None
    return await committed(backend, absences.looked(home, at, further))


async def committed(backend: Backend, commit: Commit, epoch: str | None = None) -> bool:
    """Whether it was applied. Else somebody else was first, or things have changed."""
    commit.epoch = epoch
    return isinstance(await backend.door.commit(commit), Done)


async def _seen_anew(backend: Backend, entries: list[Entry]) -> bool:
    """Whether all of these are as they are to be now."""
    names = [entry.name for entry in entries]
    views = await asyncio.gather(*(backend.door.read(session_of(name), interrupts=(name,)) for name in names))
    open_now = list(_open(names, views))
    roles, subjects = set[str](), set[str]()
    for session, record, _ in open_now:
        of_roles, of_subjects = escalation.who_may_be_asked(record.interrupt, session.members)
        roles |= of_roles
        subjects |= of_subjects
    known = await backend.directory.people(roles, subjects, max((view.now_ms for view in views), default=0))
    commits = [
        (commit, view.epoch)
        for session, record, view in open_now
        if (commit := escalation.reroute(session, record, known, view.now_ms)) is not None
    ]
    return all(await asyncio.gather(*(committed(backend, commit, epoch) for commit, epoch in commits)))


def _open(names: list[str], views: list[View]) -> list[tuple[SessionRecord, InterruptRecord, View]]:
    found = [(view.session, view.interrupts.get(name), view) for name, view in zip(names, views, strict=True)]
    return [(session, record, view) for session, record, view in found if session is not None and record is not None]
