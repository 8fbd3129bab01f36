"""Giving a grant with an approval, and remembering what was approved.

A grant of the session is made by the very commit of the answer. A wider one stands in another slot: it is made right
after, and again whenever the answer is repeated, until it is there. If nobody repeats it, there is an approval without
a grant, never a grant without an approval.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands.attempts import ATTEMPTS
from holdfast.commands.backend import Backend
from holdfast.core import grants, standing
from holdfast.core.commit import Commit
from holdfast.core.decisions import Recorded, Won, approves
from holdfast.core.errors import Busy, CannotGrant, LimitReached
from holdfast.core.grants import Grant, may_answer
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import GrantWish, InterruptRecord
from holdfast.core.session import SessionRecord
from holdfast.core.standing import StandingRecord
from holdfast.core.turns import TurnRecord
from holdfast.store.door import Done


def concerns(record: InterruptRecord, payload: Any) -> bool:
    """Whether an answer may change what stands: then that must be read, too."""
    return bool(record.remembers) or (isinstance(payload, dict) and "grant" in payload)


def check_giver(record: InterruptRecord, session: SessionRecord, turn: TurnRecord, giver: Principal, by: By) -> None:
    """Let pass whoever was asked in the first place. A grant speaks where its giver would have been asked.

    Raises:
        CannotGrant: they stand in for somebody, or were asked only because nobody had answered.
    """
    if by != giver.by:
        raise CannotGrant("Who stands in for somebody cannot give a standing yes: answer without `grant`.")
    if not all(may_answer(giver, session, first, turn.requester.subject) for first in record.asked_first):
        raise CannotGrant(
            "It was only handed over to you: a standing yes is for those to give who were asked first. Answer without "
            "`grant`.",
            approvers=record.asked_first[0],
        )


def stand(
    decided: Won | Recorded,
    turn: TurnRecord,
    record: InterruptRecord,
    before: StandingRecord,
    giver: Principal,
    now_ms: int,
) -> Grant | None:
    """Add to the commit of a decision what stands in its session from then on; and the grant that was asked for.

    Raises:
        BadInput, LimitReached: the grant cannot be given. Nothing is decided.
    """
    decision, shown = decided.decision, record.interrupt
    if decision is None or not approves(decision):
        return None
    effective = decision.body.get("input", shown.input)
    after = standing.with_approved(before, record, effective) if record.remembers else before
    given = _wished(decision.body)
    grant = None
    if given is not None:
        grant = grants.given(given, turn, shown, effective, giver, now_ms)
        decided.commit.audit.append(standing.made(grant, decision.via, decision.ref))
        if grant.home == before.home:
            after = standing.with_grant(after, grant, now_ms)
    standing.put(decided.commit, before, after)
    return grant


async def ensure(backend: Backend, grant: Grant) -> str | None:
    """Have a grant stand in a home that is wider than its session. None: it was revoked, or there is no room.

    Cancelling is safe: repeat the answer.

    Raises:
        Busy: the home kept changing. The answer stands; repeat it.
    """
    for _ in range(ATTEMPTS):
        view = await backend.door.read(grant.home, standing=True)
        before = view.standing or StandingRecord(home=grant.home)
        try:
            after = standing.with_grant(before, grant, view.now_ms)
        except LimitReached:
            return None
        if after == before:  # it stood already, or was revoked meanwhile
            known = before.grant(grant.id)
            return grant.id if known and known.stands(view.now_ms) else None
        commit = Commit(grant.home, "grant", creates=before.version == 0, durable=True, epoch=view.epoch)
        standing.put(commit, before, after)
        if isinstance(await backend.door.commit(commit), Done):
            return grant.id
    raise Busy


def _wished(body: dict[str, Any]) -> GrantWish | None:
    return msgspec.convert(body["grant"], GrantWish) if "grant" in body else None
