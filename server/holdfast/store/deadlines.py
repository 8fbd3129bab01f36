"""What is due in a partition, and what is put back because it could not be settled."""

from __future__ import annotations

from holdfast.store.connection import Connection
from holdfast.store.door import script
from holdfast.store.keys import Keys

DUE = script("due")
SWEEP_MAX = 200  # deadlines of one sweep of one partition; the next sweep follows at once
FAILURES_MAX = 8  # attempts at one deadline; then it is put with the dead letters
BACKOFF_MS = 1_000  # before the second attempt; doubles


class Deadlines:
    """Reads the deadlines of all partitions. Cancelling any method is safe."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection, self._keys = connection, keys

    async def due(self, partition: int) -> tuple[int, list[str]]:
        """The time by the store's clock, and the names of deadlines that have come."""
        keys = [self._keys.meta(partition), self._keys.deadlines(partition)]
        now, *names = await self._connection.run(DUE, keys, [SWEEP_MAX])
        return int(now), [name.decode() for name in names]

    async def forget(self, partition: int, name: str) -> None:
        """Drop the deadline of a session that is gone: no commit can."""
        await self._connection.execute("ZREM", self._keys.deadlines(partition), name)

    async def put_back(self, partition: int, name: str, now_ms: int) -> bool:
        """It could not be settled: try again later, each time later; or, after the last time, never (False)."""
        failing = self._keys.failing(partition)
        failures = int(await self._connection.execute("HINCRBY", failing, name, 1))
        if failures >= FAILURES_MAX:
            await self._connection.execute("ZADD", self._keys.dead(partition), now_ms, name)
            await self._connection.execute("ZREM", self._keys.deadlines(partition), name)
            await self._connection.execute("HDEL", failing, name)
            return False
        later = now_ms + BACKOFF_MS * 2 ** (failures - 1)
        put = await self._connection.execute("ZADD", self._keys.deadlines(partition), "XX", "CH", later, name)
        if not put:
            await self.settled(partition, name)  # by another, meanwhile
        return True

    async def revive(self, partition: int) -> list[str]:
        """Take back those that were given up: what could not settle them may have been mended by now."""
        dead = [name.decode() for name in await self._connection.execute("ZRANGE", self._keys.dead(partition), 0, -1)]
        for name in dead:
            await self._connection.execute("ZADD", self._keys.deadlines(partition), "NX", 0, name)
            await self._connection.execute("ZREM", self._keys.dead(partition), name)
        return dead

    async def settled(self, partition: int, *names: str) -> None:
        """Forget their failures: the next deadline of such a name is another one."""
        await self._connection.execute("HDEL", self._keys.failing(partition), *names)
