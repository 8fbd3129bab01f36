"""Reading a session's log: pages of stored events, with the position that they belong to."""

from __future__ import annotations

import msgspec

from holdfast.core.errors import Gone, NotFound
from holdfast.store.connection import Connection
from holdfast.store.door import LOG
from holdfast.store.keys import Keys

PAGE_MAX = 500  # events of one read: a longer history is read in several, with room for others between them


class Entry(msgspec.Struct, frozen=True):
    """One stored event. `data` are the bytes that every device gets."""

    seq: int
    at: int
    data: bytes


class LogPage(msgspec.Struct, frozen=True):
    """Entries after a position, as of one instant. Positions that are missing between them were compacted."""

    epoch: str
    head: int
    #: Below and at it the log was trimmed; the state folded up to it is kept.
    floor: int
    entries: list[Entry]


class Log:
    """Reads logs. Cancelling any method is safe."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    async def page(self, session: str, after: int, limit: int = PAGE_MAX) -> LogPage:
        """At most `limit` entries with positions above `after`.

        Raises:
            NotFound, Gone: there is no such session, or no more.
        """
        keys = self._keys
        reply = await self._connection.run(
            LOG,
            [keys.meta(keys.partition(session)), keys.session(session), keys.log(session)],
            [after, limit],
        )
        epoch, alive, head, floor, rows = reply
        if alive is None:
            raise NotFound("There is no such session, or it is not yours to see.", session=session)
        if alive == b"0":
            raise Gone(session=session)
        return LogPage(epoch.decode(), int(head), int(floor), [_entry(row) for row in rows])

    async def length(self, session: str) -> int:
        """How many entries it has."""
        return await self._connection.execute("XLEN", self._keys.log(session))

    async def folded(self, session: str) -> bytes | None:
        """The stored state up to the floor, if the log was ever trimmed."""
        return await self._connection.execute("GET", self._keys.folded(session))


def _entry(row: tuple[bytes, list[bytes]]) -> Entry:
    entry_id, fields = row
    return Entry(int(entry_id.split(b"-")[0]), int(fields[3]), fields[1])
