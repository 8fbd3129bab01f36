"""Shelves: where schedules stand. Read here; written by commits, like everything."""

from __future__ import annotations

import msgspec

from holdfast.core.schedules import ScheduleRecord, shelf_of
from holdfast.store.door import READ, Door, decode
from holdfast.store.keys import field

_PREFIX = field("schedule", "").encode()


class Place(msgspec.Struct, frozen=True):
    """One place of a shelf, as of one instant."""

    now_ms: int
    epoch: str
    record: ScheduleRecord | None
    #: How many schedules stand on the whole shelf.
    count: int


async def place(door: Door, name: str) -> Place:
    """The schedule of this name, if there is one. Cancelling is safe."""
    keys, shelf = door.keys, shelf_of(name)
    names = ["", field("schedule", name)]
    now, epoch, _alive, _head, _floor, _again, record = await door.connection.run(
        READ, [keys.meta(keys.partition(shelf)), keys.session(shelf), keys.refs(shelf)], names
    )
    count = await door.connection.execute("HLEN", keys.session(shelf))
    return Place(int(now), epoch.decode(), decode(ScheduleRecord, record) if record else None, int(count))


async def on_shelf(door: Door, shelf: str) -> list[ScheduleRecord]:
    """All schedules of one shelf. Cancelling is safe."""
    rows: list[bytes] = await door.connection.execute("HGETALL", door.keys.session(shelf))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return [decode(ScheduleRecord, value) for name, value in pairs if name.startswith(_PREFIX)]
