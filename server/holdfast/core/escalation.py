"""Escalation: what is done by itself about an interrupt that nobody decides.

    its ladder ───────── a rung's time has come ──▶ remind, or ask others
    its votes ────────── differ ──▶ the next rung decides        (`conflict="escalate"`)
    its deadline ─────── has come ──▶ the next rung, a new term  (`on_expiry="escalate"`)
    whom it asks ─────── go away ───▶ the next rung, at once

Whatever it is, it is one commit that guards the record: of an answer and a rung in the same instant one comes first,
and the other one sees it. One deadline, `rung`, stands for the next thing to do; it goes with the closing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.core import interrupts
from holdfast.core.audit import Action, AuditEntry
from holdfast.core.commit import Commit, Notice
from holdfast.core.deadlines import Deadline, member
from holdfast.core.errors import BadInput
from holdfast.core.events import InterruptUpdated
from holdfast.core.identity import OPERATOR, By
from holdfast.core.interrupts import Approvers, Interrupt, InterruptRecord
from holdfast.core.ladders import Escalation, Rung, Why
from holdfast.core.people import People, unreachable
from holdfast.core.session import SessionRecord

#: Whoever else was asked: the last resort, where the product itself must hand something over.
OPERATORS = Rung("hand_over", 0, (OPERATOR,))

#: By what was done: the kind of its notice, and what the trail calls it.
SAID: dict[str, Action] = {
    "remind": "interrupt.reminded",
    "hand_over": "interrupt.escalated",
    "unroutable": "interrupt.unroutable",
}


def check(shown: Interrupt) -> None:
    """Refuse a ladder on which too few people would be left to vote. Raises BadInput."""
    try:
        for rung in shown.ladder:
            if rung.action == "hand_over":
                shown = replace(shown, approvers=asked_too(shown.approvers, rung))
    except ValueError as error:
        raise BadInput(f"escalate: {error}") from None


def climb(session: SessionRecord, record: InterruptRecord, people: People, now_ms: int) -> Commit:
    """Every rung whose time has come acts; of several that were missed, all. Then the next one is waited for.

    As long as nobody of those asked can be reached, the next rung that hands over acts at once.
    """
    shown = route(_climbed(record.interrupt, now_ms), session.members, people, now_ms)
    commit = Commit(session.id, "climb", due=[member("rung", record.id)])
    tell(commit, session, record, shown)
    wait_for_next(commit, shown)
    return commit


def reroute(session: SessionRecord, record: InterruptRecord, people: People, now_ms: int) -> Commit | None:
    """Somebody has gone away, or is back: is it seen otherwise now? None: it is not, or its time is up anyway.

    Rungs whose time has come act first, as when their own deadline is settled: which of the two is, is chance.
    """
    if record.decision is not None or record.overdue(now_ms):
        return None
    shown = route(_climbed(record.interrupt, now_ms), session.members, people, now_ms)
    if shown == record.interrupt:
        return None
    commit = Commit(session.id, "reroute")
    tell(commit, session, record, shown)
    wait_for_next(commit, shown)
    return commit


def extend(session: SessionRecord, record: InterruptRecord, now_ms: int) -> Commit | None:
    """The deadline has come: whoever is next is asked, for as long again. None: nobody is left to ask."""
    before = _climbed(record.interrupt, now_ms)  # what was to be done before, if no node ran meanwhile
    rung = next_hand_over(before) or (None if _operators_are_asked(before) else OPERATORS)
    if rung is None or before.expiresAt is None:
        return None
    term_ms = record.term_ms or before.expiresAt - before.openedAt
    shown = replace(_hand_over(before, rung, "expiry", now_ms), expiresAt=now_ms + term_ms)
    commit = Commit(session.id, "extend", due=[member("expire", record.id)])
    tell(commit, session, replace(record, term_ms=term_ms), shown)
    commit.set_deadlines.append(Deadline("expire", record.id, now_ms + term_ms))
    look_soon(commit, shown, now_ms)
    return commit


def split(cast: Interrupt, now_ms: int) -> Interrupt:
    """The votes differ: the next rung alone decides, by the first vote that one of them gives; else operators do."""
    rung = next_hand_over(cast) or OPERATORS
    assert cast.approvers is not None, "else it is not put to the vote"
    one_of_them = replace(cast.approvers, roles=rung.roles, subjects=rung.subjects, members=False, quorum=1)
    tied = replace(cast, approvers=one_of_them, tied=True)
    return replace(_hand_over(tied, rung, "conflict", now_ms), approvers=one_of_them)


def route(shown: Interrupt, members: Collection[str], people: People, now_ms: int) -> Interrupt:
    """Say so if nobody of those asked can be reached, and ask the next at once, as far as there are any."""
    if shown.afterwards:  # nothing is held up if nobody looks
        return shown
    why = unreachable(shown, members, people, now_ms)
    if why is None or shown.unroutable == why:
        return shown if why else replace(shown, unroutable=None)
    said = Escalation("unroutable", now_ms, why)
    shown = replace(shown, unroutable=why, escalations=(*shown.escalations, said))
    rung = next_hand_over(shown)
    if rung is None:
        return shown
    return route(_hand_over(shown, rung, "unroutable", now_ms), members, people, now_ms)


def asks_beyond(shown: Interrupt) -> bool:
    """Whether it asks others than whoever is in the session, or will."""
    return bool(shown.ladder) or (shown.approvers is not None and shown.approvers.named())


def who_may_be_asked(shown: Interrupt, members: Collection[str]) -> tuple[set[str], set[str]]:
    """The roles and subjects of whom something must be known to route it."""
    rule = shown.approvers or Approvers()
    left = shown.ladder[shown.climbed :]
    roles = set(rule.roles).union(*(rung.roles for rung in left))
    return roles, {*rule.subjects, *members}.union(*(rung.subjects for rung in left))


def upcoming(shown: Interrupt) -> Rung | None:
    """The rung that acts next. None: all have."""
    return shown.ladder[shown.climbed] if shown.climbed < len(shown.ladder) else None


def next_hand_over(shown: Interrupt) -> Rung | None:
    """The next rung that asks others: a reminder would not help."""
    return next((rung for rung in shown.ladder[shown.climbed :] if rung.action == "hand_over"), None)


def asked_too(approvers: Approvers | None, rung: Rung) -> Approvers:
    """Who may answer when this rung has acted. Raises ValueError: too few for the quorum."""
    rule = approvers or Approvers()
    if rung.instead:
        return replace(rule, roles=rung.roles, subjects=rung.subjects, members=False)
    return replace(
        rule,
        roles=_both(rule.roles, rung.roles),
        subjects=_both(rule.subjects, rung.subjects),
        members=rule.members or not rule.named(),
    )


def tell(commit: Commit, session: SessionRecord, record: InterruptRecord, shown: Interrupt) -> None:
    """Add what changed to the commit: the record, one event, and a notice and an entry for each thing done."""
    before = record.interrupt
    if shown == before:
        commit.guards.append(record)
        return
    assert interrupts.next_status(record.status, "escalate") is not None, "the caller has seen that it is open"
    commit.puts.append(record.showing(shown))
    commit.events.append(InterruptUpdated(interrupt=shown.id, changes=changes(before, shown)))
    say(commit, session.id, before, shown, record.version + 1)


def say(commit: Commit, session: str, before: Interrupt, shown: Interrupt, version: int) -> None:
    """Put what was done since `before` into the trail, and notify of it."""
    done = shown.escalations[len(before.escalations) :]
    kinds = dict.fromkeys(SAID[each.action] for each in done)  # each says how it stands: one of a kind is enough
    commit.notices.extend(Notice(kind, session, shown.id, version) for kind in kinds)
    commit.audit.extend(_entry(session, shown, each) for each in done)


def changes(before: Interrupt, after: Interrupt) -> dict[str, Any]:
    """The fields that differ, as an event says them."""
    names = [name for name in Interrupt.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    return {name: msgspec.to_builtins(getattr(after, name)) for name in names}


def look_soon(commit: Commit, shown: Interrupt, now_ms: int) -> None:
    """Others are asked, and whether they can be reached is not known here: the sweeper looks."""
    commit.set_deadlines.append(Deadline("rung", shown.id, now_ms))


def wait_for_next(commit: Commit, shown: Interrupt) -> None:
    """Set the deadline of the rung that acts next, or none."""
    rung = upcoming(shown)
    if rung is None:
        commit.drop_deadlines.append(member("rung", shown.id))
    else:
        commit.set_deadlines.append(Deadline("rung", shown.id, rung.at))


def _climbed(shown: Interrupt, now_ms: int) -> Interrupt:
    """With every rung done whose time has come."""
    while (rung := upcoming(shown)) is not None and rung.at <= now_ms:
        shown = _take(shown, rung, "time", now_ms)
    return shown


def _take(shown: Interrupt, rung: Rung, why: Why, now_ms: int) -> Interrupt:
    if rung.action == "hand_over":
        return _hand_over(shown, rung, why, now_ms)
    return replace(
        shown,
        climbed=shown.climbed + 1,
        escalations=(*shown.escalations, Escalation("remind", now_ms, why)),
    )


def _hand_over(shown: Interrupt, rung: Rung, why: Why, now_ms: int) -> Interrupt:
    """Others are asked. Reminders that stood before them have nothing left to say."""
    left = shown.ladder[shown.climbed :]
    return replace(
        shown,
        approvers=asked_too(shown.approvers, rung),
        votes=_still_counted(shown, rung),
        unroutable=None,
        climbed=shown.climbed + (left.index(rung) + 1 if rung in left else 0),
        escalations=(*shown.escalations, Escalation("hand_over", now_ms, why, rung.names)),
    )


def _still_counted(shown: Interrupt, rung: Rung) -> tuple[interrupts.Vote, ...]:
    """Whoever may not answer any more has not voted either; which roles a voter has is not known here."""
    if not rung.instead or shown.tied:
        return shown.votes
    return tuple(vote for vote in shown.votes if vote.by.id in rung.subjects)


def _operators_are_asked(shown: Interrupt) -> bool:
    return shown.approvers is not None and OPERATOR in shown.approvers.roles


def _both(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _entry(session: str, shown: Interrupt, done: Escalation) -> AuditEntry:
    return AuditEntry(
        SAID[done.action],
        session,
        By("deadline", "deadline") if done.why in ("time", "expiry") else By("system", "escalation"),
        turn=shown.turn,
        interrupt=shown.id,
        tool=shown.toolName,
        status=done.why,
        to=done.to,
        inputHash=shown.inputHash,
    )
