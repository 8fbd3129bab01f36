"""The newest events of a session, in memory, so that who joins in mid-stream catches up in one tick."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from holdfast.store.log import Entry

MAX_ENTRIES = 512
MAX_BYTES = 256 * 1024  # a quarter of what may wait for a device


class Step(NamedTuple):
    """From `start` to the event's own position: those between were erased, and it stands for them."""

    start: int
    entry: Entry


def steps(position: int, entries: Iterable[Entry]) -> list[Step]:
    """The steps from a position over entries that were read from the log right after it."""
    made: list[Step] = []
    for entry in entries:
        if entry.seq > position:
            made.append(Step(position + 1, entry))
            position = entry.seq
    return made


class Tail:
    """Steps from `start` on, each beginning where the one before it ended."""

    def __init__(self, start: int, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self.start = start
        self._steps: deque[Step] = deque()
        self._bytes = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes

    def append(self, step: Step) -> None:
        """Add the next one; the oldest go when there are too many."""
        self._steps.append(step)
        self._bytes += len(step.entry.data)
        while len(self._steps) > self._max_entries or self._bytes > self._max_bytes:
            oldest = self._steps.popleft().entry
            self._bytes -= len(oldest.data)
            self.start = oldest.seq

    def after(self, position: int) -> list[Step] | None:
        """All steps that lead on from a position; None if it does not reach back so far."""
        if position < self.start:
            return None
        newer: list[Step] = []
        for step in reversed(self._steps):
            if step.entry.seq <= position:
                break
            newer.append(step)
        return newer[::-1]
