"""Turns that are ready, as the job sets hint at them: where workers look, and what no worker looks for."""

from __future__ import annotations

from holdfast.store.connection import Connection
from holdfast.store.keys import Keys


class Jobs:
    """Reads the job sets of all partitions. Cancelling any method is safe."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection, self._keys = connection, keys

    async def ready(self, queues: list[str], limit: int) -> list[str]:
        """Turns of these queues that are ready, those that wait longest first within each partition."""
        names = [self._keys.jobs(one, queue) for one in range(self._keys.partitions) for queue in queues]
        found = await self._connection.execute_many([("ZRANGE", name, 0, limit - 1) for name in names])
        return [turn.decode() for turns in found for turn in turns]

    async def older_than(self, partition: int, since_ms: int) -> dict[str, list[str]]:
        """Turns of a partition that have been ready since before `since_ms`, by queue."""
        queues = [name.decode() for name in await self._connection.execute("SMEMBERS", self._keys.queues(partition))]
        sets = [self._keys.jobs(partition, queue) for queue in queues]
        found = await self._connection.execute_many([("ZRANGEBYSCORE", name, "-inf", since_ms) for name in sets])
        return {queue: [turn.decode() for turn in turns] for queue, turns in zip(queues, found, strict=True) if turns}
