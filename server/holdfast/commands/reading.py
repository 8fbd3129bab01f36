"""Reading: what somebody is shown who asks, rather than attaches."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from holdfast.commands.answering import existing_interrupt, no_such_interrupt
from holdfast.commands.attempts import present
from holdfast.commands.backend import Backend
from holdfast.core import deputies, folding, ids
from holdfast.core.errors import Forbidden, NotFound
from holdfast.core.events import decode
from holdfast.core.folding import State
from holdfast.core.identity import Principal, check
from holdfast.core.interrupts import Decision, InterruptRecord
from holdfast.core.session import SessionInfo, SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.store.door import View
from holdfast.store.indexes import Entry, Indexes, parse_cursor
from holdfast.store.log import PAGE_MAX

SESSIONS_PAGE = 50
SESSIONS_PAGE_MAX = 200
LIFE = b'{"type":"interrupt.'  # how the events of an interrupt begin: the tag comes first
SCAN_MAX = 1_000  # entries of an index that one page may look at: most may be out of the principal's reach


class SessionItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A session as lists show it."""

    session: SessionInfo
    #: When it was last written to.
    updatedAt: int
    #: The turn that runs, waits or is blocked.
    turn: str | None = None
    queued: int = 0


class SessionPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sessions, the last written first. Go on at `next`; without it there are no more."""

    sessions: list[SessionItem]
    next: str | None = None


class SessionSnapshot(msgspec.Struct, frozen=True):
    """A session folded up to `seq`: attach, or read events, from there."""

    id: str
    epoch: str
    seq: int
    snapshot: dict[str, Any]


class TurnShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A turn as it is recorded."""

    id: str
    session: str
    agent: str
    version: str
    status: str
    requester: dict[str, Any]
    createdAt: int
    cause: str | None = None
    message: str | None = None
    open: tuple[str, ...] = ()
    #: All that it asked is settled, and it goes on when somebody says `continue`.
    readyToContinue: bool = False
    cancelling: bool = False
    #: The worker's code cannot carry it on, or there is no worker: `{code, message}`.
    blocked: dict[str, str] | None = None
    end: str | None = None
    result: Any = None
    error: dict[str, Any] | None = None


class Happened(msgspec.Struct, frozen=True):
    """One event of an interrupt's life."""

    seq: int
    at: int
    event: msgspec.Raw


class InterruptShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """An interrupt, what became of it, and how."""

    interrupt: dict[str, Any]
    status: str
    canAnswer: bool
    decision: Decision | None = None
    history: list[Happened] | None = None


async def snapshot(backend: Backend, principal: Principal, session: str, limit: int | None) -> SessionSnapshot:
    """A session with its newest messages. Raises NotFound, Gone, Forbidden."""
    present(await backend.door.read(session), principal, "read")
    state = await folded(backend, session)
    body = folding.snapshot(state, limit) if limit is not None else folding.snapshot(state)
    return SessionSnapshot(session, state.epoch, state.seq, body)


async def folded(backend: Backend, session: str) -> State:
    """A session's state, from what was kept of its trimmed past and the log since. Raises NotFound, Gone."""
    state = await _checkpoint(backend, session)
    while True:
        page = await backend.log.page(session, state.seq, PAGE_MAX)
        if page.floor > state.seq:  # trimmed meanwhile: what is folded stands for it
            state = await _checkpoint(backend, session)
            continue
        state.epoch = page.epoch
        for entry in page.entries:
            folding.fold(state, entry.seq, entry.at, decode(entry.data))
        if len(page.entries) < PAGE_MAX:
            return state


async def turn(backend: Backend, principal: Principal, own_id: str) -> TurnShown:
    """A turn as it is recorded. Raises NotFound, Gone, Forbidden."""
    view = await backend.door.read(ids.session_of(own_id), turns=(own_id,))
    present(view, principal, "read")
    if own_id not in view.turns:
        raise NotFound("There is no such turn, or it is not yours to see.", turn=own_id)
    return shown_turn(view.turns[own_id])


