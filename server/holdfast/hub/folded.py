"""The folded state of a session, for those who come without a past. Brought up to date only when one comes.

Live events are passed on without being decoded; what was not folded since the last time is in the feed's
tail, or else in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from holdfast.core import events, folding
from holdfast.core.folding import State
from holdfast.hub.tail import Tail
from holdfast.store.log import Entry, Log

PAGE = 200  # events of one read
SLICE = 50  # events folded before others get their turn: about half a millisecond


class EpochChanged(Exception):
    """The log is of another epoch than the feed believes: the feed must look first."""


class Place(Protocol):
    """Where the feed is."""

    @property
    def epoch(self) -> str: ...

    @property
    def tail(self) -> Tail: ...


class Folded:
    """A state that can be forgotten at any time: the log and its checkpoint bring it back."""

    def __init__(self, session: str, log: Log) -> None:
        self._session = session
        self._log = log
        self._state: State | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """Whether there is anything to forget."""
        return self._state is not None

    def forget(self) -> None:
        """Keep nothing: it takes memory, or is of another past."""
        self._state = None

    @asynccontextmanager
    async def up_to(self, feed: Place) -> AsyncGenerator[State]:
        """The state, at least up to where the feed is when the context begins. Await nothing within it.

        Raises:
            EpochChanged: let the feed look, and try again.
            NotFound, Gone, Unavailable: as reading the log does.
        """
        async with self._one_at_a_time:
            yield await self._bring_up(feed)

    async def _bring_up(self, feed: Place) -> State:
        # The log is asked each time, if only for its head: a wake-up may be late, and who has written
        # something and attaches then must find it.
        up_to_date = False
        while True:
            state = self._state
            if state is None:
                state = self._state = State(epoch=feed.epoch)
            newer = feed.tail.after(state.seq)
            if newer is not None:
                _fold(state, [step.entry for step in newer])
                if up_to_date:
                    return state
            up_to_date = await self._read_on(feed, state)

    async def _read_on(self, feed: Place, state: State) -> bool:
        """Fold the next page of the log; whether it was the last."""
        page = await self._log.page(self._session, state.seq, PAGE)
        if page.epoch != feed.epoch or page.head < state.seq:
            raise EpochChanged
        if page.floor > state.seq:
            await self._from_checkpoint(feed)
            return False
        for start in range(0, len(page.entries), SLICE):
            _fold(state, page.entries[start : start + SLICE])
            await asyncio.sleep(0)
        if len(page.entries) == PAGE:
            return False
        state.seq = max(state.seq, page.head)
        return True

    async def _from_checkpoint(self, feed: Place) -> None:
        """Begin with what stands for the part of the log that was trimmed."""
        data = await self._log.folded(self._session)
        if data is not None:
            self._state = folding.load(data)
            self._state.epoch = feed.epoch


def _fold(state: State, entries: Iterable[Entry]) -> None:
    for entry in entries:
        folding.fold(state, entry.seq, entry.at, events.decode(entry.data))
