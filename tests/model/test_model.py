"""Two devices, two workers, a clock and crashes, at random: the core on the real store does what it should.

Every actor reads, decides and commits in separate steps, so that decisions are made on old views. After each
step the store is compared with the one in Python, to the byte, and the promises are looked at.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.model.in_memory import InMemory

from holdfast.core import arriving, asking, conversation, decisions, ending, ids, takeover, turns
from holdfast.core.commit import CommandId, Commit, Fence, Writer
from holdfast.core.conversation import Sent
from holdfast.core.deadlines import member, parse
from holdfast.core.decisions import Lost
from holdfast.core.errors import RefReused
from holdfast.core.events import ChunkWritten, TurnResumed, TurnWaiting, decode
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import REASONS, Decision, Interrupt, InterruptRecord
from holdfast.core.messages import Message
from holdfast.core.operations import Operation
from holdfast.core.session import SessionInfo
from holdfast.core.turns import LEASE_MS, TurnRecord
from holdfast.store.connection import Connection
from holdfast.store.door import SCRIPTS, Done, Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.keys import Keys

EXAMPLES, STEPS = 450, 90
# Shrinking replays a failure some thousand times on a real store; the seed finds it again.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
STEPS_AT_LEAST = 20_000
EXPIRES_MS = 60_000
SESSION = "model"
DEVICES = ("alice", "bob")
WORKERS = ("w1", "w2")
ACTIVE = ("ready", "running", "waiting", "blocked")

actors = st.sampled_from(DEVICES)
workers = st.sampled_from(WORKERS)
places = st.integers(0, 99)


T = TypeVar("T")


class Deed(msgspec.Struct):
    """A commit that somebody has decided on, and perhaps sent already."""

    commit: Commit
    epoch: str


class Working(msgspec.Struct):
    """What a worker remembers of the turn that it took."""

    turn: TurnRecord
    fence: Fence
    number: int = 0
    #: It has not heard what became of its last commit, and must ask before it does anything else.
    unheard: bool = False


class World(RuleBasedStateMachine):
    """The real store and the one in Python, and those who use them."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    connection: ClassVar[Connection]
    door: ClassVar[Door]
    steps: ClassVar[int] = 0
    outcomes: ClassVar[Counter[str]] = Counter()
    labels: ClassVar[Counter[tuple[str, str]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.model = InMemory()
        self.offset_ms = 0
        self.count = 0
        self.runs = 0
        #: What each has decided on and not sent yet; and what it sent last.
        self.deeds: dict[str, Deed] = {}
        self.sent: dict[str, Deed] = {}
        self.working: dict[str, Working] = {}
        self.older: tuple[InMemory, dict[bytes, bytes], int] | None = None
        self.decided: dict[str, Decision] = {}
        self.fences: dict[str, Fence] = {}
        self.compared = 0
        self.did: Counter[str] = Counter()

    # The world begins.

    @initialize(device=actors)
    def begin(self, device: str) -> None:
        self.do(self.connection.execute("FLUSHALL"))
        self.restart()
        self.decide(device, self.starting(device), "start")
        self.send(device)

    def teardown(self) -> None:
        if self.model.alive:
            self.compared = 0
            self.the_store_is_as_it_should_be()

    # Devices.

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

    @precondition(lambda self: self.model.interrupts)
    @rule(
        device=actors,
        which=places,
        answer=st.sampled_from(["yes", "no", "cancelled"]),
        at_once=st.booleans(),
    )
    def a_device_answers(self, device: str, which: int, answer: str, at_once: bool) -> None:
        record = self.some_interrupt(which)
        ref, session = self.new_ref(), self.model.session
        turn = self.model.turn(record.interrupt.turn)
        if record.overdue(self.now_ms()):
            commit = decisions.expire(session, turn, record, self.now_ms())
            self.attempt(Deed(commit, self.model.epoch))
            return
        status: Any = "cancelled" if answer == "cancelled" else "resolved"
        payload = None if answer == "cancelled" else {"approved": answer == "yes"}
        given = decisions.Answer(status, payload, By("person", device), "test", ref)
        verdict = decisions.answer(session, turn, record, given, self.now_ms())
        if isinstance(verdict, Lost):
            assert verdict.decision == self.decided[record.id]
            return
        verdict.commit.reply = msgspec.Raw(msgspec.json.encode(verdict.decision))
        self.decide(device, verdict.commit, ref)
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

    # Workers.

    @precondition(lambda self: self.model.jobs)
    @rule(worker=workers, at_once=st.booleans())
    def a_worker_takes(self, worker: str, at_once: bool) -> None:
        turn = self.model.turn(next(iter(self.model.jobs)))
        assert turn.status in ("ready", "blocked"), "a hint that leads to nothing is dropped by whoever ends the turn"
        if takeover.keeps_from_running(self.model.session, turn):
            self.working.pop(worker, None)
            self.decide(worker, Commit(SESSION, "unhint", guards=[turn, self.model.session], drop_jobs=[turn.job]))
            self.perhaps_work(worker, at_once)
            return
        commit, fence = turns.take(turn, self.model.epoch)
        self.decide(worker, commit)
        self.working.pop(worker, None)
        self.perhaps_work(worker, at_once, fence)

    @precondition(lambda self: self.idle)
    @rule(which=places, expires=st.booleans(), then=st.sampled_from(["asks", "waits", "waits", "later"]))
    def a_worker_asks(self, which: int, expires: bool, then: str) -> None:
        worker, own = pick(self.idle, which)
        self.ask(worker, own, expires)
        self.perhaps_work(worker, then != "later")
        if then == "asks" and worker in self.idle:
            self.ask(worker, own, expires)
            self.perhaps_work(worker, True)
        if then in ("asks", "waits") and worker in self.idle:
            self.decide(worker, turns.wait(own.turn, self.next_of(own)))
            self.perhaps_work(worker, True)

    def ask(self, worker: str, own: Working, expires: bool) -> None:
        self.count += 1
        now_ms, key = self.now_ms(), f"tool:pay:{self.count}"
        shown = Interrupt(
            ids.interrupt_id(own.turn.id, key),
            "approval",
            SESSION,
            own.turn.id,
            REASONS["approval"],
            toolCallId=ids.call_id(own.turn.id, key),
            toolName="pay",
            input={"amount": self.count},
            openedAt=now_ms,
            expiresAt=now_ms + EXPIRES_MS if expires else None,
        )
        waiting = Operation(own.turn.id, key, "tool", "waiting", interrupt=shown.id)
        self.decide(worker, asking.opening(own.turn, self.next_of(own), shown, waiting))

    @precondition(lambda self: self.idle)
    @rule(which=places, at_once=st.booleans())
    def a_worker_sleeps(self, which: int, at_once: bool) -> None:
        worker, own = pick(self.idle, which)
        if len(own.turn.open) >= 3:
            return
        self.count += 1
        operation = Operation(
            own.turn.id, f"sleep:s:{self.count}", "sleep", "waiting", due_ms=self.now_ms() + EXPIRES_MS
        )
        self.decide(worker, asking.sleeping(own.turn, self.next_of(own), operation))
        self.perhaps_work(worker, at_once)

    @precondition(lambda self: self.idle)
    @rule(which=places, chunks=st.integers(1, 3), at_once=st.booleans())
    def a_worker_streams(self, which: int, chunks: int, at_once: bool) -> None:
        worker, own = pick(self.idle, which)
        written = [
            ChunkWritten(own.turn.id, own.turn.message, {"type": "text-delta", "id": "t", "delta": str(n)})
            for n in range(chunks)
        ]
        self.decide(worker, Commit(SESSION, "append", by=self.next_of(own), events=list(written)))
        self.perhaps_work(worker, at_once)

    @precondition(lambda self: self.idle)
    @rule(which=places, at_once=st.booleans())
    def a_worker_records(self, which: int, at_once: bool) -> None:
        worker, own = pick(self.idle, which)
        self.count += 1
        done = Operation(own.turn.id, f"step:s:{self.count}", "step", "done", outcome="done", value=self.count)
        self.decide(worker, Commit(SESSION, "record", by=self.next_of(own), operations=[done]))
        self.perhaps_work(worker, at_once)

    @precondition(lambda self: any(own.turn.steering for own in self.idle.values()))
    @rule(which=places, at_once=st.booleans())
    def a_worker_takes_in_what_was_said(self, which: int, at_once: bool) -> None:
        worker, own = pick({name: own for name, own in self.idle.items() if own.turn.steering}, which)
        self.count += 1
        said = [one.message for one in own.turn.steering]
        seen = Operation(own.turn.id, f"observed:s:{self.count}", "observed", "done", outcome="done", value=said)
        self.decide(worker, arriving.taken_in(own.turn, self.next_of(own), said, seen))
        self.perhaps_work(worker, at_once)

    @precondition(lambda self: self.idle)
    @rule(which=places, at_once=st.booleans())
    def a_worker_waits(self, which: int, at_once: bool) -> None:
        worker, own = pick(self.idle, which)
        self.decide(worker, turns.wait(own.turn, self.next_of(own)))
        self.perhaps_work(worker, at_once)

    @precondition(lambda self: self.idle)
    @rule(which=places, what=st.sampled_from(["release", "heartbeat", "skip"]), at_once=st.booleans())
    def a_worker_keeps_or_lets_go(self, which: int, what: str, at_once: bool) -> None:
        worker, own = pick(self.idle, which)
        match what:
            case "release":
                commit = turns.release(own.turn, self.next_of(own))
            case "heartbeat":
                commit = turns.heartbeat(own.turn, self.next_of(own))
            case _ if not self.seldom("skip", 1):
                return
            case _:  # its commit before this one got lost
                self.did["skip"] += 1
                commit = Commit(SESSION, "append", by=Writer(own.turn.id, own.fence, own.number + 2))
        self.decide(worker, commit)
        self.perhaps_work(worker, at_once)

    @precondition(lambda self: self.idle)
    @rule(which=places, end=st.sampled_from(["completed", "failed"]), at_once=st.booleans())
    def a_worker_finishes(self, which: int, end: Any, at_once: bool) -> None:
        worker, own = pick(self.idle, which)
        if self.model.session.active != own.turn.id or not self.seldom("finish", 4):
            return
        self.did["finish"] += 1
        self.decide(worker, self.finishing(own.turn, end, by=self.next_of(own)))
        self.perhaps_work(worker, at_once)

    @precondition(lambda self: self.of(WORKERS, self.deeds))
    @rule(which=places, heard=st.booleans())
    def a_worker_commits(self, which: int, heard: bool) -> None:
        """Not heard: the reply is lost, and it will ask again."""
        self.perhaps_work(pick(self.of(WORKERS, self.deeds), which)[0], True, heard=heard)

    @precondition(lambda self: self.of(WORKERS, self.sent) and self.seldom("ask again", 8))
    @rule(which=places)
    def a_worker_repeats_what_it_sent(self, which: int) -> None:
        self.did["ask again"] += 1
        self.attempt(pick(self.of(WORKERS, self.sent), which)[1])

    @precondition(lambda self: self.working and self.seldom("die", 5))
    @rule(which=places)
    def a_worker_dies(self, which: int) -> None:
        """Between reading and committing, or after: it knows nothing any more."""
        self.did["die"] += 1
        worker, _ = pick(self.working, which)
        self.working.pop(worker)
        self.deeds.pop(worker, None)

    @precondition(lambda self: self.idle)
    @rule(which=places)
    def a_worker_looks(self, which: int) -> None:
        self.look(pick(self.idle, which)[0])

    # The clock, and the store itself.

    @precondition(lambda self: self.seldom("time", 8))
    @rule(ms=st.sampled_from([5_000, LEASE_MS + 2_000, EXPIRES_MS + 5_000]))
    def time_passes(self, ms: int) -> None:
        self.did["time"] += 1
        self.advance(ms)

    def advance(self, ms: int) -> None:
        self.offset_ms += ms
        self.do(self.connection.execute("HINCRBY", self.door.keys.meta(0), "clock_offset_ms", ms))

    @precondition(lambda self: self.model.deadlines)
    @rule(which=places, comes=st.booleans(), at_once=st.booleans())
    def the_clock_decides(self, which: int, comes: bool, at_once: bool) -> None:
        """On a deadline that has come, as a rule."""
        names = sorted(self.model.deadlines, key=lambda name: self.model.deadlines[name])
        name = names[which % min(2, len(names))]
        if comes:
            self.advance(max(0, self.model.deadlines[name] - self.now_ms() + 2_000))
        commit = self.settling(name)
        if commit is not None:
            self.deeds["clock"] = Deed(commit, self.model.epoch)
            self.perhaps_send("clock", at_once)

    @precondition(lambda self: "clock" in self.deeds)
    @rule()
    def the_clock_commits(self) -> None:
        self.send("clock")

    @precondition(lambda self: self.seldom("restart", 2))
    @rule()
    def the_store_restarts(self) -> None:
        self.did["restart"] += 1
        self.restart()

    @precondition(lambda self: self.older is None and self.seldom("copy", 1))
    @rule()
    def a_copy_is_made(self) -> None:
        self.did["copy"] += 1
        names = self.do(self.connection.execute("KEYS", "*"))
        dumps = self.do(self.connection.execute_many([("DUMP", name) for name in names]))
        self.older = (self.model.copy(), dict(zip(names, dumps, strict=True)), self.offset_ms)

    @precondition(lambda self: self.older is not None)
    @rule()
    def the_copy_is_put_in_the_stores_place(self) -> None:
        assert self.older is not None
        model, dumps, self.offset_ms = self.older
        self.older = None
        restores = [("RESTORE", name, 0, dump) for name, dump in dumps.items()]
        self.do(self.connection.execute_many([("FLUSHALL",), *restores]))
        self.model = model
        self.compared = 0
        self.decided = {r.id: r.decision for r in model.interrupts if r.decision is not None}
        self.restart()

    # What is always so.

    @invariant()
    def the_store_is_as_it_should_be(self) -> None:
        """The real one and the one in Python are the same."""
        World.steps += 1
        model, keys = self.model, self.door.keys
        if not model.alive:
            return
        operations = [keys.operations(turn) for turn in model.operations]
        replies = self.do(
            self.connection.execute_many(
                [
                    ("HGETALL", keys.session(SESSION)),
                    ("HGETALL", keys.refs(SESSION)),
                    ("ZRANGE", keys.deadlines(0), 0, -1, "WITHSCORES"),
                    ("ZRANGE", keys.jobs(0, "agent@1"), 0, -1, "WITHSCORES"),
                    ("ZRANGE", keys.inbox(0), 0, -1, "WITHSCORES"),
                    ("XLEN", keys.log(SESSION)),
                    ("XRANGE", keys.log(SESSION), f"{self.compared + 1}", "+"),
                    ("XLEN", keys.audit(0)),
                    ("XLEN", keys.outbox(0)),
                    *(("HGETALL", name) for name in operations),
                ]
            )
        )
        home, refs, deadlines, jobs, inbox, length, entries, audit, outbox, *recorded = replies
        assert pairs(home) == model.home()
        assert pairs(refs) == model.stored_refs()
        assert scores(deadlines) == model.deadlines
        assert scores(jobs) == model.jobs
        assert scores(inbox) == model.inbox
        assert (length, audit, outbox) == (len(model.log), model.entries, model.notices)
        log = {int(place.split(b"-")[0]): fields[1] for place, fields in entries}
        assert log == {seq: data for seq, data in model.log.items() if seq > self.compared}
        assert list(log) == list(range(self.compared + 1, model.seq + 1)), "positions are dense"
        self.compared = model.seq
        for name, operation in zip(model.operations, recorded, strict=True):
            assert {k.decode(): v for k, v in pairs(operation).items()} == model.operations[name]

    @invariant()
    def at_most_one_turn_is_active(self) -> None:
        if self.model.alive:
            active = [turn.id for turn in self.model.turns if turn.status in ACTIVE]
            assert active == ([self.model.session.active] if self.model.session.active else [])
            queued = tuple(turn.id for turn in self.model.turns if turn.status == "queued")
            assert set(queued) == set(self.model.session.queue)
            muted = self.model.session.info.takeover is not None
            assert not queued or active or muted, "who ends a turn starts the next"

    @invariant()
    def a_decision_never_changes(self) -> None:
        for record in self.model.interrupts:
            if record.decision is not None:
                assert self.decided.setdefault(record.id, record.decision) == record.decision
            else:
                assert record.id not in self.decided

    @invariant()
    def nothing_wedges(self) -> None:
        model = self.model
        for turn in model.turns:
            match turn.status:
                case "ready":
                    assert turn.id in model.jobs or takeover.keeps_from_running(model.session, turn)
                case "running":
                    assert member("lease", turn.id) in model.deadlines
                    assert model.writers[turn.id][1], "its worker can write"
                case "waiting":
                    assert turn.open, "it waits for something"
                    assert not model.writers[turn.id][1], "nobody can write for it"
                case _:
                    pass
            if turn.status != "ready":
                assert turn.id not in model.jobs
            if turn.status != "finished":
                for name in turn.open:
                    self.is_pending(turn, name)
        assert set(model.inbox) == {record.id for record in model.interrupts if record.status == "open"}

    def is_pending(self, turn: TurnRecord, name: str) -> None:
        if name.startswith("timer "):
            operation = name.removeprefix("timer ")
            assert member("timer", turn.id, operation) in self.model.deadlines
            return
        record = self.model.interrupt(name)
        assert record.status == "open"
        assert (record.interrupt.expiresAt is None) == (member("expire", record.id) not in self.model.deadlines)

    # How they do it.

    def decide(self, who: str, commit: Commit, ref: str | None = None) -> None:
        if ref is not None:
            commit.by = CommandId(who, ref, f"digest-{ref}")
            commit.reply = commit.reply or msgspec.Raw(msgspec.json.encode({"ref": ref}))
        epoch = commit.by.fence.epoch if isinstance(commit.by, Writer) else self.model.epoch
        commit.epoch = self.model.epoch
        self.deeds[who] = Deed(commit, epoch)

    def perhaps_send(self, who: str, now: bool) -> None:
        if now:
            self.send(who)

    def send(self, who: str) -> Done | str:
        deed = self.sent[who] = self.deeds.pop(who)
        return self.attempt(deed)

    def perhaps_work(self, worker: str, now: bool, fence: Fence | None = None, *, heard: bool = True) -> None:
        if not now:
            return
        outcome = self.send(worker)
        deed = self.sent[worker]
        own = self.working.get(worker)
        if not heard:
            self.unheard(worker, own, deed)
            return
        if isinstance(outcome, Done) and deed.commit.label in ("take", "renew"):
            taken = next(put for put in deed.commit.puts if isinstance(put, TurnRecord))
            fence = fence or deed.commit.fences[taken.id]
            assert fence is not None
            self.working[worker] = Working(written(taken), fence)
        elif own is None:
            return
        elif isinstance(outcome, Done):
            self.heard(worker, own, deed.commit)
        elif outcome == "stale":
            self.look(worker)
        elif outcome == "epoch":
            self.renew(worker, own, deed.commit)
        else:
            del self.working[worker]

    def unheard(self, worker: str, own: Working | None, deed: Deed) -> None:
        by = deed.commit.by
        if own is not None and isinstance(by, Writer) and by.fence == own.fence:
            own.unheard = True
            self.deeds[worker] = deed

    def heard(self, worker: str, own: Working, commit: Commit) -> None:
        if not isinstance(commit.by, Writer) or commit.by.fence != own.fence:
            return
        own.number, own.unheard = max(own.number, commit.by.number), False
        for put in commit.puts:
            if isinstance(put, TurnRecord) and put.id == own.turn.id:
                own.turn = written(put)
        if own.turn.id in commit.fences:
            del self.working[worker]

    def look(self, worker: str) -> None:
        own = self.working.get(worker)
        if own is None:
            return
        own.unheard = False
        turn = self.model.records.get(f"t:{own.turn.id}")
        if isinstance(turn, TurnRecord) and turn.status == "running" and turn.takes == own.fence.number:
            own.turn = turn
        else:
            del self.working[worker]

    def renew(self, worker: str, own: Working, commit: Commit) -> None:
        """The store restarted: its worker goes on if nothing of its own was lost."""
        fence, held, number, _ = self.model.writers.get(own.turn.id, ("", False, 0, ""))
        if fence != str(own.fence) or number < own.number:
            del self.working[worker]
            return
        if number > own.number:
            self.heard(worker, own, commit)
        turn = self.model.records[f"t:{own.turn.id}"]
        if worker in self.working and held and isinstance(turn, TurnRecord):
            own.unheard = False
            renewing, _ = turns.renew(turn, self.model.epoch)
            self.decide(worker, renewing)
        else:
            self.working.pop(worker, None)

    def attempt(self, deed: Deed) -> Done | str:
        """Give it to both, and have both say the same."""
        commit = deed.commit
        verdict = self.model.judge(commit, deed.epoch, self.now_ms())
        commit.epoch = deed.epoch
        told = self.really(commit)
        word = told if isinstance(told, str) else ("again" if told.again else "done")
        World.outcomes[word] += 1
        World.labels[commit.label, word] += 1
        if verdict.word == "early or done":
            verdict.word = word
        assert word == verdict.word, f"{commit.label}: {verdict}"
        if isinstance(told, Done) and not told.again:
            self.apply(commit, told)
        elif isinstance(told, Done):
            shown = f"{told.first} {told.last} {told.at} {told.reply.decode()}".strip()
            assert shown == verdict.detail
        return told

    def really(self, commit: Commit) -> Done | str:
        try:
            outcome = self.do(self.door.commit(commit))
        except RefReused:
            return "reused"
        return outcome if isinstance(outcome, Done) else outcome.why

    def apply(self, commit: Commit, done: Done) -> None:
        model = self.model
        assert done.at >= model.at, "a session's clock never goes back"
        assert abs(done.at - max(model.at, self.now_ms())) < 1_000
        self.fence_is_the_last(commit)
        self.continues_once(commit)
        assert (done.first, done.last) == model.apply(commit, done.at)
        for turn, fence in commit.fences.items():
            if fence is not None:
                self.fences[turn] = fence

    def fence_is_the_last(self, commit: Commit) -> None:
        """Promise 10, without asking the model."""
        if isinstance(commit.by, Writer):
            assert commit.by.fence == self.fences[commit.by.turn]

    def continues_once(self, commit: Commit) -> None:
        """Promise 4: a turn that waits is carried on by whoever closes the last, and by nobody else."""
        for event in commit.events:
            if isinstance(event, TurnResumed):
                before = self.model.turn(event.turn)
                closes_last = before.status == "waiting" and len(before.open) == 1
                came_first = before.status == "running" and not before.open and commit.label == "resume"
                assert closes_last or came_first
                told = [
                    kind
                    for kind in map(decode, self.model.log.values())
                    if isinstance(kind, TurnResumed | TurnWaiting) and kind.turn == event.turn
                ]
                assert came_first or isinstance(told[-1], TurnWaiting)

    def starting(self, device: str) -> Commit:
        info = SessionInfo(SESSION, "agent", device, dict.fromkeys(DEVICES, "owner"), 1)
        sent = Sent(Message("m_start", "user", [{"type": "text", "text": "go"}]), None, device, "start")
        return conversation.start(info, "salt", Principal(device), sent, "1")

    def finishing(self, turn: TurnRecord, end: Any, **more: Any) -> Commit:
        session = self.model.session
        following = [self.model.turn(own_id) for own_id in ending.next_in_line(session, turn)]
        asked = [self.model.interrupt(name) for name in turn.open if f"i:{name}" in self.model.records]
        first = following[0] if following else None
        return ending.end(session, turn, first, asked, end, self.now_ms(), **more)

    def settling(self, name: str) -> Commit | None:
        """What the sweeper would do about a deadline."""
        kind, own_id, operation = parse(name)
        nothing_left = Commit(SESSION, "drop", due=[name], drop_deadlines=[name])
        if kind == "expire":
            record = self.model.interrupt(own_id)
            assert record.decision is None, "a closed interrupt has no deadline"
            turn = self.model.turn(record.interrupt.turn)
            return decisions.expire(self.model.session, turn, record, self.now_ms())
        turn = self.model.turn(own_id)
        if kind == "lease":
            return turns.lapse(turn) if turn.status == "running" else nothing_left
        timer = asking.timer_name(operation)
        return turns.ring(turn, operation, timer) if timer in turn.open else nothing_left

    def restart(self) -> None:
        self.runs += 1
        run = f"run{self.runs:09d}" + "0" * 28
        self.do(self.door.claim(run))
        assert self.door.epoch(SESSION) == self.model.claim(run)

    def some_interrupt(self, which: int) -> InterruptRecord:
        """Mostly one that is open."""
        known = self.model.interrupts
        open_ones = [record for record in known if record.status == "open"]
        chosen = open_ones if open_ones and which % 4 else known
        return chosen[which % len(chosen)]

    def next_of(self, own: Working) -> Writer:
        return Writer(own.turn.id, own.fence, own.number + 1)

    def seldom(self, what: str, times: int) -> bool:
        """What ends everything or changes nothing must not take all the steps."""
        return self.did[what] < times

    @property
    def idle(self) -> dict[str, Working]:
        """Workers that have a turn and know how it stands."""
        return {name: own for name, own in self.working.items() if not own.unheard}

    def of(self, who: tuple[str, ...], deeds: dict[str, Deed]) -> dict[str, Deed]:
        return {name: deeds[name] for name in who if name in deeds}

    def new_ref(self) -> str:
        self.count += 1
        return f"r{self.count}"

    def now_ms(self) -> int:
        return int(time.time() * 1_000) + self.offset_ms

    def do(self, awaitable: Any) -> Any:
        async def doing() -> Any:
            return await awaitable

        return self.loop.run_until_complete(doing())


def pick(among: dict[str, T], which: int) -> tuple[str, T]:
    names = sorted(among)
    name = names[which % len(names)]
    return name, among[name]


def written(turn: TurnRecord) -> TurnRecord:
    return msgspec.structs.replace(turn, version=turn.version + 1)


def pairs(rows: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(rows[::2], rows[1::2], strict=True))


def scores(rows: list[bytes]) -> dict[str, int]:
    return {name.decode(): int(float(score)) for name, score in pairs(rows).items()}


@pytest.fixture
def world(store: EmbeddedStore, store_url: str) -> Iterator[type[World]]:
    """The machine, connected to the store."""
    World.loop = asyncio.new_event_loop()
    World.steps, World.outcomes, World.labels = 0, Counter(), Counter()

    async def opening() -> None:
        World.connection = Connection(store_url, name="model", scripts=SCRIPTS)
        World.door = Door(World.connection, Keys(partitions=1))
        await World.connection.open()

    World.loop.run_until_complete(opening())
    yield World
    World.loop.run_until_complete(World.connection.close())
    World.loop.close()


@pytest.mark.timeout(400)
def test_the_store_does_what_the_core_decides(world: type[World]) -> None:
    run_state_machine_as_test(
        world,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
    sys.stdout.write(f"\n{world.steps} steps: {dict(world.outcomes)}\n")  # pytest shows it with -s, or if it fails
    assert world.steps >= STEPS_AT_LEAST
    assert all(world.outcomes[word] for word in ("again", "stale", "fenced", "skipped", "early", "epoch"))
