"""What a link shows, and for whom one may be made."""

from __future__ import annotations

import msgspec

from holdfast.commands.answering import existing_interrupt
from holdfast.commands.backend import Backend
from holdfast.core import deputies, ids
from holdfast.core.errors import Conflict, Forbidden
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Decision, Interrupt


class Asked(msgspec.Struct, frozen=True):
    """An interrupt, as of one instant, before one principal."""

    shown: Interrupt
    decision: Decision | None
    #: Whether this principal may answer such a thing now; that it is open, or not voted on, is not said.
    entitled: bool
    #: Who asks: the agent, or who asked for the gate.
    asker: str
    now_ms: int


async def asked(backend: Backend, principal: Principal, own_id: str) -> Asked:
    """An interrupt as its link shows it. Raises NotFound, Gone."""
    session = ids.session_of(own_id)
    view = await backend.door.read(session, interrupts=(own_id,))
    own, record = existing_interrupt(view, own_id)
    turn = record.interrupt.turn
    turns = (await backend.door.read(session, turns=(turn,))).turns
    asker = (turns[turn].agent or turns[turn].requester.subject) if turn in turns else ""
    absent = await backend.directory.absent_for(principal.subject)
    entitled = deputies.entitled(principal, absent, own, record, view.now_ms)
    return Asked(record.interrupt, record.decision, entitled, asker or own.info.agent, view.now_ms)


async def check_may_link(backend: Backend, minter: Principal, who: Principal, own_id: str) -> Interrupt:
    """The open interrupt that `who` could answer by a link that `minter` makes.

    Raises:
        NotFound, Gone: it is not there, or out of the minter's reach.
        Forbidden: `who` could not answer it.
        Conflict: it is settled, with the decision.
    """
    session = ids.session_of(own_id)
    view = await backend.door.read(session, interrupts=(own_id,))
    own, record = existing_interrupt(view, own_id)
    reaches = minter.within(session=session, members=own.members)
    if not reaches:
        absent = await backend.directory.absent_for(minter.subject)
        deputies.answering_as(minter, absent, own, record, view.now_ms)
    if record.decision is not None:
        raise Conflict("It is settled already.", decision=msgspec.to_builtins(record.decision))
    absent = await backend.directory.absent_for(who.subject)
    if not deputies.entitled(who, absent, own, record, view.now_ms):
        raise Forbidden(f"{who.subject!r} could not answer this.", approvers=record.interrupt.approvers)
    return record.interrupt
