"""Answering an interrupt: many may try, one decides, and every other one is told at once who did.

The order of the questions is the order of the promises: was this very answer given before? may its sender
answer? has the deadline come first? has anybody else? Only then: is it well-formed, and what does it change?
"""

from __future__ import annotations

import msgspec

from holdfast.commands.attempts import First, Need, attempt, body_of, command_id
from holdfast.commands.backend import Backend
from holdfast.commands.replies import stored
from holdfast.core import decisions, ids
from holdfast.core.commit import Commit
from holdfast.core.decisions import Lost
from holdfast.core.errors import Gone, NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Decision, InterruptRecord
from holdfast.core.session import SessionRecord
from holdfast.protocol import frames
from holdfast.protocol.frames import Answered
from holdfast.store.door import Done, View


async def answer(backend: Backend, principal: Principal, frame: frames.Answer, via: str) -> Answered:
    """Submit an answer: it won, or it lost to the decision that stands. A losing one changes nothing.

    Cancelling leaves the outcome unknown: repeat it, and a won answer is told again that it won.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this sender's to answer.
        BadInput: the payload does not fit what was asked.
    """
    command = command_id(principal, frame.ref, body_of(frame))
    if ids.session_of(frame.interrupt) != frame.session:
        raise no_such_interrupt()
    deed = _Answering(principal, frame, via)
    need = Need(interrupts=(frame.interrupt,))
    outcome = await attempt(backend, frame.session, command, deed.decide, need)
    if isinstance(outcome, Done):
        return Answered(frame.ref, "won", frame.interrupt, msgspec.json.decode(outcome.reply, type=Decision))
    return Answered(frame.ref, "lost", frame.interrupt, outcome.decision)


def no_such_interrupt() -> NotFound:
    """Also for what exists but is out of the sender's reach: the two must not be told apart."""
    return NotFound("There is no such interrupt, or it is not yours to answer.")


def existing_interrupt(view: View, own_id: str) -> tuple[SessionRecord, InterruptRecord]:
    """An interrupt and its session, whoever asks. Raises NotFound, Gone."""
    record = view.interrupts.get(own_id)
    if view.gone:
        raise Gone
    if view.session is None or record is None:
        raise no_such_interrupt()
    return view.session, record


class _Answering:
    """The decision, with what it needs to know of the command."""

    def __init__(self, principal: Principal, frame: frames.Answer, via: str) -> None:
        self._principal = principal
        self._frame = frame
        self._via = via

    def decide(self, view: View) -> Commit | Need | First | Lost:
        session, record = existing_interrupt(view, self._frame.interrupt)
        decisions.check_entitled(self._principal, session, record)
        if record.decision is not None:
            return Lost(record.decision)
        if record.interrupt.turn not in view.turns:
            return Need((record.interrupt.turn,), (record.id,))
        if record.overdue(view.now_ms):
            return self._overdue(view, session, record)
        return self._settle(view, session, record)

    def _overdue(self, view: View, session: SessionRecord, record: InterruptRecord) -> First:
        turn = view.turns[record.interrupt.turn]
        expiry = decisions.expire(session, turn, record, view.now_ms)
        return First(expiry, lambda: self._settle(view, session, record))

    def _settle(self, view: View, session: SessionRecord, record: InterruptRecord) -> Commit | Lost:
        frame = self._frame
        given = decisions.Answer(frame.status, frame.payload, self._principal.by, self._via, frame.ref)
        verdict = decisions.answer(session, view.turns[record.interrupt.turn], record, given, view.now_ms)
        if isinstance(verdict, Lost):
            return verdict
        verdict.commit.reply = stored(verdict.decision)
        return verdict.commit
