"""Limits of a turn: what it may use, and the hook that is asked before it ends for having used it."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.commit import Commit
from holdfast.core.errors import LimitReached
from holdfast.core.operations import (
    OPERATIONS_CEILING,
    OPERATIONS_CEILING_BYTES,
    OPERATIONS_RESERVE,
    OPERATIONS_RESERVE_BYTES,
    Operation,
)
from holdfast.runtime.execution import Asked, Execution


class Limit(msgspec.Struct, frozen=True):
    """What was used up."""

    #: "operations", "bytes" (of what they record), or a name of the author's own: "model calls".
    name: str
    max: int
    used: int

    @property
    def message(self) -> str:
        return f"The limit of {self.max} {self.name} is reached."


class GoOn(msgspec.Struct, frozen=True):
    """A hook's answer: use so many more before it is asked again."""

    more: int


class Allowance:
    """So many of something, counted as they are used."""

    def __init__(self, x: Execution, name: str, most: int) -> None:
        self._x, self._name = x, name
        self.max, self.used = most, 0

    async def use(self, count: int = 1) -> None:
        """Count what is about to be used. Over the limit the agent's `on_limit` decides; without one the turn fails."""
        while self.used + count > self.max:
            self.max += await over_limit(self._x, Limit(self._name, self.max, self.used))
        self.used += count


async def over_limit(x: Execution, limit: Limit) -> int:
    """Ask the agent's hook what is to become of the turn. Gives how much more it may use, or ends the turn here."""
    if x.on_limit is None or x.in_hook:
        return await x.give_up(LimitReached(limit.message, limit=limit.max, name=limit.name))
    record = x.journal.recorded
    x.in_hook, record.reserve = True, OPERATIONS_RESERVE
    record.reserve_bytes = max(0, record.bytes - record.max_bytes) + OPERATIONS_RESERVE_BYTES
    noted = await x.one(Asked(x, "limit", limit.name, lambda key, place: _noted(x, key, place, limit)))
    answer = await x.on_limit(noted)
    x.in_hook, record.reserve, record.reserve_bytes = False, 0, 0
    if isinstance(answer, GoOn) and answer.more > 0:
        return answer.more
    return await x.end_with(None if isinstance(answer, GoOn) else answer)


async def over_operations(x: Execution) -> None:
    """The turn has as many operations as it may have: have more granted, up to the ceiling, or end it."""
    record = x.journal.recorded
    if record.max >= OPERATIONS_CEILING:
        x.on_limit = None  # there is nothing left to grant
    more = await over_limit(x, Limit("operations", record.max, len(record.operations)))
    record.max = min(record.max + OPERATIONS_RESERVE + more, OPERATIONS_CEILING)  # what the hook used does not count


async def over_bytes(x: Execution) -> None:
    """The turn has recorded as much as it may: likewise. What is granted is never less than a hook has to spare, or a
    large result could have it asked again without end.
    """
    record = x.journal.recorded
    if record.max_bytes >= OPERATIONS_CEILING_BYTES:
        x.on_limit = None
    more = await over_limit(x, Limit("bytes", record.max_bytes, record.bytes))
    record.max_bytes = min(record.max_bytes + OPERATIONS_RESERVE_BYTES + more, OPERATIONS_CEILING_BYTES)


async def _noted(x: Execution, key: str, place: int, limit: Limit) -> Limit:
    """Record that it was reached here: a replay asks the hook at the same place, with the same numbers."""
    if (recorded := x.journal.operations.get(key)) is not None:
        return msgspec.convert(recorded.input, Limit)
    given: Any = msgspec.to_builtins(limit)
    operation = Operation(x.turn.id, key, "limit", "done", place=place, outcome="done", input=given)
    await x.writer.commit(lambda turn, by: Commit(turn.session, "record", by=by, operations=[operation]), x.journal)
    x.journal.record(operation)
    return limit
