"""Branching: saying something in the place of an earlier message, having one answered anew, and switching back."""

from __future__ import annotations

from msgspec.structs import replace as changed

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
from holdfast.commands.reading import folded
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import arriving, branches, conversation
from holdfast.core.commit import Commit
from holdfast.core.conversation import Sent
from holdfast.core.errors import BadInput, Conflict, NotFound
from holdfast.core.folding import State
from holdfast.core.identity import Principal, check
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord, open_interrupts
from holdfast.protocol.frames import Branch, Ok, Send
from holdfast.store.door import Done, View


async def replace(backend: Backend, principal: Principal, frame: Send, replaces: str, via: str) -> Ok:
    """Edit a person's message, or have the agent's answer given anew: a branch begins in its place.

    Cancelling leaves the outcome unknown: repeat it.

    Raises:
        NotFound, Gone, Forbidden, BadInput, UnknownAgent, LimitReached: nothing was written.
        Conflict: the message has not had its turn yet, or an operator has taken over.
    """
    command = command_id(principal, frame.ref, body_of(frame))
    view = await backend.door.read(frame.session, command=command)
    if view.again is not None:
        return ok(frame.ref, view.again)
    session = present(view, principal, "send")
    state = await folded(backend, frame.session)
    turn = _turn_of(state, frame, replaces)
    version = (await backend.manifests.get(session.info.agent)).version
    deed = _Replacing(principal, frame, via, version, turn, state)
    return ok(frame.ref, await attempt(backend, frame.session, command, deed.decide))


async def switch(backend: Backend, principal: Principal, frame: Branch, via: str) -> Ok:  # noqa: ARG001 - as all commands
    """Show another branch to everybody, and speak on it from now on.

    Raises:
        NotFound, Gone, Forbidden: there is no such branch, or session, for this principal.
        Conflict: a turn runs or waits on the branch that is shown.
    """

    def decide(view: View) -> Commit | Ok:
        session = present(view, principal, "send")
        if frame.branch != branches.ROOT and all(one.id != frame.branch for one in session.info.branches):
            raise NotFound("There is no such branch in this session.", branch=frame.branch[:200])
        if session.info.branch == frame.branch:
            return Ok(frame.ref, frame.session, view.epoch, view.head)
        if session.active is not None or session.queue:
            raise Conflict("A turn runs or waits on the branch that is shown: cancel it first.", turn=session.active)
        commit = conversation.update(session, changed(session.info, branch=frame.branch), principal.by)
        commit.reply = stored_ok(session.id)
        return commit

    outcome = await attempt(backend, frame.session, command_id(principal, frame.ref, body_of(frame)), decide)
    return ok(frame.ref, outcome) if isinstance(outcome, Done) else outcome


def _turn_of(state: State, frame: Send, replaces: str) -> str:
    """The turn that a message caused, or that wrote it. Never changes, so it need not be read again.

    Raises:
        NotFound: there is no such message.
        BadInput: it cannot be replaced in this way.
    """
    placed = state.messages.get(replaces)
    if placed is None:
        raise NotFound("There is no such message in this session.", replaces=replaces[:200])
    if placed.place.turn is None:
        raise BadInput("replaces: no turn belongs to this message.")
    if (placed.message.role == "user") == (frame.message is None):
        raise BadInput("message: a text in the place of a person's message; null for the agent's, to be given anew.")
    return placed.place.turn


class _Replacing:
    """The decision, with what it needs to know of the command."""

    def __init__(self, principal: Principal, frame: Send, via: str, version: str, turn: str, state: State) -> None:
        self._principal, self._frame, self._via = principal, frame, via
        self._version, self._turn, self._state = version, turn, state

    def decide(self, view: View) -> Commit | Need | First:
        session = present(view, self._principal, "send")
        active = () if session.active is None else (session.active,)
        missing = lacking(view, turns=(self._turn, *active, *session.queue))
        if missing is not None:
            return missing
        self._check(session, view.turns[self._turn])
        if session.active is None:
            return self._branch(view, session, None)
        turn = view.turns[session.active]
        missing = lacking(view, turns=tuple(view.turns), interrupts=open_interrupts(turn))
        if missing is not None:
            return missing
        first = overdue(view, session, turn, lambda: self._branch(view, session, turn))
        return first or self._branch(view, session, turn)

    def _check(self, session: SessionRecord, replaced: TurnRecord) -> None:
        if session.info.takeover is not None:
            raise Conflict("An operator has taken this session over.")
        if session.active is not None:
            check(self._principal, "cancel", session.id, session.members)
        if replaced.status == "queued":
            raise Conflict("This message has not had its turn yet: cancel that, and send another.", turn=replaced.id)
        if self._frame.message is not None and replaced.cause != self._frame.replaces:
            raise BadInput("replaces: it steered a turn, and caused none.", turn=replaced.id)

    def _branch(self, view: View, session: SessionRecord, turn: TurnRecord | None) -> Commit:
        commit, new = arriving.branch_off(
            session,
            turn,
            [view.turns[own_id] for own_id in session.queue],
            [] if turn is None else records_of(view, turn),
            view.turns[self._turn],
            self._principal,
            self._sent(session, view.turns[self._turn]),
            self._version,
            view.now_ms,
            self._via,
        )
        stops = turn is not None and turn.status == "running"
        behind, ahead = (session.active, 1) if stops else (None, 0)
        commit.reply = stored_ok(session.id, turn=new.id, message=new.cause, behind=behind, ahead=ahead)
        return commit

    def _sent(self, session: SessionRecord, replaced: TurnRecord) -> Sent:
        who, ref = self._principal, self._frame.ref
        if self._frame.message is not None:
            message = conversation.user_message(self._frame.message, session=session.id, principal=who, ref=ref)
            return Sent(message, None, who.subject, ref)
        asked = self._state.messages.get(replaced.cause or "")
        again = None if asked is None else conversation.again(asked.message, session.id, who, ref)
        return Sent(again, replaced.input, who.subject, ref)
