"""The newest events of a session, in memory, so that who joins in mid-stream catches up in one tick."""

from __future__ import annotations

from collections import deque

from holdfast.store.log import Entry

MAX_ENTRIES = 512
MAX_BYTES = 256 * 1024  # a quarter of what may wait for a device


class Tail:
    """Events after `start`, without a hole, save where the log has none either."""

    def __init__(self, start: int, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self.start = start
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes

    def append(self, entry: Entry) -> None:
        """Add the next event; the oldest go when there are too many."""
        self._entries.append(entry)
        self._bytes += len(entry.data)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            oldest = self._entries.popleft()
            self._bytes -= len(oldest.data)
            self.start = oldest.seq

    def after(self, position: int) -> list[Entry] | None:
        """All events after a position; None if it does not reach back so far."""
        if position < self.start:
            return None
        newer: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.seq <= position:
                break
            newer.append(entry)
        return newer[::-1]
