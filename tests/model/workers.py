"""Workers: they take turns, ask, sleep, stream, record, wait, finish, miss replies and die."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.model.ground import EXPIRES_MS, SESSION, WORKERS, Deed, Ground, Working, pick, places, workers

from holdfast.core import arriving, asking, ids, takeover, turns
from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit, Fence, Writer
from holdfast.core.events import ChunkWritten
from holdfast.core.interrupts import REASONS, Approvers, Interrupt
from holdfast.core.operations import Operation
from holdfast.core.turns import TurnRecord
from holdfast.store.door import Done

#: What is asked: of one, of several in each of the ways in which they may differ, or of a device that does it.
QUESTIONS: list[dict[str, Any]] = [
    {"kind": "approval"},
    {"kind": "approval", "approvers": Approvers(quorum=2), "editable": True},
    {"kind": "approval", "approvers": Approvers(quorum=2, conflict="unanimous")},
    {"kind": "approval", "approvers": Approvers(quorum=2, conflict="escalate"), "onExpiry": "escalate"},
    {"kind": "client_tool"},
    {"kind": "client_tool"},  # as often as two of the others
]
questions = st.sampled_from(QUESTIONS)


class Workers(Ground):
    """What is done by those who run turns."""

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
    @rule(
        which=places, expires=st.booleans(), what=questions, then=st.sampled_from(["asks", "waits", "waits", "later"])
    )
    def a_worker_asks(self, which: int, expires: bool, what: dict[str, Any], then: str) -> None:
        worker, own = pick(self.idle, which)
        self.ask(worker, own, expires, what)
        self.perhaps_work(worker, then != "later")
        if then == "asks" and worker in self.idle:
            self.ask(worker, own, expires, what)
            self.perhaps_work(worker, True)
        if then in ("asks", "waits") and worker in self.idle:
            self.decide(worker, turns.wait(own.turn, self.next_of(own)))
            self.perhaps_work(worker, True)

    def ask(self, worker: str, own: Working, expires: bool, what: dict[str, Any]) -> None:
        self.count += 1
        now_ms, key = self.now_ms(), f"tool:pay:{self.count}"
        amount = {"amount": self.count}
        shown = Interrupt(
            id=ids.interrupt_id(own.turn.id, key),
            session=SESSION,
            turn=own.turn.id,
            reason=REASONS[what["kind"]],
            toolCallId=ids.call_id(own.turn.id, key),
            toolName="pay",
            input=amount,
            inputHash=input_hash(amount),
            openedAt=now_ms,
            expiresAt=now_ms + EXPIRES_MS if expires else None,
            **what,
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

    def next_of(self, own: Working) -> Writer:
        return Writer(own.turn.id, own.fence, own.number + 1)

    @property
    def idle(self) -> dict[str, Working]:
        """Workers that have a turn and know how it stands."""
        return {name: own for name, own in self.working.items() if not own.unheard}


def written(turn: TurnRecord) -> TurnRecord:
    return msgspec.structs.replace(turn, version=turn.version + 1)
