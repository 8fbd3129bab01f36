"""Devices: they start, send, steer, replace, branch, take over and cancel; and repeat what they have sent."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from tests.model.ground import DEVICES, Deed, Ground, actors, pick, places

from holdfast.core import arriving, branches, conversation, takeover, turns
from holdfast.core.commit import CommandId
from holdfast.core.conversation import Sent
from holdfast.core.identity import By, Principal
from holdfast.core.messages import Message
from holdfast.core.session import BRANCHES_MAX
from holdfast.core.turns import TurnRecord


class Devices(Ground):
    """What is done in a session by those in it."""

    @initialize(device=actors)
    def begin(self, device: str) -> None:
        self.do(self.connection.execute("FLUSHALL"))
        self.restart()
        self.decide(device, self.starting(device), "start")
        self.send(device)

    @precondition(lambda self: self.seldom("start", 2))
    @rule(device=actors)
    def a_device_starts_the_session_once_more(self, device: str) -> None:
        self.did["start"] += 1
        self.decide(device, self.starting(device), self.new_ref())
        self.send(device)

    @precondition(lambda self: len(self.model.session.queue) < 3)
    @rule(device=actors, at_once=st.booleans())
    def a_device_sends(self, device: str, at_once: bool) -> None:
        ref, session = self.new_ref(), self.model.session
        sent = Sent(Message(f"m_{ref}", "user", [{"type": "text", "text": ref}]), None, device, ref)
        commit, _ = conversation.send(session, Principal(device), sent, "1", self.now_ms())
        self.decide(device, commit, ref)
        self.perhaps_send(device, at_once)

    @precondition(lambda self: self.model.session.active and not self.model.session.info.takeover)
    @precondition(lambda self: self.seldom("interject", 8))
    @rule(device=actors, replaces=st.booleans(), at_once=st.booleans())
    def a_device_steers_or_replaces(self, device: str, replaces: bool, at_once: bool) -> None:
        self.did["interject"] += 1
        session, ref = self.model.session, self.new_ref()
        turn = self.model.turn(session.active or "")
        sent = Sent(Message(f"m_{ref}", "user", [{"type": "text", "text": ref}]), None, device, ref)
        if replaces:
            void = [self.model.turn(own_id) for own_id in arriving.earlier(turn, session)]
            asked = [self.model.interrupt(name) for name in turn.open if name.startswith("i_")]
            who = Principal(device)
            commit, _ = arriving.replace(session, turn, void, asked, who, sent, "1", self.now_ms(), "test")
        else:
            commit = arriving.steer(session, turn, Principal(device), sent, "1", self.now_ms())
        self.decide(device, commit, ref)
        self.perhaps_send(device, at_once)

    @precondition(lambda self: self.model.session.info.takeover or self.seldom("takeover", 3))
    @rule(device=actors, answered=st.booleans(), at_once=st.booleans())
    def an_operator_takes_over_or_hands_back(self, device: str, answered: bool, at_once: bool) -> None:
        session, who, ref = self.model.session, Principal(device), self.new_ref()
        active = self.model.turn(session.active) if session.active else None
        if session.info.takeover is None:
            self.did["takeover"] += 1
            commit = takeover.take(session, active, who, self.now_ms(), "test", ref)
        else:
            queued = [self.model.turn(own_id) for own_id in session.queue]
            commit = takeover.hand_back(session, active, queued, who, "test", ref, answered=answered)
        self.decide(device, commit, ref)
        self.perhaps_send(device, at_once)

    @precondition(lambda self: self.model.session.active and self.seldom("cancel", 6))
    @rule(device=actors, which=places, at_once=st.booleans())
    def a_device_cancels(self, device: str, which: int, at_once: bool) -> None:
        self.did["cancel"] += 1
        turn = self.model.turns[-1 - which % min(3, len(self.model.turns))]
        if turn.status == "finished" or turn.cancel is not None:
            return
        who, ref = By("person", device), self.new_ref()
        if turn.status == "running":
            commit = turns.ask_to_stop(turn, who)
        else:
            commit = self.finishing(turn, "cancelled", who=who)
        self.decide(device, commit, ref)
        self.perhaps_send(device, at_once)

    @precondition(lambda self: self.of(DEVICES, self.deeds))
    @rule(which=places)
    def a_device_commits(self, which: int) -> None:
        self.send(pick(self.of(DEVICES, self.deeds), which)[0])

    @precondition(lambda self: self.of(DEVICES, self.sent) and self.seldom("repeat", 8))
    @rule(which=places, another=st.sampled_from([False, False, False, True]))
    def a_device_repeats_what_it_sent(self, which: int, another: bool) -> None:
        """Or gives its ref to something else."""
        self.did["repeat"] += 1
        _, deed = pick(self.of(DEVICES, self.sent), which)
        commit = msgspec.structs.replace(deed.commit)
        assert isinstance(commit.by, CommandId)
        if another:
            commit.by = msgspec.structs.replace(commit.by, digest="another")
        # Its ref is looked up first. Only where it is unknown is it decided anew: an old decision stays old.
        known = (commit.by.subject, commit.by.ref) in self.model.refs
        self.attempt(Deed(commit, self.model.epoch if known else deed.epoch))

    # Branches.

    @precondition(lambda self: self.replaceable and self.seldom("branch", 2))
    @rule(device=actors, which=places, at_once=st.booleans())
    def a_device_says_something_in_the_place_of_something_earlier(self, device: str, which: int, at_once: bool) -> None:
        self.did["branch"] += 1
        session, ref = self.model.session, self.new_ref()
        replaced = self.replaceable[which % len(self.replaceable)]
        active = self.model.turn(session.active) if session.active else None
        asked = [] if active is None else [self.model.interrupt(name) for name in active.open if name.startswith("i_")]
        queued = [self.model.turn(own_id) for own_id in session.queue]
        sent = Sent(Message(f"m_{ref}", "user", [{"type": "text", "text": ref}]), None, device, ref)
        commit, _ = arriving.branch_off(
            session, active, queued, asked, replaced, Principal(device), sent, "1", self.now_ms(), "test"
        )
        self.decide(device, commit, ref)
        self.perhaps_send(device, at_once)

    @precondition(lambda self: self.model.session.info.branches and not self.model.session.active)
    @precondition(lambda self: not self.model.session.queue and self.seldom("switch", 3))
    @rule(device=actors, which=places, at_once=st.booleans())
    def a_device_switches(self, device: str, which: int, at_once: bool) -> None:
        self.did["switch"] += 1
        info = self.model.session.info
        known = [branches.ROOT, *(own.id for own in info.branches)]
        shown = msgspec.structs.replace(info, branch=known[which % len(known)])
        commit = conversation.update(self.model.session, shown, By("person", device))
        self.decide(device, commit, self.new_ref())
        self.perhaps_send(device, at_once)

    @property
    def replaceable(self) -> list[TurnRecord]:
        """Turns in whose place something may be said."""
        session = self.model.session
        if session.info.takeover or len(session.info.branches) >= BRANCHES_MAX:
            return []
        return [turn for turn in self.model.turns if turn.cause and turn.status != "queued"]
