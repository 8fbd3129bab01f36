"""Cancelling a turn: what waits ends at once; what runs is asked to stop, and records what is in flight."""

from __future__ import annotations

from holdfast.commands.attempts import (
    First,
    Need,
    attempt,
    body_of,
    command_id,
    lacking,
    overdue,
    present,
    records_of,
)
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import ending, turns
from holdfast.core.commit import Commit
from holdfast.core.errors import NotFound
from holdfast.core.identity import Principal
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord, open_interrupts
from holdfast.protocol.frames import Cancel, Ok
from holdfast.store.door import Done, View


async def cancel(backend: Backend, principal: Principal, frame: Cancel, via: str) -> Ok:
    """Cancel a turn; without `turn`, the active one. One that has ended stays as it is: that is fine too.

    Cancelling this call leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden: nothing was changed.
    """
    command = command_id(principal, frame.ref, body_of(frame))
    need = Need(turns=(frame.turn,)) if frame.turn else Need()
    deed = _Cancelling(principal, frame, via)
    outcome = await attempt(backend, frame.session, command, deed.decide, need)
    return ok(frame.ref, outcome) if isinstance(outcome, Done) else outcome


class _Cancelling:
    """The decision, with what it needs to know of the command."""

    def __init__(self, principal: Principal, frame: Cancel, via: str) -> None:
        self._principal = principal
        self._frame = frame
        self._via = via

    def decide(self, view: View) -> Commit | Need | First | Ok:
        session = present(view, self._principal, "cancel")
        wanted = self._frame.turn or session.active
        if wanted is None:
            return self._unchanged(view, None)
        if wanted not in view.turns:
            if wanted == self._frame.turn:
                raise NotFound("There is no such turn in this session.", turn=wanted)
            return Need(turns=(wanted,))
        return self._end(view, session, view.turns[wanted])

    def _end(self, view: View, session: SessionRecord, turn: TurnRecord) -> Commit | Need | First | Ok:
        if turn.status == "finished" or (turn.status == "running" and turn.cancel is not None):
            return self._unchanged(view, turn.id)
        if turn.status == "running":
            return self._answered(turns.ask_to_stop(turn, self._principal.by), turn)
        needed = (turn.id, *ending.next_in_line(session, turn))
        missing = lacking(view, turns=needed, interrupts=open_interrupts(turn))
        if missing is not None:
            return missing
        first = overdue(view, session, turn, lambda: self._finish(view, session, turn))
        return first or self._finish(view, session, turn)

    def _finish(self, view: View, session: SessionRecord, turn: TurnRecord) -> Commit:
        following = [view.turns[own_id] for own_id in ending.next_in_line(session, turn)]
        commit = ending.end(
            session,
            turn,
            following[0] if following else None,
            records_of(view, turn),
            "cancelled",
            view.now_ms,
            who=self._principal.by,
            via=self._via,
            ref=self._frame.ref,
        )
        return self._answered(commit, turn)

    def _answered(self, commit: Commit, turn: TurnRecord) -> Commit:
        commit.audit.append(turns.cancelled_entry(turn, self._principal.by, self._via, self._frame.ref))
        commit.reply = stored_ok(turn.session, turn=turn.id)
        return commit

    def _unchanged(self, view: View, turn: str | None) -> Ok:
        return Ok(self._frame.ref, self._frame.session, view.epoch, view.head, turn)
