"""Answering an interrupt: many may try, one decides, and every other one is told at once who did.

The order of the questions is the order of the promises: was this very answer given before? may its sender
answer? has the deadline come first? has anybody else? Only then: is it well-formed, and what does it change?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from holdfast.commands import granting, vain
from holdfast.commands.attempts import First, Need, attempt, body_of, command_id
from holdfast.commands.backend import Backend
from holdfast.commands.replies import stored
from holdfast.commands.standing_in import by_right
from holdfast.core import claiming, decisions, deputies, entries, ids, reviews
from holdfast.core.commit import Commit
from holdfast.core.decisions import Lost, Recorded, Voted, Won
from holdfast.core.entries import Vain
from holdfast.core.errors import Gone, NotFound
from holdfast.core.grants import Grant
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Decision, InterruptRecord, Vote
from holdfast.core.people import Away
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol import frames
from holdfast.protocol.frames import Answered
from holdfast.store.door import Done, View

T = TypeVar("T")


class StoredAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of an `answered`."""

    outcome: Literal["won", "recorded"]
    decision: Decision | None = None
    vote: Vote | None = None
    grant: Grant | None = None


async def answer(
    backend: Backend, principal: Principal, frame: frames.Answer, via: str, device: str | None = None
) -> Answered:
    """Submit an answer: it won, it was counted, or it lost to the decision that stands. A losing one changes nothing.

    What lost or was refused is in the trail all the same. `device` is what the connection calls itself.

    Cancelling leaves the outcome unknown: repeat it, and a won answer is told again that it won.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this sender's to answer.
        BadInput, LimitReached: the payload does not fit what was asked, its grant cannot be given, or what it says of
            a review cannot be kept.
        CannotGrant: its sender may answer, and not give a grant.
        Conflict: it is about other arguments than those that stand, or its sender has voted otherwise; or a device
            gives up what another one is doing.
    """
    device = frame.device or device
    tried = Vain("answer", frame.interrupt, frame.ref, via, frame.payload, device=device)
    return await vain.telling(backend, principal.by, tried, _answer(backend, principal, frame, via, device))


async def _answer(
    backend: Backend, principal: Principal, frame: frames.Answer, via: str, device: str | None
) -> Answered:
    command = command_id(principal, frame.ref, body_of(frame))
    if ids.session_of(frame.interrupt) != frame.session:
        raise no_such_interrupt()
    need = Need(interrupts=(frame.interrupt,))

    def act(absent: Sequence[Away]) -> Awaitable[Done | Lost | Voted]:
        deed = _Answering(principal, frame, via, device, absent)
        return attempt(backend, frame.session, command, deed.decide, need)

    outcome = await by_right(backend, principal, act)
    told = answered(frame.ref, frame.interrupt, outcome)
    return replace(told, grant=await _granted(backend, outcome)) if isinstance(outcome, Done) else told


async def _granted(backend: Backend, done: Done) -> str | None:
    """The grant that the answer gave, once it stands."""
    grant = msgspec.json.decode(done.reply, type=StoredAnswer).grant
    if grant is None or grant.home == grant.session:
        return grant and grant.id
    return await granting.ensure(backend, grant)


def no_such_interrupt() -> NotFound:
    """Also for what exists but is out of the sender's reach: the two must not be told apart."""
    return NotFound("There is no such interrupt, or it is not yours to answer.")


def existing_interrupt(view: View, own_id: str) -> tuple[SessionRecord, InterruptRecord]:
    """An interrupt and its session, whoever asks. Raises NotFound, Gone."""
    record = view.interrupts.get(own_id)
    if view.gone:
        raise Gone
    if view.session is None or record is None:
        raise no_such_interrupt()
    return view.session, record


def meet(
    view: View,
    own_id: str,
    may: Callable[[SessionRecord, InterruptRecord], object],
    settle: Callable[[SessionRecord, TurnRecord, InterruptRecord], T],
) -> Need | First | Lost | T:
    """What every command on an open interrupt meets first: may its sender? is it settled? is it overdue?

    `may` raises if not. `settle` is called when the interrupt is open and its time has not come.
    """
    session, record = existing_interrupt(view, own_id)
    may(session, record)
    if record.decision is not None:
        return Lost(record.decision)
    turn = view.turns.get(record.interrupt.turn)
    if turn is None:
        return Need((record.interrupt.turn,), (record.id,))
    if record.overdue(view.now_ms):
        expiry = decisions.expire(session, turn, record, view.now_ms)
        return First(expiry, lambda: settle(session, turn, record))
    return settle(session, turn, record)


