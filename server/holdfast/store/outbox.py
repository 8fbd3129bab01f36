"""The outbox as it is stored: notices on their way to their targets, and those that were given up.

    outbox ──post──▶ a lane of each target ──take──▶ sent, and settled: done, later, or given up ──replay──▶ the lane

A target is told of one interrupt in one lane: in order, and by one sender at a time. Each arrow is one script, so
that a notice is always in exactly one place, whoever dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec

from holdfast.core.commit import Notice
from holdfast.core.notices import lane_of
from holdfast.store.connection import Connection
from holdfast.store.door import script
from holdfast.store.keys import Keys

POST, TAKE, SETTLE, REPLAY = script("post"), script("take"), script("settle"), script("replay")

TARGETS_MAX = 100  # webhooks and hooks; each notice is kept once for each
LANES_MAX = 10_000  # that wait for one target in one partition; what comes then is given up at once
TOLD_MAX = 100_000  # interrupts of one target and partition; the oldest are forgotten, and not told closed
UNDELIVERED_MAX = 10_000  # of one partition; the oldest go first
UNSAID_MS = 7 * 86_400_000  # a target that nobody has spoken of for so long is gone, with what waits for it
POST_MAX = 200  # notices of one partition that are handed on in one round
PIECE = 500  # lanes that are dropped at once

Outcome = Literal["done", "closed", "later", "given_up"]


class StoredTarget(msgspec.Struct, frozen=True):
    """Where notices go, as the store knows it."""

    id: str
    shown: str
    #: When somebody last said that it is there, in milliseconds of the store's clock.
    at: int


class Taken(msgspec.Struct, frozen=True):
    """A lane that is this sender's for a while, and its first notice."""

    partition: int
    lane: str
    #: Begun so often, this time included.
    attempts: int
    #: As it stands in the lane.
    stored: bytes
    notice: Notice
    at: int


class Undelivered(msgspec.Struct, frozen=True):
    """A notice that was given up."""

    partition: int
    place: str
    target: str
    lane: str
    stored: bytes
    notice: Notice
    #: When it was written, and when it was given up.
    noticed_at: int
    at: int
    why: str
    attempts: int

    @property
    def id(self) -> str:
        return f"{self.place}-{self.partition}"

    @property
    def rank(self) -> tuple[int, int, int]:
        return rank_of(self.id)


class Backlog(msgspec.Struct, frozen=True):
    """How much waits, and how much was given up."""

    waiting: int
    undelivered: int


