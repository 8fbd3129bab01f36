"""Deadlines: found when they have come, put back when they cannot be settled, given up in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.store import sessions
from tests.store.sessions import SESSION, done

from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline
from holdfast.store.deadlines import BACKOFF_MS, FAILURES_MAX, SWEEP_MAX, Deadlines
from holdfast.store.door import Door
from holdfast.store.embedded import EmbeddedStore


@pytest.fixture
async def door(own_store: EmbeddedStore) -> AsyncIterator[Door]:
    async with sessions.opened(own_store) as opened:
        await sessions.begin(opened)
        yield opened


async def test_only_what_has_come_is_found_the_oldest_first(door: Door) -> None:
    set_deadlines = [
        Deadline("timer", "late", in_ms=60_000),
        Deadline("timer", "second", due_ms=2),
        Deadline("timer", "first", due_ms=1),
    ]
    await done(door, Commit(SESSION, "set", set_deadlines=set_deadlines))
    deadlines = Deadlines(door.connection, door.keys)
    now_ms, names = await deadlines.due(0)
    assert names == ["timer first", "timer second"]
    assert abs(now_ms - (await door.read(SESSION)).now_ms) < 1_000
    await door.connection.execute("HSET", door.keys.meta(0), "clock_offset_ms", 61_000)
    assert (await deadlines.due(0))[1][-1] == "timer late"


async def test_a_sweep_is_bounded(door: Door) -> None:
    many = [Deadline("timer", str(n), due_ms=n) for n in range(SWEEP_MAX + 50)]
    await done(door, Commit(SESSION, "set", set_deadlines=many))
    _, names = await Deadlines(door.connection, door.keys).due(0)
    assert len(names) == SWEEP_MAX


async def test_one_that_fails_comes_back_later_and_is_given_up_in_the_end(door: Door) -> None:
    deadlines, keys = Deadlines(door.connection, door.keys), door.keys
    await done(door, Commit(SESSION, "set", set_deadlines=[Deadline("timer", "t", due_ms=1)]))
    came_back = []
    for _ in range(FAILURES_MAX - 1):
        assert await deadlines.put_back(0, "timer t", 1_000)
        came_back.append(int(await door.connection.execute("ZSCORE", keys.deadlines(0), "timer t")) - 1_000)
    assert came_back == [BACKOFF_MS * 2**n for n in range(FAILURES_MAX - 1)]
    assert not await deadlines.put_back(0, "timer t", 1_000)
    assert await door.connection.execute("ZSCORE", keys.deadlines(0), "timer t") is None
    assert await door.connection.execute("ZSCORE", keys.dead(0), "timer t") is not None
    assert await door.connection.execute("EXISTS", keys.failing(0)) == 0
    assert await deadlines.revive(0) == ["timer t"]
    assert (await deadlines.due(0))[1] == ["timer t"]
    assert await deadlines.revive(0) == []


async def test_one_that_was_dropped_meanwhile_does_not_come_back(door: Door) -> None:
    deadlines = Deadlines(door.connection, door.keys)
    assert await deadlines.put_back(0, "timer gone", 1_000)
    assert await door.connection.execute("ZSCORE", door.keys.deadlines(0), "timer gone") is None
    assert await door.connection.execute("EXISTS", door.keys.failing(0)) == 0


async def test_one_that_was_settled_in_the_end_has_its_failures_forgotten(door: Door) -> None:
    deadlines = Deadlines(door.connection, door.keys)
    await done(door, Commit(SESSION, "set", set_deadlines=[Deadline("lease", "t", due_ms=1)]))
    assert await deadlines.put_back(0, "lease t", 1_000)
    await deadlines.settled(0, "lease t")
    assert await deadlines.put_back(0, "lease t", 1_000)
    assert (
        await door.connection.execute("ZSCORE", door.keys.deadlines(0), "lease t") == str(1_000 + BACKOFF_MS).encode()
    )
