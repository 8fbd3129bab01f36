"""Deputies: who answers in the place of somebody who is away.

A deputy has the rights of the absent, as these had them when they said so, and only those for answering. It is the
deputy who decides, and everybody is told in whose place. So it never makes two people of one: a deputy who has voted
has no second vote for somebody else, and the absent have none beside their deputy's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.core import decisions, voting
from holdfast.core.decisions import check_entitled
from holdfast.core.errors import HoldfastError
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.people import Away, may_in_principle
from holdfast.core.session import SessionRecord

#: What a token says that is not made for some sessions only: one that is must not reach further for a deputy.
EVERYWHERE = {"mine", "*"}


def stands_in(
    principal: Principal, absent: Sequence[Away], session: SessionRecord, record: InterruptRecord, now_ms: int
) -> By | None:
    """As whom a deputy may answer now: the first of the absent who might. None: for nobody."""
    for absence in _lent(principal, absent, session, record, now_ms):
        if voting.vote_of(record.interrupt, absence.subject) is None:
            return By("person", principal.subject, principal.name, principal.actor, absence.subject)
    return None


def answering_as(
    principal: Principal, absent: Sequence[Away], session: SessionRecord, record: InterruptRecord, now_ms: int
) -> By:
    """By whom an answer will be shown to have come: by oneself, else in place of somebody who is away.

    Raises:
        NotFound, Forbidden: neither may answer.
    """
    try:
        check_entitled(principal, session, record)
    except HoldfastError:
        by = stands_in(principal, absent, session, record, now_ms)
        if by is None:
            raise
        return by
    return principal.by


def entitled(
    principal: Principal, absent: Sequence[Away], session: SessionRecord, record: InterruptRecord, now_ms: int
) -> bool:
    """Whether such a thing is this principal's to answer, by themselves or for somebody who is away.

    That it is open, or that their vote is still to come, is not said.
    """
    own = decisions.entitled(principal, session, record)
    return own or any(_lent(principal, absent, session, record, now_ms))


def may_still_answer(
    principal: Principal, absent: Sequence[Away], session: SessionRecord, record: InterruptRecord, now_ms: int
) -> bool:
    """Whether there is anything left to do here for this principal, by themselves or for somebody who is away."""
    if decisions.may_still_answer(principal, session, record):
        return True
    voted = voting.vote_of(record.interrupt, principal.subject) is not None
    return record.decision is None and not voted and stands_in(principal, absent, session, record, now_ms) is not None


def _lent(
    principal: Principal, absent: Sequence[Away], session: SessionRecord, record: InterruptRecord, now_ms: int
) -> Iterator[Away]:
    """The absent whose right to answer this deputy has."""
    if not principal.has("answer") or not may_in_principle(record.interrupt, principal.subject):
        return
    if not (principal.within(session=session.id, members=session.members) or EVERYWHERE & set(principal.sessions)):
        return
    for absence in absent:
        is_theirs = absence.deputy == principal.subject and absence.until > now_ms
        if is_theirs and decisions.entitled(absence.principal, session, record):
            yield absence
