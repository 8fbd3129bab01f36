"""What a link shows, for whom one may be made, and that one was made."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from holdfast.commands.answering import existing_interrupt
from holdfast.commands.backend import Backend
from holdfast.core import deputies, entries, ids
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit
from holdfast.core.errors import Conflict, Forbidden, Gone, HoldfastError
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Decision, Interrupt
from holdfast.store.door import Done, Door

log = structlog.get_logger("holdfast.audit")


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


async def made(door: Door, entry: AuditEntry) -> None:
    """Put a link into the trail, before anybody is given it. Cancelling is safe: nobody has it.

    Raises:
        Gone: its session is.
    """
    if not isinstance(await door.commit(Commit(entry.session, "link", audit=[entry])), Done):
        raise Gone


async def made_by_hook(door: Door, shown: Interrupt | None, hook: str, made_for: Sequence[tuple[str, int]]) -> None:
    """Put the links that the app's own code made, and has sent by now, into the trail. What fails is for the log."""
    for subject, until in made_for:
        assert shown is not None, "a link is to something"
        try:
            await made(door, entries.linked(shown, By("system", f"hook {hook}"), subject, until, "hook"))
        except HoldfastError as error:
            log.warning("a link is not in the trail", interrupt=shown.id, subject=subject, why=error.message)


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
