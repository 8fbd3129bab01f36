"""Branches: how many threads of one turn's function are alive, and whether all of them wait for people."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def was_asked_to_stop() -> bool:
    """Whether a CancelledError is meant for this task, and not for something that it awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class Split:
    """Threads of a function that go on side by side, with those into which they split in turn."""

    def __init__(self, alive: int, around: Split | None = None, *, racing: bool = False) -> None:
        self.alive, self.left, self.racing = alive, alive, racing
        self.waiting: dict[asyncio.Task[object] | None, str] = {}
        #: Of a race: the function waits for the losers to come to rest, and goes on then.
        self.won = False
        self._around = around

    @property
    def all_wait(self) -> bool:
        return len(self.waiting) >= self.alive

    def outwards(self) -> Iterator[Split]:
        """This one, what it is part of, and so on."""
        split: Split | None = self
        while split is not None:
            yield split
            split = split._around


_within: ContextVar[Split] = ContextVar("the threads among which this task is one")


class Branches:
    """Counts what a turn is doing, so that its worker knows when nothing can go on."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        self._all = Split(1)
        self._races: list[Split] = []
        self._moved = asyncio.Event()
        #: Effects under way: their results are recorded before the turn stops for anything.
        self.executing = 0
        #: Effects that would be in doubt, should the worker let go before what they are part of is recorded.
        self.holding = 0

    @property
    def all_wait(self) -> bool:
        return self._all.all_wait and not any(race.won for race in self._races)

    @property
    def race(self) -> tuple[str, ...]:
        """What is waited for where the first answer is enough to go on."""
        return tuple(dict.fromkeys(name for race in self._races for name in race.waiting.values()))

    async def suspend(self, name: str) -> None:
        """Wait for `name`, which comes only when the function is run again. Never returns."""
        task, threads = asyncio.current_task(), list(self._here.outwards())
        for split in threads:
            split.waiting[task] = name
        self._tell()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for split in threads:
                del split.waiting[task]

    def split(self, branches: int, *, racing: bool = False) -> Split:
        """This thread waits for so many of its own: for all of them, or for the first. Each has to `begin`."""
        for split in self._here.outwards():
            split.alive += branches - 1
        made = Split(branches, self._here, racing=racing)
        if racing:
            self._races.append(made)
        return made

    def begin(self, split: Split) -> None:
        """This task is one of them."""
        _within.set(split)

    def joined(self, split: Split) -> None:
        """One of them has ended. After the last one, the thread that waits for them goes on in its place."""
        split.left -= 1
        split.alive -= 1
        for outer in list(split.outwards())[1:]:
            outer.alive -= split.left > 0
        split.won = split.racing
        self._tell()

    async def rest(self, split: Split) -> None:
        """Return when each of them has ended or waits: nothing of theirs is under way."""
        while not split.all_wait:
            self._moved.clear()
            await self._moved.wait()

    def whole(self, split: Split) -> None:
        """All have ended: the thread goes on by itself."""
        if split.racing:
            self._races.remove(split)

    @property
    def _here(self) -> Split:
        return _within.get(self._all)

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
