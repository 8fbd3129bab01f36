"""Deleting a session: a tombstone at once, and all the rest of it piece by piece (rule g)."""

from __future__ import annotations

from msgspec.structs import replace

from holdfast.commands.attempts import Need, attempt, command_id, lacking
from holdfast.commands.backend import Backend
from holdfast.commands.owning import owned
from holdfast.commands.replies import ok, stored_ok
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit, Notice
from holdfast.core.deadlines import Deadline, member, of_interrupt
from holdfast.core.events import SessionDeleted
from holdfast.core.feedback import FeedbackBook
from holdfast.core.identity import Principal
from holdfast.core.notices import CLOSED
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord, open_interrupts
from holdfast.protocol.frames import Ok
from holdfast.store import erasure
from holdfast.store.door import Done, View


async def delete(backend: Backend, principal: Principal, session: str, ref: str, via: str) -> Ok:
    """End a session for good: everybody is told, what it waited for is void, its worker's writes bounce.

    Raises:
        NotFound, Gone, Forbidden: nothing was changed.
    """

    def decide(view: View) -> Commit | Need:
        record = owned(view, principal)
        waiting = (*filter(None, (record.active,)), *record.gates)
        if missing := lacking(view, turns=waiting):
            return replace(missing, feedback=True)
        commit = _bury(record, [view.turns[turn] for turn in waiting], principal, via, ref)
        _void_reviews(commit, view.feedback)
        return commit

    command = command_id(principal, ref, {"type": "session.delete", "session": session})
    outcome = await attempt(backend, session, command, decide, Need(feedback=True))
    assert isinstance(outcome, Done)
    return ok(ref, outcome)


async def erase_piece(backend: Backend, session: str) -> bool:
    """Erase some of what a deleted session left; whether nothing is left now. Called until it says so.

    Cancelling is safe: the next call goes on. Does nothing to a session that is alive.
    """
    return await erasure.erase_piece(backend.door.connection, backend.door.keys, session)


def _bury(record: SessionRecord, waiting: list[TurnRecord], principal: Principal, via: str, ref: str) -> Commit:
    commit = Commit(
        record.id,
        "bury",
        buries=True,
        guards=[record],
        events=[SessionDeleted(by=principal.by)],
        unlist_for=list(record.members),
        set_deadlines=[Deadline("erase", record.id)],
        audit=[AuditEntry("session.deleted", record.id, principal.by, via=via, ref=ref)],
        reply=stored_ok(record.id),
    )
    for turn in waiting:
        _void(commit, turn)
    return commit


def _void_reviews(commit: Commit, book: FeedbackBook | None) -> None:
    """Nobody is shown afterwards what is gone."""
    if book is None:
        return
    commit.guards.append(book)
    commit.inbox_drop.extend(book.reviews)
    for name in book.reviews:
        commit.drop_deadlines.extend(of_interrupt(name))


def _void(commit: Commit, turn: TurnRecord) -> None:
    """Drop all that would have carried the turn on."""
    commit.guards.append(turn)
    commit.drop_jobs.append(turn.job)
    commit.drop_deadlines.append(member("lease", turn.id))
    commit.fences[turn.id] = None
    commit.nudges.append(turn.id)
    asked = open_interrupts(turn)
    commit.inbox_drop.extend(asked)
    commit.notices.extend(Notice(CLOSED, turn.session, name, 0) for name in asked)
    for name in asked:
        commit.drop_deadlines.extend(of_interrupt(name))
    timers = (name.removeprefix("timer ") for name in turn.open if name not in asked)
    commit.drop_deadlines.extend(member("timer", turn.id, operation) for operation in timers)
