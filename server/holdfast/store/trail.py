"""The audit trail as it is stored: pages of entries, seals, and the lease of who seals."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal

import msgspec

from holdfast.core.chain import Link, Seal, decode_seal, encode_seal
from holdfast.core.verifying import Head
from holdfast.store.connection import Connection
from holdfast.store.door import script
from holdfast.store.keys import Keys

TRAIL, SEAL = script("trail"), script("seal")
PAGE = 500  # entries or seals of one read
BEGINNING = "0-0"


class TrailPage(msgspec.Struct, frozen=True):
    """Entries of one partition after a place, and what the store says of its trail, as of one instant."""

    now_ms: int
    head: Head
    last_seal: Seal | None
    links: list[Link]


class Trail:
    """Reads and seals the trail of every partition. Cancelling any method is safe."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection, self._keys = connection, keys

    @property
    def partitions(self) -> range:
        return range(self._keys.partitions)

    def partition(self, session: str) -> int:
        return self._keys.partition(session)

    async def page(self, partition: int, after: str = BEGINNING, limit: int = PAGE) -> TrailPage:
        """At most `limit` entries after the one at this place, the oldest first."""
        keys = self._keys
        now, given, seals, last, rows = await self._connection.run(
            TRAIL, [keys.meta(partition), keys.audit(partition), keys.seals(partition)], [after, limit]
        )
        last_seal = _seal(partition, last) if last else None
        head = Head(partition, int(given), int(seals), last_seal.floor if last_seal else 0)
        return TrailPage(int(now), head, last_seal, [_link(row) for row in rows or ()])

    async def older(self, partition: int, before: int | None, limit: int = PAGE) -> list[Link]:
        """At most `limit` entries with numbers below `before` (None: from the end), the newest first."""
        newest = "+" if before is None else f"({before}-0"
        rows = await self._connection.execute("XREVRANGE", self._keys.audit(partition), newest, "-", "COUNT", limit)
        return [_link(row) for row in rows]

    async def between(self, partition: int, after: str, last: int) -> AsyncGenerator[Link]:
        """All entries after a place up to a number, whatever stands there."""
        while True:
            rows = await self._connection.execute(
                "XRANGE", self._keys.audit(partition), f"({after}", str(last), "COUNT", PAGE
            )
            for row in rows:
                link = _link(row)
                after = link.place
                yield link
            if len(rows) < PAGE:
                return

    async def seals(self, partition: int, after: int = 0, limit: int = PAGE) -> list[Seal]:
        """At most `limit` seals with numbers above `after`."""
        rows = await self._connection.execute(
            "XRANGE", self._keys.seals(partition), str(after + 1), "+", "COUNT", limit
        )
        return [_seal(partition, row) for row in rows]

    async def lease(self, partition: int, who: str, lease_ms: int) -> bool:
        """Take or keep the right to seal; whether it is `who`'s now."""
        return await self._say(partition, who, lease_ms, "", b"") == "done"

    async def put(self, who: str, seal: Seal, lease_ms: int) -> Literal["done", "held", "stale"]:
        """Write a seal, if `who` may and it is the next. Unless `done`, nothing was changed."""
        return await self._say(seal.partition, who, lease_ms, str(seal.number), encode_seal(seal))

    async def sweep(self, seal: Seal) -> None:
        """Let go of what is at or below the floor of this seal, which is stored. May be repeated."""
        await self._connection.execute("XTRIM", self._keys.audit(seal.partition), "MINID", seal.floor + 1)
        for old in await self.seals(seal.partition):
            if old.last == seal.floor:  # what comes after it hangs on it: this one stays
                await self._connection.execute("XTRIM", self._keys.seals(seal.partition), "MINID", old.number)
                return

    async def _say(
        self, partition: int, who: str, lease_ms: int, number: str, data: bytes
    ) -> Literal["done", "held", "stale"]:
        keys = [self._keys.sealer(partition), self._keys.seals(partition)]
        word: bytes = await self._connection.run(SEAL, keys, [who, lease_ms, number, data])
        return msgspec.convert(word.decode(), Literal["done", "held", "stale"])


def _link(row: tuple[bytes, list[bytes] | None]) -> Link:
    number, _, extra = row[0].partition(b"-")
    stored = row[1] or []
    fields = dict(zip(stored[::2], stored[1::2], strict=False))
    at = fields.get(b"t", b"")
    return Link(int(number), int(at) if at.isdigit() and len(at) < 20 else -1, fields.get(b"e", b""), int(extra))


def _seal(partition: int, row: tuple[bytes, list[bytes]]) -> Seal:
    return decode_seal(int(row[0].partition(b"-")[0]), partition, row[1][1])
