"""The audit trail for those who may see it: pages with filters, the whole of it, and whether it is whole."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.commands.backend import Backend
from holdfast.core.audit import AuditEntry
from holdfast.core.chain import Anchor, Link, Seal
from holdfast.core.errors import BadRequest, Forbidden
from holdfast.core.exporting import Record, decode_entry
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.ids import session_of
from holdfast.core.interrupts import Interrupt
from holdfast.core.turns import TurnRecord
from holdfast.core.verifying import Check, Head, Verdict
from holdfast.store.trail import Trail

PAGE = 50
PAGE_MAX = 500
BODIES_MAX = 50  # entries of a page with bodies: a body may have 192 KiB
SCAN_MAX = 5_000  # entries that one page may look at
READ = 100  # entries of one partition that are read at once
EXTRA_MAX = 2**64 - 1  # the last id of a stream that begins with a given number
JUMP_MS = 3_600_000  # a clock that was set back may have put this much disorder into the instants


class Bodies(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an interrupt showed, and the decision. Gone with its session."""

    kind: str
    agent: str
    roles: tuple[str, ...]
    input: Any = None
    payload: Any = None
    metadata: dict[str, Any] | None = None
    reason: str | None = None


class AuditShown(AuditEntry, frozen=True, omit_defaults=True, kw_only=True):
    """One entry of the trail. `partition` and `number` together are its name."""

    partition: int
    number: int
    at: int
    #: What is not in the trail, but lives with its session: arguments, and what was answered. Where it was asked for.
    bodies: Bodies | None = None


class AuditPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries, the newest first. Go on at `next`; without it there are no more."""

    entries: list[AuditShown]
    next: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries. None: all."""

    session: str | None = None
    turn: str | None = None
    interrupt: str | None = None
    tool: str | None = None
    #: The id of who did it.
    by: str | None = None
    action: str | None = None
    #: How it went: the status, or what was said (`approved`, `denied` …).
    status: str | None = None
    #: Of a schedule.
    name: str | None = None
    #: Instants in milliseconds, both included.
    since: int | None = None
    until: int | None = None

    @property
    def home(self) -> str | None:
        """The session that it can only be in. Raises NotFound: not an id of ours."""
        own_id = self.turn or self.interrupt
        return self.session or (session_of(own_id) if own_id else None)

    def takes(self, at: int, entry: AuditEntry) -> bool:
        named = ("session", "turn", "interrupt", "tool", "action", "name")
        if any(getattr(self, name) not in (None, getattr(entry, name)) for name in named):
            return False
        if self.by is not None and self.by != entry.by.id:
            return False
        if self.status is not None and self.status not in (entry.status, entry.outcome):
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at <= self.until)


async def page(
    backend: Backend,
    principal: Principal,
    wanted: Wanted,
    cursor: str | None = None,
    limit: int = PAGE,
    *,
    bodies: bool = False,
) -> AuditPage:
    """The entries that are wanted, of sessions in reach. A page may be short though more follow.

    `bodies`: with what their interrupts showed and were answered, where the session still lives. At most BODIES_MAX
    entries of a page then.

    Raises:
        Forbidden: for admins and operators only, and for tokens that name their sessions; bodies only with `read`.
        NotFound, BadRequest: an id or the cursor is not one of ours.
    """
    _check(principal)
    if bodies and not principal.has("read"):
        raise Forbidden("Your token does not grant 'read', which arguments and answers take.", right="read")
    trail = Trail(backend.door.connection, backend.door.keys)
    places = _places(cursor, len(trail.partitions))
    home = wanted.home
    readers = [
        _Reader(trail, one, place, wanted.since)
        for one, place in enumerate(places)
        if place != 1 and (home is None or one == trail.partition(home))
    ]
    limit = max(1, min(limit, BODIES_MAX if bodies else PAGE_MAX))
    found: list[AuditShown] = []
    newest = [reader for reader in readers if await reader.fill()]
    heapq.heapify(newest)
    for _ in range(SCAN_MAX):
        if not newest or len(found) == limit:
            break
        reader = newest[0]
        link = reader.take()
        places[reader.partition] = link.number
        shown = _shown(reader.partition, link, wanted, principal)
        if shown is not None:
            found.append(shown)
        if await reader.fill():
            heapq.heapreplace(newest, reader)
        else:
            heapq.heappop(newest)
    if bodies:
        found = list(await asyncio.gather(*(_with_bodies(backend, one) for one in found)))
    return AuditPage(found, "-".join(map(str, places)) if newest else None)


async def _with_bodies(backend: Backend, entry: AuditShown) -> AuditShown:
    """An entry with what lives with its session; without, where that is gone."""
    if entry.interrupt is None or entry.turn is None:
        return entry
    view = await backend.door.read(entry.session, turns=(entry.turn,), interrupts=(entry.interrupt,))
    record, turn = view.interrupts.get(entry.interrupt), view.turns.get(entry.turn)
    if record is None or turn is None:
        return entry
    shown, decision = record.interrupt, record.decision
    payload = decision.payload if decision else None
    return replace(entry, bodies=_bodies(turn, shown, payload))


