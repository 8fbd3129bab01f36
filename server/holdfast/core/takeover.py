"""Takeover: an operator speaks in the agent's place, until they hand back.

Meanwhile the agent is mute: no turn is started, and none goes on. A turn that runs is asked to stop, for its agent
would speak beside the operator. A turn that waits goes on waiting: its cards stay answerable, and what is answered
lets it go on after the handback. People's messages queue. Workers read the session before they take a turn.
"""

from __future__ import annotations

from msgspec.structs import replace

from holdfast.core import turns
from holdfast.core.audit import Action, AuditEntry
from holdfast.core.commit import Commit
from holdfast.core.conversation import Sent
from holdfast.core.errors import Forbidden
from holdfast.core.events import MessageWritten, SessionUpdated
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.messages import Message
from holdfast.core.session import SessionRecord, Takeover
from holdfast.core.turns import TurnRecord


def check_may(principal: Principal) -> None:
    """Operators and admins take over; that they may see the session is checked before.

    Raises:
        Forbidden: this one is neither.
    """
    if OPERATOR not in principal.roles and not principal.has("admin"):
        raise Forbidden(f"Only the role {OPERATOR!r} or an admin may take a session over.", role=OPERATOR)


def holds(session: SessionRecord, principal: Principal) -> bool:
    """Whether it is this person who speaks in the agent's place now."""
    taken = session.info.takeover
    return taken is not None and taken.by.id == principal.subject


def keeps_from_running(session: SessionRecord, turn: TurnRecord) -> bool:
    """Whether a turn must not be run now. One that was asked to stop may: it only ends."""
    return session.info.takeover is not None and turn.cancel is None


def take(
    session: SessionRecord, turn: TurnRecord | None, principal: Principal, now_ms: int, via: str, ref: str
) -> Commit:
    """Take the session over, also from another operator. `turn` is the active one, if there is one."""
    taken = replace(session.info, takeover=Takeover(principal.by, now_ms))
    commit = _changed(replace(session, info=taken), "session.taken_over", principal, via, ref)
    if turn is None:
        return commit
    if turn.status == "running" and turn.cancel is None:
        turn = replace(turn, cancel=principal.by)
        commit.nudges.append(turn.id)
        commit.audit.append(turns.cancelled_entry(turn, principal.by, via, ref))
    # Set in any case: a worker that is about to take it, and read the session before, finds it changed.
    commit.puts.append(turn)
    return commit


def hand_back(
    session: SessionRecord,
    active: TurnRecord | None,
    queued: list[TurnRecord],
    principal: Principal,
    via: str,
    ref: str,
    *,
    answered: bool = False,
) -> Commit:
    """Let the agent speak again: the turn that was held goes on, or the first that queued starts.

    `queued` are the records of the session's queue, or of its first. `answered`: they need no turn any more, for the
    operator has answered them; the agent has them in its history. Then all records are needed.
    """
    session = replace(session, info=replace(session.info, takeover=None))
    commit = _changed(session, "session.handed_back", principal, via, ref)
    if answered:
        for turn in queued:
            ended = turns.finish(session, turn, None, "cancelled", who=principal.by)
            commit.puts.extend(put for put in ended.puts if isinstance(put, TurnRecord))
            commit.events.extend(ended.events)
        session = replace(session, queue=())
    if active is not None:
        commit.guards.append(active)  # what it waited for may be answered in this very moment
        if active.status in ("ready", "blocked"):
            commit.jobs.append(active.job)
    elif session.queue:
        session = turns.promote(commit, session, queued[0])
    commit.puts[0] = session
    return commit


def say(session: SessionRecord, sent: Sent) -> Commit:
    """An operator's message stands in the agent's place, under the operator's own name; it causes no turn."""
    assert sent.message is not None, "there is something to say"
    on = {"branch": session.info.branch} if session.info.branch else {}  # no turn says on which it stands
    said = Message(sent.message.id, "assistant", sent.message.parts, {**(sent.message.metadata or {}), **on})
    return Commit(
        session.id,
        "say",
        guards=[session],  # handed back, or taken by another, in this very moment: then it is said as anybody's
        events=[MessageWritten(message=said)],
        list_for=list(session.members),
    )


def _changed(session: SessionRecord, action: Action, principal: Principal, via: str, ref: str) -> Commit:
    entry = AuditEntry(action, session.id, principal.by, via=via, ref=ref)
    told = SessionUpdated(session=session.info)
    return Commit(session.id, "takeover", puts=[session], events=[told], audit=[entry])
