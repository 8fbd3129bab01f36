"""Sending a message into a session: it causes a turn, or does to the one that runs or waits what its mode says."""

from __future__ import annotations

from holdfast.commands import branching
from holdfast.commands.attempts import (
    First,
    Need,
    attempt,
    body_of,
    command_id,
    lacking,
    open_interrupts,
    overdue,
    present,
    records_of,
)
from holdfast.commands.backend import Backend
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import arriving, conversation, modes, takeover
from holdfast.core.commit import Commit
from holdfast.core.conversation import Sent
from holdfast.core.identity import Principal, check
from holdfast.core.modes import Mode
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Ok, Send
from holdfast.store.door import View


async def send(backend: Backend, principal: Principal, frame: Send, via: str) -> Ok:
    """Append a person's message. Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden, BadInput, UnknownAgent: nothing was written.
        LimitReached: too many messages wait for their turn, or for an agent to look at them.
        SessionBusy: a turn runs or waits, and the mode is `reject`.
    """
    if frame.replaces is not None:
        return await branching.replace(backend, principal, frame, frame.replaces, via)
    command = command_id(principal, frame.ref, body_of(frame))
    # The version of its agent that a turn gets is in another record, of another slot: so it is read first.
    view = await backend.door.read(frame.session, command=command)
    if view.again is not None:
        return ok(frame.ref, view.again)
    session = present(view, principal, "send")
    manifest = await backend.manifests.get(session.info.agent)
    mode = modes.chosen(frame.mode, manifest.onMessage, manifest.modes)
    deed = _Sending(principal, frame, via, manifest.version, mode)
    return ok(frame.ref, await attempt(backend, frame.session, command, deed.decide))


class _Sending:
    """The decision, with what it needs to know of the command."""

    def __init__(self, principal: Principal, frame: Send, via: str, version: str, mode: Mode) -> None:
        self._principal, self._frame, self._via = principal, frame, via
        self._version, self._mode = version, mode

    def decide(self, view: View) -> Commit | Need | First:
        session = present(view, self._principal, "send")
        if takeover.holds(session, self._principal):
            return self._said(session)
        if session.active is None or self._mode == "queue" or session.info.takeover is not None:
            return self._queued(view, session)
        if session.active not in view.turns:
            return Need(turns=(session.active,))
        turn = view.turns[session.active]
        match self._mode:
            case "steer":
                return self._steered(view, session, turn)
            case "replace":
                return self._replaced(view, session, turn)
            case _:
                raise arriving.busy(session, turn)

    def _queued(self, view: View, session: SessionRecord) -> Commit:
        sent, behind = self._sent(session), session.active
        ahead = conversation.ahead_of_next(session)
        commit, turn = conversation.send(session, self._principal, sent, self._version, view.now_ms)
        commit.reply = stored_ok(session.id, turn=turn.id, message=turn.cause, behind=behind, ahead=ahead)
        return commit

    def _said(self, session: SessionRecord) -> Commit:
        sent = self._sent(session)
        commit = takeover.say(session, sent)
        commit.reply = stored_ok(session.id, message=sent.message.id if sent.message else None)
        return commit

    def _steered(self, view: View, session: SessionRecord, turn: TurnRecord) -> Commit:
        sent = self._sent(session)
        commit = arriving.steer(session, turn, self._principal, sent, self._version, view.now_ms)
        said = sent.message.id if sent.message else None
        commit.reply = stored_ok(session.id, turn=turn.id, message=said, steers=True)
        return commit

    def _replaced(self, view: View, session: SessionRecord, turn: TurnRecord) -> Commit | Need | First:
        check(self._principal, "cancel", session.id, session.members)
        needed = (turn.id, *arriving.earlier(turn, session))
        missing = lacking(view, turns=needed, interrupts=open_interrupts(turn))
        if missing is not None:
            return missing
        first = overdue(view, session, turn, lambda: self._replacing(view, session, turn))
        return first or self._replacing(view, session, turn)

    def _replacing(self, view: View, session: SessionRecord, turn: TurnRecord) -> Commit:
        void = [view.turns[own_id] for own_id in arriving.earlier(turn, session)]
        commit, new = arriving.replace(
            session,
            turn,
            void,
            records_of(view, turn),
            self._principal,
            self._sent(session),
            self._version,
            view.now_ms,
            self._via,
        )
        stops = turn.status == "running"
        behind, ahead = (turn.id, 1) if stops else (None, 0)
        commit.reply = stored_ok(session.id, turn=new.id, message=new.cause, behind=behind, ahead=ahead)
        return commit

    def _sent(self, session: SessionRecord) -> Sent:
        ref = self._frame.ref
        message = conversation.user_message(self._frame.message, session=session.id, principal=self._principal, ref=ref)
        return Sent(message, None, self._principal.subject, ref)
