"""Retrying a blocked turn: an operator has put right what was in its way."""

from __future__ import annotations

from holdfast.commands.attempts import Need, attempt, command_id, existing, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import ids, turns
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit
from holdfast.core.errors import Conflict, Forbidden, NotFound
from holdfast.core.identity import OPERATOR, Principal
from holdfast.protocol.frames import Ok
from holdfast.store.door import Done, View


async def retry(backend: Backend, principal: Principal, turn: str, ref: str, via: str) -> Ok:
    """Let a blocked turn try again. For operators and admins.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this principal's to retry.
        Conflict: it is not blocked.
    """
    session = ids.session_of(turn)

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
        if blocked.status != "blocked":
            raise Conflict(f"The turn is {blocked.status}, not blocked.", status=blocked.status)
        commit = turns.retry(blocked)
        entry = AuditEntry("turn.retried", session, principal.by, turn=turn, via=via, ref=ref)
        commit.audit.append(entry)
        commit.reply = stored_ok(session, turn=turn)
        return commit

    command = command_id(principal, ref, {"type": "turn.retry", "turn": turn})
    outcome = await attempt(backend, session, command, decide, Need(turns=(turn,)))
    assert isinstance(outcome, Done)
    return ok(ref, outcome)
