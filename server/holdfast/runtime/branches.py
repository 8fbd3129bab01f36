"""Branches: how many threads of one turn's function are alive, and whether all of them wait for people."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager


def was_asked_to_stop() -> bool:
    """Whether a CancelledError is meant for this task, and not for something that it awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class Branches:
    """Counts what a turn is doing, so that its worker knows when nothing can go on."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        #: The function itself, or the branches of its `turn.all`.
        self._alive = 1
        self._waiting: dict[asyncio.Task[object] | None, str] = {}
        self._racing = False
        #: The function waits for the losers of a race to come to rest, and goes on then.
        self._won = False
        self._moved = asyncio.Event()
        #: Effects under way: their results are recorded before the turn stops for anything.
        self.executing = 0
        #: Effects that would be in doubt, should the worker let go before what they are part of is recorded.
        self.holding = 0

    @property
    def all_wait(self) -> bool:
        return self._alive > 0 and not self._won and len(self._waiting) >= self._alive

    @property
    def race(self) -> tuple[str, ...]:
        """What the branches wait for, if the first answer is enough to go on."""
        return tuple(self._waiting.values()) if self._racing else ()

    async def suspend(self, name: str) -> None:
        """Wait for `name`, which comes only when the function is run again. Never returns."""
        task = asyncio.current_task()
        self._waiting[task] = name
        self._tell()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            del self._waiting[task]

    def split(self, branches: int, *, racing: bool = False) -> None:
        """The function waits for so many branches of its own: for all of them, or for the first."""
        self._alive, self._racing, self._won = branches, racing, False

    def joined(self) -> None:
        """One of them has ended."""
        self._alive -= 1
        self._won = self._racing
        self._tell()

    async def rest(self) -> None:
        """Return when each of them has ended or waits: nothing of theirs is under way."""
        while len(self._waiting) < self._alive:
            self._moved.clear()
            await self._moved.wait()

    def whole(self) -> None:
        """All have: the function goes on by itself."""
        self._alive, self._racing, self._won = 1, False, False

    def _tell(self) -> None:
        self._changed.set()
        self._moved.set()

    @contextmanager
    def effect(self) -> Generator[None]:
        """An effect is under way until its result is recorded."""
        self.executing += 1
        try:
            yield
        finally:
            self.executing -= 1
            self._changed.set()