class _Answering:
    """The decision, with what it needs to know of the command and of those for whom its sender stands in."""

    def __init__(
        self, principal: Principal, frame: frames.Answer, via: str, device: str | None, absent: Sequence[Away]
    ) -> None:
        self._principal = principal
        self._frame = frame
        self._via = via
        self._device = device
        self._absent = absent

    def decide(self, view: View) -> Commit | Need | First | Lost | Voted:
        if (lacks := self._lacks(view)) is not None:
            return lacks

        def settle(session: SessionRecord, turn: TurnRecord, record: InterruptRecord) -> Commit | Lost | Voted:
            return self._settle(view, session, turn, record)

        def may(session: SessionRecord, record: InterruptRecord) -> None:
            self._by(view.now_ms, session, record)

        return meet(view, self._frame.interrupt, may, settle)

    def _lacks(self, view: View) -> Need | None:
        """What more is to be read, where the answer changes what stands, or what is said of the session."""
        record = view.interrupts.get(self._frame.interrupt)
        if record is None:
            return None
        need = Need(
            (record.interrupt.turn,),
            (record.id,),
            standing=granting.concerns(record, self._frame.payload),
            feedback=record.interrupt.afterwards,
        )
        is_there = (not need.standing or view.standing is not None) and (not need.feedback or view.feedback is not None)
        return None if is_there else need

    def _by(self, now_ms: int, session: SessionRecord, record: InterruptRecord) -> By:
        return deputies.answering_as(self._principal, self._absent, session, record, now_ms)

    def _settle(
        self, view: View, session: SessionRecord, turn: TurnRecord, record: InterruptRecord
    ) -> Commit | Lost | Voted:
        frame = self._frame
        by = self._by(view.now_ms, session, record)
        given = decisions.Answer(frame.status, frame.payload, by, self._via, frame.ref)
        if given.gives_up:
            claiming.check_gives_up(record, given.by, frame.device, view.now_ms)
        verdict = decisions.answer(session, turn, record, given, view.now_ms)
        grant = None
        if isinstance(verdict, Won | Recorded):
            right = entries.right_of(self._principal, by, session, record.interrupt)
            entries.say_how(verdict.commit, record.id, right, self._device)
            grant = self._stand(view, session, turn, record, verdict, by)
        if isinstance(verdict, Won) and record.interrupt.afterwards and view.feedback is not None:
            reviews.keep(verdict.commit, view.feedback, record, verdict.decision)
        return replying(verdict, grant)

    def _stand(
        self,
        view: View,
        session: SessionRecord,
        turn: TurnRecord,
        record: InterruptRecord,
        verdict: Won | Recorded,
        by: By,
    ) -> Grant | None:
        """The grant that the answer gives, made part of its commit."""
        if view.standing is None:
            return None
        if verdict.decision is not None and "grant" in verdict.decision.body:
            granting.check_giver(record, session, turn, self._principal, by)
        return granting.stand(verdict, turn, record, view.standing, self._principal, view.now_ms)


def replying(verdict: Won | Recorded | Lost | Voted, grant: Grant | None = None) -> Commit | Lost | Voted:
    """The commit of what counts, with the reply that its ref repeats."""
    if isinstance(verdict, Lost | Voted):
        return verdict
    outcome = "won" if isinstance(verdict, Won) else "recorded"
    verdict.commit.reply = stored(StoredAnswer(outcome, verdict.decision, verdict.vote, grant))
    return verdict.commit


def answered(ref: str, interrupt: str, outcome: Done | Lost | Voted) -> Answered:
    """What became of an answer, as it is told."""
    match outcome:
        case Done():
            reply = msgspec.json.decode(outcome.reply, type=StoredAnswer)
            return Answered(ref, reply.outcome, interrupt, reply.decision, reply.vote)
        case Lost():
            return Answered(ref, "lost", interrupt, outcome.decision)
        case Voted():
            return Answered(ref, "recorded", interrupt, vote=outcome.vote)
