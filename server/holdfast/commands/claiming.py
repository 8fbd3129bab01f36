"""Claiming an interrupt: everybody sees who is looking at it, and anybody may still answer."""

from __future__ import annotations

import msgspec

from holdfast.commands.answering import meet, no_such_interrupt
from holdfast.commands.attempts import First, Need, attempt, body_of, command_id
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import claiming, decisions, ids
from holdfast.core.commit import Commit
from holdfast.core.decisions import Lost
from holdfast.core.errors import Conflict
from holdfast.core.identity import Principal
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Claim, Ok
from holdfast.store.door import Done, View


async def claim(backend: Backend, principal: Principal, frame: Claim, via: str) -> Ok:  # noqa: ARG001 - as all are
    """Say that one is looking at it, for 5 minutes or `for_ms`; 0 lets go. Cancelling it: repeat it.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this sender's to answer.
        BadInput: too long.
        Conflict: it is settled (with the decision), or somebody else is looking at it (with the claim).
    """
    command = command_id(principal, frame.ref, body_of(frame))
    if ids.session_of(frame.interrupt) != frame.session:
        raise no_such_interrupt()

    def may(session: SessionRecord, record: InterruptRecord) -> None:
        decisions.check_entitled(principal, session, record)

    def decide(view: View) -> Commit | Need | First | Lost | Ok:
        def settle(session: SessionRecord, _turn: TurnRecord, record: InterruptRecord) -> Commit | Ok:
            commit = claiming.claim(record, principal.by, frame.for_ms, view.now_ms)
            if not isinstance(commit, Commit):
                return Ok(frame.ref, session.id, view.epoch, view.head)
            commit.reply = stored_ok(session.id)
            return commit

        return meet(view, frame.interrupt, may, settle)

    outcome = await attempt(backend, frame.session, command, decide, Need(interrupts=(frame.interrupt,)))
    if isinstance(outcome, Lost):
        raise Conflict("It is settled already.", decision=msgspec.to_builtins(outcome.decision))
    return ok(frame.ref, outcome) if isinstance(outcome, Done) else outcome
