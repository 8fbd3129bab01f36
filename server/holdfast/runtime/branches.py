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
        self._waiting: set[asyncio.Task[object] | None] = set()
        #: Effects under way: their results are recorded before the turn stops for anything.
        self.executing = 0

    @property
    def all_wait(self) -> bool:
        return self._alive > 0 and len(self._waiting) >= self._alive

    async def suspend(self) -> None:
        """Wait for something that comes only when the function is run again. Never returns."""
        self._waiting.add(asyncio.current_task())
        self._changed.set()
        await asyncio.get_running_loop().create_future()

    def split(self, branches: int) -> None:
        """The function waits for so many branches of its own."""
        self._alive = branches

    def joined(self) -> None:
        """One of them has ended."""
        self._alive -= 1
        self._changed.set()

    def whole(self) -> None:
        """All have: the function goes on by itself."""
        self._alive = 1

    @contextmanager
    def effect(self) -> Generator[None]:
        """An effect is under way until its result is recorded."""
        self.executing += 1
        try:
            yield
        finally:
            self.executing -= 1
            self._changed.set()
