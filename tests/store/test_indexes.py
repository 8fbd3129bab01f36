"""Pages over all partitions: each entry once, however many share an instant."""

from __future__ import annotations

import random

import pytest

from holdfast.store.connection import Connection
from holdfast.store.indexes import Entry, Indexes
from holdfast.store.keys import Keys


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_each_entry_comes_once_and_in_order(connection: Connection, limit: int) -> None:
    keys, chance = Keys(partitions=4), random.Random(5)
    entries = {Entry(chance.randrange(3), f"s_{number}") for number in range(60)}
    for entry in entries:
        await connection.execute("ZADD", keys.sessions(chance.randrange(4)), entry.score, entry.name)
    indexes, seen, after = Indexes(connection, keys), list[Entry](), None
    while page := await indexes.sessions(after, limit):
        seen += page
        after = page[-1]
    assert seen == sorted(entries, reverse=True)


async def test_what_comes_meanwhile_does_not_move_a_page(connection: Connection) -> None:
    keys = Keys(partitions=2)
    for score in (1, 2, 3):
        await connection.execute("ZADD", keys.inbox(score % 2), score, f"i_{score}")
    indexes = Indexes(connection, keys)
    (first,) = await indexes.inbox(None, 1)
    await connection.execute("ZADD", keys.inbox(0), 9, "i_9")
    assert [entry.name for entry in await indexes.inbox(first, 9)] == ["i_2", "i_1"]
