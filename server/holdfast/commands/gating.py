"""Gates from outside any turn: asking for one, asking again after a crash, and seeing how it stands."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from holdfast.commands.answering import existing_interrupt, no_such_interrupt
from holdfast.commands.attempts import Need, attempt, body_of, command_id, no_such_session, present
from holdfast.commands.backend import Backend
from holdfast.commands.replies import stored_ok
from holdfast.core import deputies, gates, ids
from holdfast.core.commit import Commit
from holdfast.core.durations import Expiry, expiry
from holdfast.core.errors import AlreadyExists, BadInput, NotFound
from holdfast.core.gates import Asked
from holdfast.core.identity import Principal, check
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.ladders import Ladder, checked
from holdfast.core.people import Away
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Gate, Gated, GateShown
from holdfast.store.door import Done, View

NAME_MAX = 200  # characters: it is the title of a card, and of the gate's own session
MESSAGE_MAX = 4_000  # characters, as of a reason
PAYLOAD_MAX_BYTES = 128 * 1024  # leaves room in an event and a frame for what goes with it
METADATA_MAX_BYTES = 16 * 1024  # likewise


async def request(backend: Backend, principal: Principal, frame: Gate, via: str) -> Gated:
    """Ask for a gate. Under the same id it is the same gate, also after a crash: ask again, and wait on.

    Cancelling leaves the outcome unknown: ask again.

    Raises:
        GateReused: the id named a gate that asks something else.
        NotFound, Gone, Forbidden: the session is not there, or not one where this principal may ask.
        BadInput, BadRequest, LimitReached: nothing was opened.
    """
    asked = _asked(principal, frame)
    command = command_id(principal, frame.ref, body_of(frame))
    deed = _Requesting(principal, frame, asked, via)
    need = Need(turns=(asked.turn,))
    try:
        outcome = await attempt(backend, asked.session, command, deed.decide, need)
    except AlreadyExists:  # another process asked for it in the same moment: there it is
        outcome = await attempt(backend, asked.session, command, deed.decide, need)
    created = isinstance(outcome, Done) and not outcome.again
    view = await backend.door.read(asked.session, interrupts=(asked.interrupt,))
    absent = await backend.directory.absent_for(principal.subject)
    return Gated(frame.ref, created, _shown(view, principal, absent, *existing_interrupt(view, asked.interrupt)))


async def read(backend: Backend, principal: Principal, gate: str, session: str | None = None) -> GateShown:
    """A gate as it stands: by the id under which this principal asked for it, or by its interrupt's.

    Raises:
        NotFound, Gone, Forbidden
    """
    own_id = gate if "." in gate else _interrupt_of(principal, gate, session)
    view = await backend.door.read(ids.session_of(own_id), interrupts=(own_id,))
    if view.session is None and not view.gone:
        raise _no_such_gate(gate)
    found, record = existing_interrupt(view, own_id)
    absent = await backend.directory.absent_for(principal.subject)
    if not deputies.entitled(principal, absent, found, record, view.now_ms):
        _check_visible(principal, found)
    if gates.name_of(record) is None:
        raise _no_such_gate(gate)
    return _shown(view, principal, absent, found, record)


class _Requesting:
    """The decision, with what it needs to know of the command."""

    def __init__(self, principal: Principal, frame: Gate, asked: Asked, via: str) -> None:
        self._principal = principal
        self._frame = frame
        self._asked = asked
        self._via = via
        self._salt = secrets.token_hex(16)

    def decide(self, view: View) -> Commit | TurnRecord:
        session = self._session(view)
        standing = view.turns.get(self._asked.turn)
        if standing is not None:
            gates.check_same(standing, self._asked)
            return standing
        asked = self._asked
        commit = gates.opening(session, self._principal, asked, view.now_ms, self._via, self._frame.ref)
        commit.reply = stored_ok(session.id, turn=asked.turn)
        return commit

    def _session(self, view: View) -> SessionRecord:
        """Where it stands, or is to stand."""
        if view.session is not None or view.gone:
            return present(view, self._principal, "send")
        if self._frame.session is not None:
            raise no_such_session()
        check(self._principal, "send", self._asked.session, {self._principal.subject: "owner"})
        return gates.own_session(self._asked, self._salt, self._principal, view.now_ms)


def _shown(
    view: View, principal: Principal, absent: Sequence[Away], session: SessionRecord, record: InterruptRecord
) -> GateShown:
    return GateShown(
        gates.name_of(record) or record.id,
        session.id,
        record.interrupt,
        record.status,
        deputies.may_still_answer(principal, absent, session, record, view.now_ms),
        view.epoch,
        view.head,
        record.decision,
    )


def _asked(principal: Principal, frame: Gate) -> Asked:
    """What a frame asks. Raises BadInput, BadRequest."""
    ids.check_gate_id(frame.id)
    if not 0 < len(frame.name) <= NAME_MAX:
        raise BadInput(f"name: 1 to {NAME_MAX} characters.", limit=NAME_MAX)
    if frame.message is not None and len(frame.message) > MESSAGE_MAX:
        raise BadInput(f"message: at most {MESSAGE_MAX} characters.", limit=MESSAGE_MAX)
    _check_size("payload", frame.payload, PAYLOAD_MAX_BYTES)
    _check_size("metadata", frame.metadata, METADATA_MAX_BYTES)
    return Asked(
        gate=frame.id,
        session=_session_of(principal, frame.id, frame.session),
        name=frame.name,
        payload=frame.payload,
        message=frame.message,
        expires=_expiry(frame.expires),
        on_expiry=frame.on_expiry,
        approvers=frame.approvers,
        metadata=frame.metadata,
        escalate=_ladder(frame),
        kind=frame.kind,
    )


def _interrupt_of(principal: Principal, gate: str, session: str | None) -> str:
    ids.check_gate_id(gate)
    where = _session_of(principal, gate, session)
    return ids.interrupt_id(ids.gate_turn_id(where, gate), gates.operation_of(gate))


def _session_of(principal: Principal, gate: str, session: str | None) -> str:
    """Without a session, an id is its requester's own: two people's "deploy" are two gates."""
    return ids.gate_session_id(principal.subject, gate) if session is None else ids.check_session_id(session)


def _expiry(expires: str | None) -> Expiry | None:
    try:
        return None if expires is None else expiry(expires)
    except ValueError as error:
        raise BadInput(f"expires: {error}.") from None


def _ladder(frame: Gate) -> Ladder:
    try:
        return checked([written.rung for written in frame.escalate])
    except ValueError as error:
        raise BadInput(f"escalate: {error}.", path="escalate") from None


def _check_size(name: str, value: Any, limit: int) -> None:
    if len(msgspec.json.encode(value)) > limit:
        raise BadInput(f"{name}: at most {limit} bytes of JSON.", limit=limit)


def _check_visible(principal: Principal, session: SessionRecord) -> None:
    try:
        check(principal, "read", session.id, session.members)
    except NotFound:
        raise no_such_interrupt() from None


def _no_such_gate(gate: str) -> NotFound:
    return NotFound("There is no such gate, or it is not yours to see.", gate=gate[:200])