class Outbox:
    """Reads and moves notices, in all partitions. Cancelling any method leaves each notice in one place."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection, self._keys = connection, keys

    @property
    def partitions(self) -> range:
        return range(self._keys.partitions)

    # Targets.

    async def targets(self) -> list[StoredTarget]:
        """Where notices go."""
        rows: list[bytes] = await self._connection.execute("HGETALL", self._keys.targets)
        pairs = zip(rows[::2], rows[1::2], strict=True)
        return [_target(own_id.decode(), value.decode()) for own_id, value in pairs]

    async def say(self, target: str, shown: str) -> None:
        """Have a target get what is written from now on. Said again and again; one that nobody speaks of ends."""
        if await self._connection.execute("HEXISTS", self._keys.targets, target) or await self._has_room():
            await self._connection.execute("HSET", self._keys.targets, target, f"{await self.now_ms()} {shown}")

    async def _has_room(self) -> bool:
        return int(await self._connection.execute("HLEN", self._keys.targets)) < TARGETS_MAX

    async def now_ms(self) -> int:
        """The store's clock."""
        seconds, micros = await self._connection.execute("TIME")
        offset = await self._connection.execute("HGET", self._keys.meta(0), "clock_offset_ms")
        return int(seconds) * 1_000 + int(micros) // 1_000 + int(offset or 0)

    async def forget(self, target: str) -> None:
        """Drop a target and all that waits for it."""
        await self._connection.execute("HDEL", self._keys.targets, target)
        for partition in self.partitions:
            while await self._drop_piece(partition, target):
                pass
            await self._connection.execute(
                "DEL", self._keys.tries(partition, target), self._keys.told(partition, target)
            )

    async def _drop_piece(self, partition: int, target: str) -> int:
        lanes = self._keys.lanes(partition, target)
        names = [name.decode() for name in await self._connection.execute("ZRANGE", lanes, 0, PIECE - 1)]
        if names:
            lists = [self._keys.lane(partition, target, name) for name in names]
            await self._connection.execute("DEL", *lists)
            await self._connection.execute("ZREM", lanes, *names)
        return len(names)

    # On their way.

    async def post(self, partition: int, targets: Sequence[str]) -> int:
        """Hand on what the outbox of a partition holds, a page at the most; how much that was."""
        keys = self._keys
        rows = await self._connection.execute("XRANGE", keys.outbox(partition), "-", "+", "COUNT", POST_MAX)
        # In the order of the calls: what was written first stands first in its lane.
        await asyncio.gather(*(self._post(partition, targets, *_entry(row)) for row in rows))
        return len(rows)

    async def _post(self, partition: int, targets: Sequence[str], place: bytes, stored: bytes) -> None:
        keys, lane = self._keys, lane_of(_notice(stored))
        names = [keys.meta(partition), keys.outbox(partition), keys.undelivered(partition)]
        for target in targets:
            names += [keys.lanes(partition, target), keys.lane(partition, target, lane)]
        await self._connection.run(POST, names, [place, lane, stored, LANES_MAX, UNDELIVERED_MAX, *targets])

    async def take(self, partition: int, target: str, limit: int, lease_ms: int) -> list[Taken]:
        """Lanes of a target whose time has come. Nobody else gets them before the lease has run out."""
        keys = self._keys
        names = [keys.meta(partition), keys.lanes(partition, target), keys.tries(partition, target)]
        taken = await self._connection.run(TAKE, names, [limit, lease_ms])
        lanes = [lane.decode() for lane in taken[::2]]
        firsts = await self._connection.execute_many(
            [("LINDEX", keys.lane(partition, target, lane), 0) for lane in lanes]
        )
        found: list[Taken] = []
        for lane, attempts, stored in zip(lanes, taken[1::2], firsts, strict=True):
            if stored is None:
                await self._connection.execute("ZREM", keys.lanes(partition, target), lane)
            else:
                found.append(Taken(partition, lane, int(attempts), stored, _notice(stored), _at(stored)))
        return found

    async def settle(self, target: str, taken: Taken, outcome: Outcome, *, wait_ms: int = 0, why: str = "") -> bool:
        """What became of a notice that was taken; False if somebody else has settled it meanwhile."""
        keys, partition = self._keys, taken.partition
        names = [
            keys.meta(partition),
            keys.lanes(partition, target),
            keys.lane(partition, target, taken.lane),
            keys.tries(partition, target),
            keys.told(partition, target),
            keys.undelivered(partition),
        ]
        said = [taken.lane, taken.stored, outcome, wait_ms, target, why, taken.attempts, UNDELIVERED_MAX]
        return bool(await self._connection.run(SETTLE, names, said))

    async def tell(self, target: str, taken: Taken) -> None:
        """Note, before it is sent, that a target may have been told of an interrupt."""
        told = self._keys.told(taken.partition, target)
        await self._connection.execute("ZADD", told, await self.now_ms(), taken.lane)
        await self._connection.execute("ZREMRANGEBYRANK", told, 0, -TOLD_MAX - 1)

    async def was_told(self, target: str, taken: Taken) -> bool:
        """Whether a target may have been told of this interrupt."""
        told = self._keys.told(taken.partition, target)
        return await self._connection.execute("ZSCORE", told, taken.lane) is not None

    # Given up.

    async def undelivered(self, before: str | None, limit: int) -> list[Undelivered]:
        """Notices that were given up, the newest first, from before the one of this id on."""
        parts = await asyncio.gather(*(self._part(partition, before, limit) for partition in self.partitions))
        found = sorted((one for part in parts for one in part), key=lambda one: one.rank, reverse=True)
        return found[:limit]

    async def _part(self, partition: int, before: str | None, limit: int) -> list[Undelivered]:
        newest = before.rpartition("-")[0] if before else "+"
        # One more: the page may begin with the one that ended the page before.
        rows = await self._connection.execute(
            "XREVRANGE", self._keys.undelivered(partition), newest, "-", "COUNT", limit + 1
        )
        found = [_undelivered(partition, row) for row in rows]
        return [one for one in found if before is None or one.rank < rank_of(before)]

    async def one_undelivered(self, own_id: str) -> Undelivered | None:
        """The one of this id, if it is there."""
        place, _, partition = own_id.rpartition("-")
        if int(partition) not in self.partitions:
            return None
        rows = await self._connection.execute("XRANGE", self._keys.undelivered(int(partition)), place, place)
        return _undelivered(int(partition), rows[0]) if rows else None

    async def replay(self, one: Undelivered) -> bool:
        """Put it before its target again; False if it was, or is gone."""
        keys, partition = self._keys, one.partition
        names = [
            keys.meta(partition),
            keys.undelivered(partition),
            keys.lanes(partition, one.target),
            keys.lane(partition, one.target, one.lane),
        ]
        return bool(await self._connection.run(REPLAY, names, [one.place, one.lane, one.stored]))

    async def backlog(self) -> Backlog:
        """How much waits, over all partitions and targets."""
        targets = [target.id for target in await self.targets()]
        waiting, given_up = 0, 0
        for partition in self.partitions:
            asked = [("XLEN", self._keys.undelivered(partition)), ("XLEN", self._keys.outbox(partition))]
            asked += [("ZCARD", self._keys.lanes(partition, target)) for target in targets]
            counts = [int(count) for count in await self._connection.execute_many(asked)]
            given_up += counts[0]
            waiting += sum(counts[1:])
        return Backlog(waiting, given_up)


def rank_of(own_id: str) -> tuple[int, int, int]:
    """The order of what was given up: when, and where."""
    at, number, partition = own_id.split("-")
    return int(at), int(number), int(partition)


_notices = msgspec.json.Decoder(Notice)


def _target(own_id: str, value: str) -> StoredTarget:
    at, _, shown = value.partition(" ")
    return StoredTarget(own_id, shown, int(at))


def _entry(row: tuple[bytes, list[bytes]]) -> tuple[bytes, bytes]:
    """An entry of the outbox: its place, and the notice as lanes hold it."""
    fields = dict(zip(row[1][::2], row[1][1::2], strict=True))
    return row[0], fields[b"t"] + b" " + fields[b"n"]


def _notice(stored: bytes) -> Notice:
    return _notices.decode(stored.partition(b" ")[2])


def _at(stored: bytes) -> int:
    return int(stored.partition(b" ")[0])


def _undelivered(partition: int, row: tuple[bytes, list[bytes]]) -> Undelivered:
    fields = {name.decode(): value for name, value in zip(row[1][::2], row[1][1::2], strict=True)}
    stored = fields["notice"]
    return Undelivered(
        partition=partition,
        place=row[0].decode(),
        target=fields["target"].decode(),
        lane=fields["lane"].decode(),
        stored=stored,
        notice=_notice(stored),
        noticed_at=_at(stored),
        at=int(fields["at"]),
        why=fields["why"].decode(),
        attempts=int(fields["attempts"]),
    )
