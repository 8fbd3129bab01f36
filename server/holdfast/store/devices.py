"""Who is at a session, over all nodes: each keeps its own devices, and they end by themselves with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

import msgspec

from holdfast.store.connection import Connection
from holdfast.store.keys import Keys
from holdfast.store.script import Script

DEVICES = Script("devices", files("holdfast.store").joinpath("devices.lua").read_text())


class Devices(msgspec.Struct, frozen=True):
    """Connection → who is there, as it was put; and how long the first to end has left (None: nobody)."""

    there: dict[str, bytes]
    soonest_ms: int | None


class DevicesStore:
    """Reads and writes who is there. Cancelling is safe: it is said again at the next refresh."""

    def __init__(self, connection: Connection, keys: Keys, ttl_ms: int) -> None:
        self._connection = connection
        self._keys = keys
        self._ttl_ms = ttl_ms

    async def keep(self, session: str, here: Mapping[str, bytes], left: Sequence[str] = ()) -> Devices:
        """Say who is here and who has left, drop whose time is over, and get all who are there.

        If this changes anything, `presence` is published on the session's channel.
        """
        said = [part for pair in here.items() for part in pair]
        reply = await self._connection.run(
            DEVICES,
            [self._keys.devices(session)],
            [self._keys.channel(session), self._ttl_ms, len(here), *said, *left],
        )
        now, rows = int(reply[0]), reply[1:]
        ends = [int(end) for end in rows[1::3]]
        names = (name.decode() for name in rows[::3])
        return Devices(
            dict(zip(names, rows[2::3], strict=True)),
            min(ends) - now if ends else None,
        )
