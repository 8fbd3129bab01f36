"""Retrying a turn that is blocked or has failed: an operator has put right what was in its way."""

from __future__ import annotations

from holdfast.commands.attempts import Need, attempt, command_id, existing, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import ids, reopening, turns
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit
from holdfast.core.errors import Conflict, Forbidden, NotFound
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.operations import Operation
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Ok
from holdfast.store.door import Done, View


async def retry(backend: Backend, principal: Principal, turn: str, ref: str, via: str) -> Ok:
    """Let a blocked turn try again, or a failed one go on from its record. For operators and admins.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this principal's to retry.
        Conflict: it is neither; or it failed, and the log no longer reaches back to where it began.
        LimitReached: too many turns are queued before it.
    """
    session = ids.session_of(turn)
    # Read first: what a turn that has ended has recorded does not change.
    steps = reopening.failed_steps(list((await backend.door.operations(turn)).values()))

    def decide(view: View) -> Commit:
        # The role reaches every session, as it does for calls in doubt; the right only those of its token.
        if OPERATOR in principal.roles:
            existing(view)
        else:
            present(view, principal, "read")
        if OPERATOR not in principal.roles and not principal.has("admin"):
            raise Forbidden(f"Only the role {OPERATOR!r} or an admin may retry a turn.", role=OPERATOR)
        blocked = view.turns.get(turn)
        if blocked is None:
            raise NotFound("There is no such turn, or it is not yours to see.", turn=turn)
        commit = _anew(view, blocked, steps)
        entry = AuditEntry("turn.retried", session, principal.by, turn=turn, via=via, ref=ref)
        commit.audit.append(entry)
        commit.reply = stored_ok(session, turn=turn)
        return commit

    command = command_id(principal, ref, {"type": "turn.retry", "turn": turn})
    outcome = await attempt(backend, session, command, decide, Need(turns=(turn,)))
    assert isinstance(outcome, Done)
    return ok(ref, outcome)


def _anew(view: View, turn: TurnRecord, steps: list[Operation]) -> Commit:
    if turn.status == "blocked":
        return turns.retry(turn)
    if turn.end != "failed":
        raise Conflict(f"The turn is {turn.end or turn.status}, neither blocked nor failed.", status=turn.status)
    if turn.begins is None or turn.begins <= view.floor:
        raise Conflict("The log no longer reaches back to where this turn began.", floor=view.floor)
    assert view.session is not None
    return reopening.reopen(view.session, turn, steps)
