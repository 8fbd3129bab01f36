"""The calls that are under way on one server: so many at once, and each can be taken back by whoever made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import anyio

from holdfast.core.errors import LimitReached

#: Who made a call, in which session of the protocol, under which number. None: in no session; it ends with its
#: connection.
Call = tuple[str, str, str | int]


class UnderWay:
    """Calls of many agents. Each holds memory and a place at the hub while people think."""

    def __init__(self, calls_max: int = 2_000, of_one_max: int = 100) -> None:
        self._max, self._of_one_max = calls_max, of_one_max
        self._of: Counter[str] = Counter()
        self._scopes: dict[Call, anyio.CancelScope] = {}

    @contextmanager
    def one(self, subject: str, call: Call | None) -> Generator[anyio.CancelScope]:
        """While a call runs. Raises LimitReached: there are too many, here or of this subject."""
        self._check(subject)
        self._of[subject] += 1
        scope = anyio.CancelScope()
        if call is not None:
            self._scopes[call] = scope
        try:
            with scope:
                yield scope
        finally:
            self._of[subject] -= 1
            if not self._of[subject]:
                del self._of[subject]
            if call is not None and self._scopes.get(call) is scope:
                del self._scopes[call]

    def cancel(self, call: Call) -> None:
        """Take a call back. One that is not here, or is over, is let be."""
        if (scope := self._scopes.get(call)) is not None:
            scope.cancel()

    def _check(self, subject: str) -> None:
        if self._of[subject] >= self._of_one_max:
            raise LimitReached(f"At most {self._of_one_max} calls of yours wait at once.", limit=self._of_one_max)
        if self._of.total() >= self._max:
            raise LimitReached(f"At most {self._max} calls wait here at once.", limit=self._max)
