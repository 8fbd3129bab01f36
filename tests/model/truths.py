"""Truths: what is so after every step, whatever was done."""

from __future__ import annotations

from hypothesis.stateful import invariant
from tests.model.ground import SESSION, Ground

from holdfast.core import branches, decisions, takeover, voting
from holdfast.core.deadlines import member
from holdfast.core.turns import TurnRecord

ACTIVE = ("ready", "running", "waiting", "blocked")


class Truths(Ground):
    """The promises, and that the two stores are the same."""

    def teardown(self) -> None:
        if self.model.alive:
            self.compared = 0
            self.the_store_is_as_it_should_be()

    @invariant()
    def the_store_is_as_it_should_be(self) -> None:
        """The real one and the one in Python are the same."""
        type(self).steps += 1
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
            active = [turn.id for turn in self.model.turns if turn.status in ACTIVE and not turn.external]
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
                    assert turn.external or not model.writers[turn.id][1], "nobody can write for it"
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

    @invariant()
    def votes_decide_as_they_were_to(self) -> None:
        """Nobody votes twice, no vote counts for other arguments, and what was decided is what the votes say."""
        for record in self.model.interrupts:
            shown, approvers = record.interrupt, record.interrupt.approvers
            voters = [vote.by.id for vote in shown.votes]
            assert len(set(voters)) == len(voters)
            assert all(vote.inputHash == voting.effective_hash(shown) for vote in shown.votes)
            if shown.votes and record.status == "open" and not shown.tied:
                assert voting.decides(shown) is None
            by_people = record.decision is not None and record.decision.by.kind == "person"
            if approvers is not None and approvers.quorum > 1 and record.status == "resolved" and by_people:
                assert record.decision is not None
                assert voting.decides(shown) is decisions.approves(record.decision)

    @invariant()
    def a_device_has_a_call_for_a_while(self) -> None:
        """A claim on a client tool ends by itself, and with the call; any other is only shown."""
        for record in self.model.interrupts:
            ends = member("claim", record.id) in self.model.deadlines
            assert ends == (record.leased and record.status == "open" and record.interrupt.claim is not None)

    @invariant()
    def gates_are_open_while_their_turns_wait(self) -> None:
        if self.model.alive:
            waiting = {turn.id for turn in self.model.turns if turn.external and turn.status == "waiting"}
            assert set(self.model.session.gates) == waiting
            assert all(turn.id not in self.model.jobs for turn in self.model.turns if turn.external)

    @invariant()
    def what_is_to_come_stands_on_the_branch_that_is_shown(self) -> None:
        if not self.model.alive:
            return
        info = self.model.session.info
        known = [own.id for own in info.branches]
        assert len(set(known)) == len(known)
        assert info.branch in (branches.ROOT, *known)
        for turn in self.model.turns:
            assert turn.branch in (branches.ROOT, *known)
            if turn.status == "queued" or (turn.id == self.model.session.active and turn.cancel is None):
                assert turn.branch == info.branch


def pairs(rows: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(rows[::2], rows[1::2], strict=True))


def scores(rows: list[bytes]) -> dict[str, int]:
    return {name.decode(): int(float(score)) for name, score in pairs(rows).items()}
