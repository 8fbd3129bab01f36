"""How long to wait before the next attempt: exponential, with full jitter.

Full jitter (anything between nothing and the limit), so that all nodes that lost one store do not
come back to it in the same instant.
"""

from __future__ import annotations

import random

FIRST_MS = 50  # a store that was restarted answers again within some 40 ms
LIMIT_MS = 2_000


class Backoff:
    """The waits between attempts that fail; `reset` after one that succeeds."""

    def __init__(self, first_ms: int = FIRST_MS, limit_ms: int = LIMIT_MS) -> None:
        self._first_ms = first_ms
        self._limit_ms = limit_ms
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to sleep now; the range doubles with every call up to the limit."""
        # 2**16 is past any sensible limit; without a cap the power grows for as long as a store is down.
        range_ms = min(self._limit_ms, self._first_ms * 2 ** min(self._failures, 16))
        self._failures += 1
        return random.uniform(0, range_ms) / 1000
