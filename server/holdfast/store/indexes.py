"""What spans sessions, an index per partition: session lists and the inbox, merged by cursor.

A cursor is the score and the name of the last entry that was given, so that a page goes on where the one
before it ended, whatever came meanwhile.
"""

from __future__ import annotations

import asyncio

import msgspec

from holdfast.core.errors import BadRequest
from holdfast.core.turns import TurnGroup
from holdfast.store.connection import Connection
from holdfast.store.keys import Keys


class Entry(msgspec.Struct, frozen=True, order=True):
    """One entry of an index: since when, and what."""

    score: int
    name: str

    @property
    def cursor(self) -> str:
        return f"{self.score}:{self.name}"


def parse_cursor(text: str) -> Entry:
    """The place that a cursor means. Raises BadRequest."""
    score, _, name = text.partition(":")
    if not score.isdecimal() or len(score) > 16 or not name:
        raise BadRequest("The cursor is not one of ours; start without one.", cursor=text[:200])
    return Entry(int(score), name)


class Indexes:
    """Reads indexes. Cancelling any method is safe."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    async def sessions(self, after: Entry | None, limit: int) -> list[Entry]:
        """All sessions, the last written first."""
        return await self._merged([self._keys.sessions(one) for one in self._partitions], after, limit)

    async def sessions_of(self, subject: str, after: Entry | None, limit: int) -> list[Entry]:
        """The sessions of one person, the last written first."""
        names = [self._keys.sessions_of(one, subject) for one in self._partitions]
        return await self._merged(names, after, limit)

    async def turns(self, groups: tuple[TurnGroup, ...], after: Entry | None, limit: int) -> list[Entry]:
        """Turns of these groups, the last written first."""
        names = [self._keys.turns(one, group) for one in self._partitions for group in groups]
        return await self._merged(names, after, limit)

    async def inbox(self, after: Entry | None, limit: int) -> list[Entry]:
        """Open interrupts, the newest first."""
        return await self._merged([self._keys.inbox(one) for one in self._partitions], after, limit)

    async def grants(self, after: Entry | None, limit: int) -> list[Entry]:
        """Standing grants, the newest first."""
        return await self._merged([self._keys.grants(one) for one in self._partitions], after, limit)

    @property
    def _partitions(self) -> range:
        return range(self._keys.partitions)

    async def _merged(self, keys: list[str], after: Entry | None, limit: int) -> list[Entry]:
        parts = await asyncio.gather(*(self._part(key, after, limit) for key in keys))
        entries = sorted((entry for part in parts for entry in part), reverse=True)
        return entries[:limit]

    async def _part(self, key: str, after: Entry | None, limit: int) -> list[Entry]:
        """The next entries of one partition. Those of the cursor's own instant are read too, and sifted."""
        found: list[Entry] = []
        offset = 0
        while True:
            rows = await self._rows(key, after, offset, limit)
            found.extend(row for row in rows if after is None or row < after)
            if len(found) >= limit or len(rows) < limit:
                return found[:limit]
            offset += limit

    async def _rows(self, key: str, after: Entry | None, offset: int, limit: int) -> list[Entry]:
        newest = str(after.score) if after else "+inf"
        reply = await self._connection.execute(
            "ZREVRANGEBYSCORE", key, newest, "-inf", "WITHSCORES", "LIMIT", offset, limit
        )
        return [Entry(int(float(score)), name.decode()) for name, score in zip(reply[::2], reply[1::2], strict=True)]
