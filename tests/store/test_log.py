"""Reading a log: pages with the position that they belong to, across compaction and trimming."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.store import sessions
from tests.store.sessions import SESSION, appending, done

from holdfast.core.commit import Commit, Trim
from holdfast.core.errors import Gone, NotFound
from holdfast.store.door import Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.log import Log


@pytest.fixture
async def door(own_store: EmbeddedStore) -> AsyncIterator[Door]:
    async with sessions.opened(own_store) as opened:
        yield opened


async def test_pages_follow_each_other(door: Door) -> None:
    log = Log(door.connection, door.keys)
    await sessions.begin(door)
    outcome = await done(door, appending(*"abcdefgh"))
    after, read = 0, list[int]()
    while entries := (await log.page(SESSION, after, 3)).entries:
        assert len(entries) <= 3
        read += [entry.seq for entry in entries]
        after = read[-1]
    assert read == list(range(1, outcome.last + 1))
    last = (await log.page(SESSION, outcome.last - 1)).entries[0]
    assert (last.seq, last.at) == (outcome.last, outcome.at)
    assert b'"delta":"h"' in last.data


async def test_a_page_says_what_it_belongs_to(door: Door) -> None:
    log = Log(door.connection, door.keys)
    await sessions.begin(door)
    outcome = await done(door, appending(*"abcdef"))
    await done(door, Commit(SESSION, "erase", erases=[outcome.last - 1]))
    await done(door, Commit(SESSION, "trim", trim=Trim(0, outcome.first, b"folded")))
    page = await log.page(SESSION, 0)
    assert (page.epoch, page.head, page.floor) == (door.epoch(SESSION), outcome.last, outcome.first)
    seen = [entry.seq for entry in page.entries]
    assert seen == [*range(outcome.first + 1, outcome.last - 1), outcome.last]
    assert await log.folded(SESSION) == b"folded"
    assert await log.length(SESSION) == len(seen)


async def test_beyond_the_head_there_is_nothing(door: Door) -> None:
    await sessions.begin(door)
    page = await Log(door.connection, door.keys).page(SESSION, 2**53)
    assert page.entries == []
    assert page.head < 2**53


async def test_what_is_not_there_is_not_found_and_what_was_deleted_is_gone(door: Door) -> None:
    log = Log(door.connection, door.keys)
    with pytest.raises(NotFound):
        await log.page(SESSION, 0)
    await sessions.begin(door)
    await done(door, Commit(SESSION, "bury", buries=True))
    with pytest.raises(Gone):
        await log.page(SESSION, 0)
