"""Job sets: hints at turns that are ready, the longest waiting first."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.store import sessions
from tests.store.sessions import SESSION, done

from holdfast.core.commit import Commit, Job
from holdfast.store.door import Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.jobs import Jobs


@pytest.fixture
async def door(own_store: EmbeddedStore) -> AsyncIterator[Door]:
    async with sessions.opened(own_store) as opened:
        yield opened


async def test_a_turn_that_is_ready_is_hinted_at_until_it_is_taken(door: Door) -> None:
    jobs = Jobs(door.connection, door.keys)
    turn = await sessions.begin(door)
    assert await jobs.ready(["agent@1"], 10) == [turn.id]
    assert await jobs.ready(["agent@2", "other@1"], 10) == []
    await sessions.take(door)
    assert await jobs.ready(["agent@1"], 10) == []


async def test_who_waits_longest_comes_first_and_a_hint_is_there_once(door: Door) -> None:
    jobs = Jobs(door.connection, door.keys)
    await sessions.begin(door)
    for at, turn in enumerate(("a", "b", "a", "c")):
        await door.connection.execute("HSET", door.keys.meta(0), "clock_offset_ms", 1_000 * (at + 1))
        await done(door, Commit(SESSION, "hint", jobs=[Job(turn, "x@1")]))
    assert await jobs.ready(["x@1"], 10) == ["b", "a", "c"]
    assert await jobs.ready(["x@1"], 2) == ["b", "a"]


async def test_what_is_ready_for_long_is_found_by_queue(door: Door) -> None:
    jobs = Jobs(door.connection, door.keys)
    turn = await sessions.begin(door)
    now_ms = (await door.read(SESSION)).now_ms
    assert await jobs.older_than(0, now_ms + 1) == {"agent@1": [turn.id]}
    assert await jobs.older_than(0, now_ms - 60_000) == {}
