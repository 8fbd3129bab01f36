"""A feed: a session's events for one reader, bounded."""

from __future__ import annotations

import asyncio
from collections import deque

from holdfast.client.attachment import Renewed, Seen
from holdfast.core.errors import HoldfastError

FEED_MAX = 1_000  # events that wait for one reader; beyond it they become one Renewed


class Feed:
    """An endless iterator over what happens. A reader that is too slow holds up nobody."""

    def __init__(self, error: HoldfastError | None = None) -> None:
        self._waiting: deque[Seen | Renewed] = deque()
        self._news = asyncio.Event()
        self._error = error

    def put(self, news: Seen | Renewed) -> None:
        """Something happened."""
        if len(self._waiting) >= FEED_MAX:
            gap = isinstance(news, Renewed) and news.gap
            self._waiting.clear()
            news = Renewed(news.seq, gap)
        self._waiting.append(news)
        self._news.set()

    def end(self, error: HoldfastError) -> None:
        """Nothing will happen any more."""
        self._error = error
        self._news.set()

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Seen | Renewed:
        while not self._waiting:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()
