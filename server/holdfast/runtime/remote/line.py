"""The line: workers that wait for turns, in the order in which they came. Woken by the job, not by asking again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from holdfast.core.errors import LimitReached

WAITING_MAX = 1_000  # workers that wait at one server

#: Has the line told what the partitions' wake channels say.
Listen = Callable[[Callable[[bytes], None]], Awaitable[None]]


class _Place(msgspec.Struct, frozen=True, eq=False):
    queues: frozenset[str]
    news: asyncio.Event


class Line:
    """Who waits for which queues. It listens from the first who does on."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._listening: asyncio.Task[None] | None = None
        self._places: dict[_Place, None] = {}

    @asynccontextmanager
    async def place(self, queues: frozenset[str], news: asyncio.Event) -> AsyncGenerator[None]:
        """While somebody waits: `news` is set when there may be a turn.

        Raises:
            LimitReached: too many wait at this server.
        """
        if len(self._places) >= WAITING_MAX:
            raise LimitReached(f"At most {WAITING_MAX} workers wait at one server.", limit=WAITING_MAX)
        place = _Place(queues, news)
        self._places[place] = None
        try:
            await self._heard()
            yield
        finally:
            del self._places[place]

    def woken(self, payload: bytes) -> None:
        """What a partition's wake channel said. Never blocks."""
        for line in payload.decode().splitlines():
            match line.split(" "):
                case ["job", queue, _]:
                    self.call(queue)
                case _:
                    pass

    def call(self, queue: str) -> None:
        """There is a turn of this queue: the first who waits for it and was not called yet is."""
        for place in self._places:
            if queue in place.queues and not place.news.is_set():
                place.news.set()
                return

    async def _heard(self) -> None:
        """Listen, once for all. Who comes while it begins waits for the same; where it fails, the next one tries."""
        if self._listening is None or (self._listening.done() and not _succeeded(self._listening)):
            self._listening = asyncio.create_task(_listening(self._listen(self.woken)), name="line of workers")
        await asyncio.shield(self._listening)


async def _listening(begun: Awaitable[None]) -> None:
    await begun


def _succeeded(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is None
