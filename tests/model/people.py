"""People: they answer, vote, edit and claim what is asked, and ask for gates from outside any turn."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.model.ground import EXPIRES_MS, SESSION, Deed, Ground, actors, places

from holdfast.core import claiming, decisions, gates, voting
from holdfast.core.commit import Commit
from holdfast.core.decisions import Lost, Voted
from holdfast.core.durations import Expiry
from holdfast.core.errors import BadInput, Conflict
from holdfast.core.gates import Asked
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Approvers, Interrupt, InterruptRecord

GATES = 4  # by name: the same is asked for again and again
TWO_OF_THEM = Approvers(members=True, quorum=2, conflict="majority")

answers = st.sampled_from(["yes", "yes", "no", "edited", "cancelled"])


class People(Ground):
    """What is done about a question by those whom it asks."""

    @precondition(lambda self: self.model.interrupts)
    @rule(device=actors, which=places, answer=answers, at_once=st.booleans())
    def a_device_answers(self, device: str, which: int, answer: str, at_once: bool) -> None:
        record = self.some_interrupt(which)
        session, turn = self.model.session, self.model.turn(record.interrupt.turn)
        if record.overdue(self.now_ms()):
            commit = decisions.expire(session, turn, record, self.now_ms())
            self.attempt(Deed(commit, self.model.epoch))
            return
        ref = self.new_ref()
        status: Any = "cancelled" if answer == "cancelled" else "resolved"
        given = decisions.Answer(status, payload_of(record.interrupt, answer), By("person", device), "test", ref)
        try:
            verdict = decisions.answer(session, turn, record, given, self.now_ms())
        except (Conflict, BadInput):
            assert voting.voted_on(record.interrupt), "one answer is enough, and it fits"
            return
        if isinstance(verdict, Lost):
            assert verdict.decision == self.decided[record.id]
        elif isinstance(verdict, Voted):
            assert verdict.vote.by.id == device
        else:
            verdict.commit.reply = msgspec.Raw(msgspec.json.encode(verdict.decision))
            self.decide(device, verdict.commit, ref)
            self.perhaps_send(device, at_once)

    @precondition(lambda self: self.model.inbox and self.seldom("claim", 8))
    @rule(device=actors, which=places, lets_go=st.booleans(), at_once=st.sampled_from([True, True, False]))
    def a_device_claims(self, device: str, which: int, lets_go: bool, at_once: bool) -> None:
        """And perhaps lets go of it."""
        self.did["claim"] += 1
        asked = [self.model.interrupt(name) for name in sorted(self.model.inbox)]
        leased = [record for record in asked if record.leased] or asked  # there it means more
        record = leased[which % len(leased)]
        self.claim(device, record, None, at_once)
        if lets_go and at_once:
            self.claim(device, self.model.interrupt(record.id), 0, at_once)

    def claim(self, device: str, record: InterruptRecord, for_ms: int | None, at_once: bool) -> None:
        try:
            commit = claiming.claim(record, By("person", device), for_ms, self.now_ms(), device)
        except Conflict:
            standing = record.interrupt.claim
            assert standing is not None
            assert standing.by.id != device
            return
        if isinstance(commit, Commit) and commit.remembered:
            self.decide(device, commit, self.new_ref())
            self.perhaps_send(device, at_once)
        elif isinstance(commit, Commit):
            self.attempt(Deed(commit, self.model.epoch))

    @precondition(lambda self: self.seldom("gate", 4))
    @rule(device=actors, which=places, votes=st.booleans(), expires=st.booleans(), at_once=st.booleans())
    def a_device_asks_for_a_gate(self, device: str, which: int, votes: bool, expires: bool, at_once: bool) -> None:
        """Perhaps for one that is there: then nothing is to be done."""
        self.did["gate"] += 1
        ref, approvers = self.new_ref(), TWO_OF_THEM if votes else None
        expiry = Expiry(EXPIRES_MS) if expires else None
        asked = Asked(f"g{which % GATES}", SESSION, "deploy", approvers=approvers, expires=expiry)
        if any(turn.id == asked.turn for turn in self.model.turns):
            return
        commit = gates.opening(self.model.session, Principal(device), asked, self.now_ms(), "test", ref)
        self.decide(device, commit, ref)
        self.perhaps_send(device, at_once)


def payload_of(shown: Interrupt, answer: str) -> Any:
    """Such an answer, to a question of this kind."""
    if answer == "cancelled":
        return None
    if shown.kind == "client_tool":
        return {"output": answer}
    if answer == "edited" and shown.editable:
        return {"approved": True, "input": {"amount": -1}}
    return {"approved": answer != "no", "inputHash": voting.effective_hash(shown)}
