"""The directory: who was seen with which roles, and who is away. A hint for routing, never a source of rights."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec

from holdfast.core.errors import LimitReached
from holdfast.core.identity import Principal
from holdfast.core.people import AWAY_MAX_MS, LEARNING_MS, SEEN_MS, Away, People
from holdfast.store.connection import Connection
from holdfast.store.deadlines import DUE
from holdfast.store.door import script
from holdfast.store.keys import Keys

SEEN = script("seen")

ROLES_MAX = 50  # of one person, that are noted
PEOPLE_OF_ROLE_MAX = 1_000  # whoever was seen last; a role of more people has somebody there
LOOKED_AT_MAX = 100  # of a role, the last seen: enough to find one who is there
AWAY_MAX = 10_000  # people who are away at once
DEPUTY_OF_MAX = 100  # people for whom one person stands in

_away = msgspec.json.Decoder(Away)


class Directory:
    """Reads and writes what is known of people. Cancelling any method is safe."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection, self._keys = connection, keys

    async def note(self, principal: Principal) -> None:
        """This person was here, with these roles."""
        roles = [self._keys.people_of(role) for role in principal.roles[:ROLES_MAX]]
        arguments = [principal.subject, SEEN_MS, PEOPLE_OF_ROLE_MAX]
        await self._connection.run(SEEN, [self._keys.directory_since, *roles], arguments)

    async def now_ms(self) -> int:
        """The store's clock, as the sessions have it."""
        now, *_ = await self._connection.run(DUE, [self._keys.meta(0), self._keys.deadlines(0)], [0])
        return int(now)

    async def people(self, roles: Collection[str], subjects: Collection[str], now_ms: int) -> People:
        """What is known of these, and of whoever has one of the roles."""
        since, *found = await asyncio.gather(
            self._connection.execute("GET", self._keys.directory_since),
            *(self._lately(role, now_ms) for role in roles),
        )
        known = dict(zip(roles, found, strict=True))
        away = await self._absences(sorted(set(subjects).union(*known.values())))
        deputies = {each.deputy for each in away.values() if each.deputy is not None} - set(away)
        away |= await self._absences(sorted(deputies))  # a deputy who is away too is not there
        return People(known, away, since is None or now_ms - int(since) < LEARNING_MS)

    async def away(self, subject: str) -> Away | None:
        """What somebody has said of their absence, which may be over."""
        return (await self._absences([subject])).get(subject)

    async def absent_for(self, deputy: str) -> list[Away]:
        """Those who have named this person as their deputy, some of whom may be back."""
        rows = await self._connection.execute("HVALS", self._keys.deputy_of(deputy))
        return [_away.decode(data) for data in rows]

    async def set_away(self, absence: Away, now_ms: int) -> None:
        """Keep what somebody says of their absence, in place of what they said before.

        Raises:
            LimitReached: too many are away, or the deputy stands in for too many.
        """
        await self.back(absence.subject)
        await self._make_room(self._keys.away, AWAY_MAX, now_ms)
        if absence.deputy is not None:
            key = self._keys.deputy_of(absence.deputy)
            await self._make_room(key, DEPUTY_OF_MAX, now_ms)
            await self._connection.execute("HSET", key, absence.subject, msgspec.json.encode(absence))
            await self._connection.execute("PEXPIRE", key, AWAY_MAX_MS)
        await self._connection.execute("HSET", self._keys.away, absence.subject, msgspec.json.encode(absence))

    async def back(self, subject: str) -> None:
        """Forget that somebody is away. The deputy's right goes first."""
        standing = await self.away(subject)
        if standing is not None and standing.deputy is not None:
            await self._connection.execute("HDEL", self._keys.deputy_of(standing.deputy), subject)
        await self._connection.execute("HDEL", self._keys.away, subject)

    async def _lately(self, role: str, now_ms: int) -> list[str]:
        after = f"({now_ms - SEEN_MS}"
        bounds = ("+inf", after, "LIMIT", 0, LOOKED_AT_MAX)
        rows = await self._connection.execute("ZREVRANGEBYSCORE", self._keys.people_of(role), *bounds)
        return [name.decode() for name in rows]

    async def _absences(self, subjects: list[str]) -> dict[str, Away]:
        if not subjects:
            return {}
        rows = await self._connection.execute("HMGET", self._keys.away, *subjects)
        return {who: _away.decode(data) for who, data in zip(subjects, rows, strict=True) if data is not None}

    async def _make_room(self, key: str, limit: int, now_ms: int) -> None:
        """Drop the absences that are over, if there are as many as may be."""
        if await self._connection.execute("HLEN", key) < limit:
            return
        absences = [_away.decode(data) for data in await self._connection.execute("HVALS", key)]
        over = [absence.subject for absence in absences if absence.until <= now_ms]
        if not over:
            raise LimitReached(f"At most {limit} people are away at once.", limit=limit)
        await self._connection.execute("HDEL", key, *over)
