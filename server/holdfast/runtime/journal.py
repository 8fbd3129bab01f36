"""The journal: what a turn has recorded, walked again from the top whenever its function is run again.

Operations are numbered in *places*: the first thing the agent's function asks for is place 1, the next one place 2;
all branches of one `turn.all` share a place. What the agent writes before place n is settled once an operation of
place n is recorded: a replay passes over it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec.structs import replace

from holdfast.core.errors import LimitReached, ReplayDiverged
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.operations import OPERATIONS_MAX, OPERATIONS_MAX_BYTES, Operation, OperationKind, operation_key


class Record:
    """What a turn has recorded: by its agent, and by all that this one had do something."""

    def __init__(self, operations: dict[str, Operation], interrupts: dict[str, InterruptRecord]) -> None:
        self.operations = operations
        self.interrupts = interrupts
        #: What they take together.
        self.bytes = sum(_size(operation) for operation in operations.values())
        #: So many operations and bytes the turn may have, as far as this run knows; and beyond, while a hook is asked.
        self.max, self.reserve = OPERATIONS_MAX, 0
        self.max_bytes, self.reserve_bytes = OPERATIONS_MAX_BYTES, 0
        #: Observed values (time, randomness) that the next commit records.
        self.observed: list[Operation] = []
        self._begun = {one.key: one.begun_ms for one in operations.values() if one.begun_ms is not None}

    def timed(self, operation: Operation, now_ms: int) -> Operation:
        """The operation as it is committed: with when it was first recorded, and when it was done."""
        begun_ms = self._begun.setdefault(operation.key, now_ms)
        return replace(operation, begun_ms=begun_ms, done_ms=now_ms if operation.status == "done" else None)

    def add(self, *operations: Operation) -> None:
        """These have been committed."""
        for operation in operations:
            before = self.operations.get(operation.key)
            self.bytes += _size(operation) - (_size(before) if before else 0)
            self.operations[operation.key] = operation

    def take_observed(self) -> list[Operation]:
        taken, self.observed = self.observed, []
        return taken


class Journal:
    """The operations of one function, as far as this run of it has come.

    `inside` is the operation that runs the function, for one that another agent has do something. Its operations have
    places of their own, counted from 1 again.
    """

    def __init__(self, record: Record, inside: str = "") -> None:
        self.recorded = record
        #: What the keys of its operations begin with.
        self.scope = f"{inside}/" if inside else ""
        #: Operations begun by the agent's function in this run.
        self.place = 0
        #: Calls and gates whose result this run has given to its function.
        self.given: list[str] = []
        self._counts: Counter[str] = Counter()
        self._reached: set[str] = set()
        self._keys_at: dict[int, set[str]] = {}
        for operation in record.operations.values():
            if _is_step_of_the_function(operation, self.scope):
                self._keys_at.setdefault(operation.place, set()).add(operation.key)
        #: The last place with a record, before this run.
        self.settled = max(self._keys_at, default=0)

    @property
    def last(self) -> int:
        """The last place with a record, by now."""
        return _last_place(self.operations, self.scope)

    @property
    def operations(self) -> dict[str, Operation]:
        """All of the turn's, by key."""
        return self.recorded.operations

    @property
    def interrupts(self) -> dict[str, InterruptRecord]:
        """Those that the turn has asked, by id."""
        return self.recorded.interrupts

    @property
    def writing_is_settled(self) -> bool:
        """What the function writes here was recorded by a former run: recorded text wins."""
        return self.place < self.settled

    @property
    def text_key(self) -> str:
        """The name under which text written here is streamed, until the next operation settles it."""
        return f"{self.scope}{text_key(self.place)}"

    def name(self, kind: OperationKind, name: str, inside: str = "") -> str:
        """The key of the next operation of this kind and name."""
        prefix = f"{inside}/" if inside else self.scope
        self._counts[f"{prefix}{kind}:{name}"] += 1
        return prefix + operation_key(kind, name, self._counts[f"{prefix}{kind}:{name}"])

    def upcoming(self, kind: OperationKind, name: str, ahead: int) -> str:
        """The key that `name` will give after `ahead` others of this kind and name."""
        return self.scope + operation_key(kind, name, self._counts[f"{self.scope}{kind}:{name}"] + ahead + 1)

    def again(self, inside: str) -> None:
        """The body of this call is run again: what it asks for has the same names as before."""
        for counted in [one for one in self._counts if one.startswith(f"{inside}/")]:
            del self._counts[counted]

    def enter(self, keys: Iterable[str]) -> int:
        """Begin the next place with these operations.

        Raises:
            ReplayDiverged: the record shows others there.
            LimitReached: the turn has too many operations.
        """
        self.place += 1
        begun, recorded = set(keys), self._keys_at.get(self.place, set())
        if missing := recorded - begun:
            raise ReplayDiverged(
                f"Operation {self.place} was {', '.join(sorted(missing))}; the code now asks for "
                f"{', '.join(sorted(begun))}."
            )
        if self.place < self.settled and (added := begun - recorded):
            raise ReplayDiverged(f"The code now asks for {', '.join(sorted(added))}, which the record does not have.")
        self._reached |= begun
        room = self.recorded.max + self.recorded.reserve - len(self.operations)
        if begun - recorded and len(begun - recorded) > room:
            raise LimitReached(f"A turn has at most {self.recorded.max} operations.", limit=self.recorded.max)
        if begun - recorded and self.recorded.bytes > self.recorded.max_bytes + self.recorded.reserve_bytes:
            most = self.recorded.max_bytes
            raise LimitReached(f"A turn records at most {most} bytes.", limit=most)
        return self.place

    def exceeded(self, count: int) -> Literal["operations", "bytes"] | None:
        """Of what so many more are too many here: now, or when this place was reached before."""
        if self.place < self.settled:
            return self._noted_next()
        if len(self.operations) + count > self.recorded.max:
            return "operations"
        return "bytes" if self.recorded.bytes > self.recorded.max_bytes else None

    def _noted_next(self) -> Literal["operations", "bytes"] | None:
        noted = [key.removeprefix(self.scope) for key in self._keys_at.get(self.place + 1, ())]
        if any(key.startswith("limit:operations:") for key in noted):
            return "operations"
        return "bytes" if any(key.startswith("limit:bytes:") for key in noted) else None

    def same_arguments(self, operation: Operation, input_hash: str | None) -> None:
        """A recorded call holds for the arguments that it was recorded with (promise 6).

        Raises:
            ReplayDiverged: the code now gives others.
        """
        if operation.inputHash != input_hash:
            raise ReplayDiverged(f"{operation.key} was recorded with other arguments than the code gives now.")

    def end(self) -> None:
        """The function returned: all that is recorded must have been asked for again.

        Raises:
            ReplayDiverged: something was not.
        """
        known = {key for keys in self._keys_at.values() for key in keys}
        if missing := known - self._reached:
            raise ReplayDiverged(f"The code ended without asking for {', '.join(sorted(missing))}.")

    def record(self, *operations: Operation) -> None:
        """These have been committed."""
        self.recorded.add(*operations)


def text_key(place: int) -> str:
    return f"text:{place}"


def is_void(op: str | None, operations: dict[str, Operation]) -> bool:
    """Whether a chunk streamed under `op` counts for nothing now that its worker is gone."""
    if op is None:
        return False
    inside, _, own = op.rpartition("/")
    if not own.startswith("text:"):
        return not _is_done(operations.get(op))
    if inside and _is_done(operations.get(inside)):
        return False
    scope = f"{inside}/" if inside else ""
    return int(own.removeprefix("text:")) >= _last_place(operations, scope)


def _last_place(operations: dict[str, Operation], scope: str) -> int:
    return max((one.place for one in operations.values() if _is_step_of_the_function(one, scope)), default=0)


def _is_done(operation: Operation | None) -> bool:
    return operation is not None and operation.status == "done"


def _size(operation: Operation) -> int:
    """What is large in an operation: what went in, and what came out."""
    return len(msgspec.json.encode((operation.input, operation.value)))


def _is_step_of_the_function(operation: Operation, scope: str) -> bool:
    own = operation.key.removeprefix(scope)
    return operation.kind != "observed" and operation.key.startswith(scope) and "/" not in own
