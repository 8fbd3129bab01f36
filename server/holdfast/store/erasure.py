"""Erasing what a deleted session left, piece by piece. Its tombstone stays."""

from __future__ import annotations

from holdfast.core.deadlines import member
from holdfast.core.ids import session_of
from holdfast.core.standing import StandingRecord
from holdfast.core.turns import TURN_GROUPS
from holdfast.store.connection import Connection
from holdfast.store.door import decode
from holdfast.store.keys import Keys, field

STANDING = field("standing", "")  # what stands in a session: there is one such record
PIECE = 1_000  # fields of one call: more would hold up the store


async def erase_piece(connection: Connection, keys: Keys, session: str) -> bool:
    """Erase some of it; whether nothing but the tombstone is left. Does nothing to a session that is alive.

    May be called again after any failure: it begins with what there still is. Cancelling is safe.
    """
    home = keys.session(session)
    if await connection.execute("HGET", home, "alive") != b"0":
        return True
    # UNLINK frees in the background, so a long log is one piece.
    await connection.execute(
        "UNLINK", keys.log(session), keys.refs(session), keys.folded(session), keys.devices(session)
    )
    drawn = await connection.execute("HRANDFIELD", home, PIECE)
    fields = [name.decode() for name in drawn if name != b"alive"]
    if fields:
        await _erase(connection, keys, home, fields)
        return False
    await connection.execute("ZREM", keys.deadlines(keys.partition(session)), member("erase", session))
    return True


async def _erase(connection: Connection, keys: Keys, home: str, fields: list[str]) -> None:
    # The turns' operations first: their names are in these fields.
    turns = [name[2:] for name in fields if name.startswith("t:")]
    if turns:
        await connection.execute("UNLINK", *(keys.operations(turn) for turn in turns))
        for group in TURN_GROUPS:
            await connection.execute("ZREM", keys.turns(keys.partition(session_of(turns[0])), group), *turns)
    if STANDING in fields:
        await _forget_grants(connection, keys, home)
    await connection.execute("HDEL", home, *fields)


async def _forget_grants(connection: Connection, keys: Keys, home: str) -> None:
    """Take its grants from their list; those that it gave for elsewhere stand elsewhere."""
    kept = await connection.execute("HGET", home, STANDING)
    record = decode(StandingRecord, kept) if kept else None
    if record is not None and record.grants:
        names = [grant.id for grant in record.grants]
        await connection.execute("ZREM", keys.grants(keys.partition(record.home)), *names)