def shown_turn(record: TurnRecord) -> TurnShown:
    return TurnShown(
        id=record.id,
        session=record.session,
        agent=record.agent,
        version=record.agent_version,
        status=record.status,
        requester=msgspec.to_builtins(record.requester),
        createdAt=record.created_at_ms,
        cause=record.cause,
        message=record.message,
        open=record.open,
        readyToContinue=record.ready_to_continue,
        cancelling=record.cancel is not None,
        blocked=record.blocked,
        end=record.end,
        result=record.result,
        error=record.error,
    )


async def interrupt(backend: Backend, principal: Principal, own_id: str) -> InterruptShown:
    """An interrupt with its history; also for who may answer it without being a member.

    Raises:
        NotFound, Gone, Forbidden
    """
    view = await backend.door.read(ids.session_of(own_id), interrupts=(own_id,))
    session, record = existing_interrupt(view, own_id)
    absent = await backend.directory.absent_for(principal.subject)
    can_answer = deputies.may_still_answer(principal, absent, session, record, view.now_ms)
    if not deputies.entitled(principal, absent, session, record, view.now_ms):
        _check_visible(principal, session)
    history = await _history(backend, session.id, own_id)
    return shown_interrupt(record, can_answer=can_answer, history=history)


def shown_interrupt(
    record: InterruptRecord, *, can_answer: bool, history: list[Happened] | None = None
) -> InterruptShown:
    shown = msgspec.to_builtins(record.interrupt)
    return InterruptShown(shown, record.status, can_answer, record.decision, history)


async def sessions(
    backend: Backend, principal: Principal, cursor: str | None = None, limit: int = SESSIONS_PAGE
) -> SessionPage:
    """The sessions that this principal may see, the last written first. A short page may not be the last.

    Raises:
        Forbidden: the principal may not read.
        BadRequest: the cursor is not one of ours.
    """
    if not principal.has("read"):
        raise Forbidden("Your token does not grant 'read'.", right="read")
    after = parse_cursor(cursor) if cursor else None
    limit = max(1, min(limit, SESSIONS_PAGE_MAX))
    found: list[SessionItem] = []
    for _ in range(SCAN_MAX // limit):
        entries = await _entries(backend, principal, after, limit)
        for entry, view in zip(entries, await _views(backend, entries), strict=True):
            after = entry
            if (session := view.session) is None or not _within(principal, session):
                continue
            found.append(SessionItem(session.info, entry.score, session.active, len(session.queue)))
            if len(found) == limit:
                return SessionPage(found, after.cursor)
        if len(entries) < limit:
            return SessionPage(found)
    return SessionPage(found, after.cursor if after else None)


async def _entries(backend: Backend, principal: Principal, after: Entry | None, limit: int) -> list[Entry]:
    indexes = Indexes(backend.door.connection, backend.door.keys)
    if set(principal.sessions) <= {"mine"}:
        return await indexes.sessions_of(principal.subject, after, limit)
    return await indexes.sessions(after, limit)


async def _views(backend: Backend, entries: list[Entry]) -> list[View]:
    # One after the other costs a round trip each; together they are one.
    return list(await asyncio.gather(*(backend.door.read(entry.name) for entry in entries)))


def _within(principal: Principal, session: SessionRecord) -> bool:
    return principal.within(session=session.id, members=session.members)


def _check_visible(principal: Principal, session: SessionRecord) -> None:
    try:
        check(principal, "read", session.id, session.members)
    except NotFound:
        raise no_such_interrupt() from None


async def _checkpoint(backend: Backend, session: str) -> State:
    kept = await backend.log.folded(session)
    return State() if kept is None else folding.load(kept)


async def _history(backend: Backend, session: str, own_id: str) -> list[Happened]:
    """The interrupt's own events. They name it in their bytes, so that no other is decoded."""
    mark, happened, after = own_id.encode(), list[Happened](), 0
    while True:
        page = await backend.log.page(session, after, PAGE_MAX)
        happened += [
            Happened(entry.seq, entry.at, msgspec.Raw(entry.data))
            for entry in page.entries
            if mark in entry.data and entry.data.startswith(LIFE)
        ]
        if len(page.entries) < PAGE_MAX:
            return happened
        after = page.entries[-1].seq
