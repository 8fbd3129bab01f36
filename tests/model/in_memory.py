"""The store as it should be, in Python: what a commit does to one session and its partition.

Written from what commit.lua promises, not from its text; `test_model.py` holds the two against each other.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from holdfast.core.commit import CommandId, Commit, Writer
from holdfast.core.events import encode
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.records import Record
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.store.instructions import stored
from holdfast.store.keys import call_field, field

AMBIGUOUS_MS = 1_500  # a deadline this near may be early or due: the store has a clock of its own


class Verdict(msgspec.Struct):
    """What commit.lua must answer; `detail` of `again` is the stored result."""

    word: str
    detail: str = ""


class InMemory:
    """One session's part of a partition. `copy()` is an older copy of the store."""

    def __init__(self) -> None:
        self.generation, self.run, self.epoch = 0, "", ""
        self.alive = False
        self.seq = self.at = self.floor = 0
        self.records: dict[str, Record] = {}
        self.calls: dict[str, str] = {}
        #: turn → fence, held, number, (first, last, at)
        self.writers: dict[str, tuple[str, bool, int, str]] = {}
        self.refs: dict[tuple[str, str], tuple[str, str, bytes]] = {}
        self.log: dict[int, bytes] = {}
        self.operations: dict[str, dict[str, bytes]] = {}
        self.deadlines: dict[str, int] = {}
        self.jobs: dict[str, int] = {}
        self.inbox: dict[str, int] = {}
        self.entries = self.notices = 0

    def copy(self) -> InMemory:
        same = copy.copy(self)
        for name in ("records", "calls", "writers", "refs", "log", "deadlines", "jobs", "inbox"):
            setattr(same, name, dict(getattr(self, name)))
        same.operations = {turn: dict(recorded) for turn, recorded in self.operations.items()}
        return same

    def claim(self, run: str) -> str:
        """The store is another run of itself."""
        if run != self.run:
            self.generation += 1
            self.run, self.epoch = run, f"{self.generation}-{run[:12]}"
        return self.epoch

    # Reading.

    @property
    def session(self) -> SessionRecord:
        return self.records["rec"]  # type: ignore[return-value]

    def turn(self, own_id: str) -> TurnRecord:
        return self.records[f"t:{own_id}"]  # type: ignore[return-value]

    def interrupt(self, own_id: str) -> InterruptRecord:
        return self.records[f"i:{own_id}"]  # type: ignore[return-value]

    @property
    def turns(self) -> list[TurnRecord]:
        return [record for record in self.records.values() if isinstance(record, TurnRecord)]

    @property
    def interrupts(self) -> list[InterruptRecord]:
        return [record for record in self.records.values() if isinstance(record, InterruptRecord)]

    # Judging a commit.

    def judge(self, commit: Commit, epoch: str, now_ms: int) -> Verdict:
        """What must come of it. `done` changes nothing yet: `apply` does, at the time that the store says."""
        if epoch != self.epoch:
            return Verdict("epoch", self.epoch)
        match commit.by:
            case CommandId(subject, ref, digest) if (subject, ref) in self.refs:
                known, result, reply = self.refs[subject, ref]
                if known != digest:
                    return Verdict("reused")
                return Verdict("again", f"{result} {reply.decode()}".strip())
            case Writer():
                verdict = self._judge_writer(commit.by)
                if verdict is not None:
                    return verdict
            case _:
                pass
        if commit.creates:
            return Verdict("exists") if self.alive else Verdict("done")
        if not self.alive:
            return Verdict("missing")
        return self._judge_guards(commit, max(now_ms, self.at))

    def _judge_writer(self, by: Writer) -> Verdict | None:
        fence, held, number, result = self.writers.get(by.turn, ("", False, 0, ""))
        if fence == str(by.fence) and by.number <= number:
            return Verdict("again", result)
        if fence != str(by.fence) or not held:
            return Verdict("fenced")
        return Verdict("skipped", str(number)) if by.number > number + 1 else None

    def _judge_guards(self, commit: Commit, now_ms: int) -> Verdict:
        for record in (*commit.puts, *commit.guards):
            name = field(record.kind, record.id)
            current = self.records.get(name)
            if (current.version if current else 0) != record.version:
                return Verdict("stale", name)
        for name in commit.due:
            if name not in self.deadlines:
                return Verdict("stale", name)
            if abs(self.deadlines[name] - now_ms) < AMBIGUOUS_MS:
                return Verdict("early or done")
            if self.deadlines[name] > now_ms:
                return Verdict("early")
        return Verdict("done")

    # Applying it.

    def apply(self, commit: Commit, at: int) -> tuple[int, int]:
        """Let it be true, at this time; the positions of its events."""
        self.alive, self.at = True, at
        first = self.seq + 1
        for event in commit.events:
            self.seq += 1
            self.log[self.seq] = encode(event)
        result = f"{first} {self.seq} {at}"
        match commit.by:
            case CommandId(subject, ref, digest):
                reply = bytes(commit.reply) if commit.reply is not None else b""
                self.refs[subject, ref] = (digest, result, reply)
            case Writer(turn, fence, number):
                self.writers[turn] = (str(fence), True, number, result)
            case _:
                pass
        self._put(commit)
        self._sets(commit, at)
        self.entries += len(commit.audit)
        self.notices += len(commit.notices)
        for position in commit.erases:
            self.log.pop(position, None)
        return first, self.seq

    def _put(self, commit: Commit) -> None:
        for record in commit.puts:
            if isinstance(record, InterruptRecord) and record.version == 0 and record.interrupt.toolCallId:
                shown = record.interrupt
                self.calls[call_field(shown.kind, shown.toolCallId)] = shown.id  # type: ignore[arg-type]
            written = msgspec.structs.replace(record, version=record.version + 1)
            self.records[field(record.kind, record.id)] = written
        for turn, fence in commit.fences.items():
            if fence is not None:
                self.writers[turn] = (str(fence), True, 0, "0 0 0")
            elif turn in self.writers:
                known, _, number, result = self.writers[turn]
                self.writers[turn] = (known, False, number, result)
        for operation in commit.operations:
            recorded = self.operations.setdefault(operation.turn, {})
            recorded[operation.key] = msgspec.json.encode(operation)

    def _sets(self, commit: Commit, at: int) -> None:
        for name in commit.drop_deadlines:
            self.deadlines.pop(name, None)
        for deadline in commit.set_deadlines:
            due = deadline.due_ms if deadline.due_ms is not None else at + deadline.in_ms
            self.deadlines[deadline.member] = due
        for job in commit.drop_jobs:
            self.jobs.pop(job.turn, None)
        for job in commit.jobs:
            self.jobs[job.turn] = at
        for name in commit.inbox_drop:
            self.inbox.pop(name, None)
        for name in commit.inbox_add:
            self.inbox[name] = at

    # As the real one would show it.

    def home(self) -> dict[bytes, bytes]:
        """All fields of the session's hash."""
        if not self.alive:
            return {}
        shown: dict[str, Any] = {"alive": "1", "seq": str(self.seq), "at": str(self.at), **self.calls}
        for name, record in self.records.items():
            shown[name] = stored(msgspec.structs.replace(record, version=record.version - 1))
        for turn, (fence, held, number, result) in self.writers.items():
            shown[f"w:{turn}"] = f"{'' if held else '-'}{fence} {number} {result}"
        return {name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in shown.items()}

    def stored_refs(self) -> dict[bytes, bytes]:
        return {
            f"{len(subject)}:{subject}:{ref}".encode(): f"{digest} {result} ".encode() + reply
            for (subject, ref), (digest, result, reply) in self.refs.items()
        }
