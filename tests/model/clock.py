"""The clock, which settles what is due, and what becomes of the store itself: restarts, and older copies."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.model.ground import EXPIRES_MS, SESSION, Deed, Ground, places

from holdfast.core import asking, claiming, decisions, escalation, turns
from holdfast.core.commit import Commit
from holdfast.core.deadlines import parse
from holdfast.core.people import People
from holdfast.core.turns import LEASE_MS

NOBODY_AWAY = People({}, {}, learning=True)


class Clock(Ground):
    """What happens by itself."""

    @precondition(lambda self: self.seldom("time", 8))
    @rule(ms=st.sampled_from([5_000, LEASE_MS + 2_000, EXPIRES_MS + 5_000]))
    def time_passes(self, ms: int) -> None:
        self.did["time"] += 1
        self.advance(ms)

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

    def settling(self, name: str) -> Commit | None:
        """What the sweeper would do about a deadline."""
        kind, own_id, operation = parse(name)
        nothing_left = Commit(SESSION, "drop", due=[name], drop_deadlines=[name])
        if kind == "expire":
            record = self.model.interrupt(own_id)
            assert record.decision is None, "a closed interrupt has no deadline"
            turn = self.model.turn(record.interrupt.turn)
            return decisions.expire(self.model.session, turn, record, self.now_ms())
        if kind in ("rung", "claim"):
            record = self.model.interrupt(own_id)
            assert record.decision is None, "likewise"
            if kind == "claim":
                return claiming.lapse(record)
            return escalation.climb(self.model.session, record, NOBODY_AWAY, self.now_ms())
        turn = self.model.turn(own_id)
        if kind == "lease":
            return turns.lapse(turn) if turn.status == "running" else nothing_left
        timer = asking.timer_name(operation)
        return turns.ring(turn, operation, timer) if timer in turn.open else nothing_left

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
