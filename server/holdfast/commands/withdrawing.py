"""Withdrawing an interrupt: what was asked need not be answered any more. The agent is told so, and goes on."""

from __future__ import annotations

from holdfast.commands import vain
from holdfast.commands.answering import answered, meet, no_such_interrupt, replying
from holdfast.commands.attempts import First, Need, attempt, body_of, command_id
from holdfast.commands.backend import Backend
from holdfast.core import decisions, ids
from holdfast.core.commit import Commit
from holdfast.core.decisions import Lost, Voted, Withdrawal
from holdfast.core.entries import Vain
from holdfast.core.errors import BadInput
from holdfast.core.identity import Principal
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Answered, Withdraw
from holdfast.store.door import View

REASON_MAX = 4_000  # characters: it goes to the agent, word for word, and into one event


async def withdraw(backend: Backend, principal: Principal, frame: Withdraw, via: str) -> Answered:
    """Take an interrupt back: it won, or it lost to the decision that stands. For operators and admins.

    What lost or was refused is in the trail all the same. Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this principal's to withdraw.
        BadInput: the reason is too long.
    """
    tried = Vain("withdrawal", frame.interrupt, frame.ref, via)
    return await vain.telling(backend, principal.by, tried, _withdraw(backend, principal, frame, via))


async def _withdraw(backend: Backend, principal: Principal, frame: Withdraw, via: str) -> Answered:
    command = command_id(principal, frame.ref, body_of(frame))
    if ids.session_of(frame.interrupt) != frame.session:
        raise no_such_interrupt()
    if frame.reason is not None and len(frame.reason) > REASON_MAX:
        raise BadInput(f"reason: at most {REASON_MAX} characters.", limit=REASON_MAX)
    given = Withdrawal(frame.reason, principal.by, via, frame.ref)

    def may(session: SessionRecord, record: InterruptRecord) -> None:
        decisions.check_may_withdraw(principal, session, record)

    def decide(view: View) -> Commit | Need | First | Lost | Voted:
        def settle(session: SessionRecord, turn: TurnRecord, record: InterruptRecord) -> Commit | Lost | Voted:
            return replying(decisions.withdraw(session, turn, record, given, view.now_ms))

        return meet(view, frame.interrupt, may, settle)

    outcome = await attempt(backend, frame.session, command, decide, Need(interrupts=(frame.interrupt,)))
    return answered(frame.ref, frame.interrupt, outcome)
