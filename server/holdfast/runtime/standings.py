"""What stands in the store: read afresh whenever it is needed, and counted in places that are wider than a session."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from msgspec.structs import replace

from holdfast.core.budgets import Charge, give_back, spend
from holdfast.core.commit import Commit
from holdfast.core.errors import Busy
from holdfast.core.standing import StandingRecord
from holdfast.store.door import Done, Door

ATTEMPTS = 50  # each lost round means that another call was counted
PAUSE_S = 0.002  # times the attempt, with full jitter


class Standings:
    """Reads what stands, and counts calls outside of their session."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def read(self, home: str) -> StandingRecord:
        """What stands in a session or in a wider home. Cancelling is safe."""
        return await self._door.standing(home)

    async def read_all(self, homes: set[str]) -> dict[str, StandingRecord]:
        """The same of several."""
        records = await asyncio.gather(*(self.read(home) for home in homes))
        return {record.home: record for record in records}

    async def count(
        self, home: str, taken: list[Charge], key: str, now_ms: int, check: Callable[[StandingRecord], None]
    ) -> None:
        """Count a call in a wider home, once for its `key`. `check` raises where it must not be counted.

        Raises:
            Busy: the record kept changing; nothing was counted.
        """

        def change(record: StandingRecord) -> StandingRecord:
            check(record)
            return replace(record, counters=spend(record.counters, taken, now_ms, key))

        await self._change(home, change)

    async def give_back(self, home: str, taken: list[Charge], key: str) -> None:
        """The call with this key did not run after all."""
        await self._change(home, lambda record: replace(record, counters=give_back(record.counters, taken, key)))

    async def _change(self, home: str, change: Callable[[StandingRecord], StandingRecord]) -> None:
        for number in range(1, ATTEMPTS + 1):
            record = await self.read(home)
            changed = change(record)
            if changed == record:
                return
            commit = Commit(home, "count", puts=[changed], creates=record.version == 0, durable=True)
            if isinstance(await self._door.commit(commit), Done):
                return
            await asyncio.sleep(random.random() * PAUSE_S * number)
        raise Busy
