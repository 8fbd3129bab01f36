"""Taking a session over, and handing it back: an operator speaks in the agent's place meanwhile."""

from __future__ import annotations

from holdfast.commands.attempts import Need, attempt, body_of, command_id, lacking, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import takeover
from holdfast.core.commit import Commit
from holdfast.core.errors import Conflict
from holdfast.core.identity import Principal
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Handback, Ok, Takeover
from holdfast.store.door import Done, View


async def take_over(backend: Backend, principal: Principal, frame: Takeover, via: str) -> Ok:
    """Take a session over, also from another operator. Who has it already is told so, and nothing is changed.

    Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden: nothing was changed.
    """

    def decide(view: View) -> Commit | Need | Ok:
        session = _session(view, principal)
        if takeover.holds(session, principal):
            return Ok(frame.ref, frame.session, view.epoch, view.head)
        missing = lacking(view, turns=_active(session))
        if missing is not None:
            return missing
        commit = takeover.take(session, _turn(view, session), principal, view.now_ms, via, frame.ref)
        commit.reply = stored_ok(session.id, turn=session.active)
        return commit

    outcome = await attempt(backend, frame.session, command_id(principal, frame.ref, body_of(frame)), decide)
    return ok(frame.ref, outcome) if isinstance(outcome, Done) else outcome


async def hand_back(backend: Backend, principal: Principal, frame: Handback, via: str) -> Ok:
    """Let the agent speak again. By any operator: the one who took over may have gone home.

    Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden: nothing was changed.
        Conflict: nobody has taken it over.
    """

    def decide(view: View) -> Commit | Need:
        session = _session(view, principal)
        if session.info.takeover is None:
            raise Conflict("Nobody has taken this session over.")
        waiting = session.queue if frame.answered else session.queue[:1]
        missing = lacking(view, turns=(*_active(session), *waiting))
        if missing is not None:
            return missing
        active, queued = _turn(view, session), [view.turns[own_id] for own_id in waiting]
        commit = takeover.hand_back(session, active, queued, principal, via, frame.ref, answered=frame.answered)
        goes_on = (*_active(session), *(one.id for one in queued if not frame.answered))
        commit.reply = stored_ok(session.id, turn=goes_on[0] if goes_on else None)
        return commit

    return ok(
        frame.ref, await attempt(backend, frame.session, command_id(principal, frame.ref, body_of(frame)), decide)
    )


def _session(view: View, principal: Principal) -> SessionRecord:
    session = present(view, principal, "send")
    takeover.check_may(principal)
    return session


def _active(session: SessionRecord) -> tuple[str, ...]:
    return () if session.active is None else (session.active,)


def _turn(view: View, session: SessionRecord) -> TurnRecord | None:
    return None if session.active is None else view.turns[session.active]