def _bodies(turn: TurnRecord, shown: Interrupt, payload: Any) -> Bodies:
    agent, roles = shown.agent or turn.agent, turn.requester.roles
    return Bodies(shown.kind, agent, roles, shown.input, payload, shown.metadata, shown.reason)


def _check(principal: Principal) -> None:
    if OPERATOR not in principal.roles and not principal.has("admin"):
        raise Forbidden(f"Only the role {OPERATOR!r} or an admin may see the audit trail.", role=OPERATOR)
    if set(principal.sessions) <= {"mine"}:
        raise Forbidden("The audit trail is for tokens that name their sessions, such as '*'.", sessions="mine")


def _places(cursor: str | None, partitions: int) -> list[int]:
    """For each partition the number before which to go on; 0: at its end."""
    if cursor is None:
        return [0] * partitions
    parts = cursor.split("-")
    if len(parts) != partitions or not all(part.isdecimal() and len(part) <= 16 for part in parts):
        raise BadRequest("The cursor is not one of ours; start without one.", cursor=cursor[:200])
    return [int(part) for part in parts]


class _Reader:
    """One partition, from its newest entry back. Orders by the instant of its next entry, the newest first."""

    def __init__(self, trail: Trail, partition: int, before: int, since: int | None) -> None:
        self._trail, self.partition, self._before = trail, partition, before or None
        self._until_at = since - JUMP_MS if since is not None else 0
        self._links: list[Link] = []  # the next one last
        self._ended = False

    def __lt__(self, other: _Reader) -> bool:
        return self._links[-1].at > other._links[-1].at

    async def fill(self) -> bool:
        """Whether there is a next one."""
        if not self._links and not self._ended:
            links = await self._trail.older(self.partition, self._before, READ)
            self._ended = len(links) < READ
            self._links = links[::-1]
        return bool(self._links) and self._links[-1].at >= self._until_at

    def take(self) -> Link:
        link = self._links.pop()
        self._before = link.number
        return link


def _shown(partition: int, link: Link, wanted: Wanted, principal: Principal) -> AuditShown | None:
    entry = decode_entry(link)
    if entry is None or not wanted.takes(link.at, entry):
        return None
    if not principal.within(session=entry.session, members={}):
        return None
    return shown(partition, link, entry)


def shown(partition: int, link: Link, entry: AuditEntry) -> AuditShown:
    fields: dict[str, Any] = {name: getattr(entry, name) for name in entry.__struct_fields__}
    return AuditShown(**fields, partition=partition, number=link.number, at=link.at)


async def whole(trail: Trail) -> AsyncGenerator[tuple[int, Record]]:
    """The trail of every partition as of now, with its seals, in the order in which it is verified."""
    for partition in trail.partitions:
        head = (await trail.page(partition, limit=0)).head
        yield partition, head
        place, number = "0-0", 0
        while seals := [one for one in await trail.seals(partition, number) if one.number <= head.seals]:
            for seal in seals:
                yield partition, seal
                number = seal.number
                async for link in trail.between(partition, place, seal.last):
                    yield partition, link
                    place = link.place
        async for link in trail.between(partition, place, head.given):
            yield partition, link
        # What stands beyond was written since; or by nobody who was given a number for it.
        beyond = await trail.page(partition, f"{head.given}-{EXTRA_MAX}")
        for link in beyond.links:
            if link.number > beyond.head.given:
                yield partition, link


async def verify(trail: Trail, keys: Mapping[str, bytes], anchors: Iterable[Anchor] = ()) -> list[Verdict]:
    """What became of the trail of each partition."""
    checks = Checks(keys, anchors)
    async for partition, record in whole(trail):
        checks.feed(partition, record)
    return checks.verdicts()


class Checks:
    """Checks of all partitions, fed with the records of the store or of an export."""

    def __init__(self, keys: Mapping[str, bytes], anchors: Iterable[Anchor] = ()) -> None:
        self._keys, self._anchors = keys, list(anchors)
        self._checks: dict[int, Check] = {}

    def feed(self, partition: int, record: Record) -> None:
        """The next record. Raises BadRequest: nothing was said of its partition."""
        if isinstance(record, Head):
            self._checks[partition] = Check(record, self._keys, self._anchors)
            return
        check = self._checks.get(partition)
        if check is None:
            raise BadRequest(f"Nothing is said of partition {partition} before its entries.")
        if isinstance(record, Seal):
            check.seal(record)
        else:
            check.entry(record)

    def verdicts(self) -> list[Verdict]:
        return [check.verdict() for _, check in sorted(self._checks.items())]
