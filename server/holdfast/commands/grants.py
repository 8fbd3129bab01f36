"""Grants that stand: listing them, revoking one."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from holdfast.commands.attempts import Need, attempt, command_id
from holdfast.commands.backend import Backend
from holdfast.commands.reading import SCAN_MAX
from holdfast.commands.replies import ok, stored_ok
from holdfast.core import ids, standing
from holdfast.core.commit import Commit
from holdfast.core.errors import Forbidden, NotFound
from holdfast.core.grants import Grant, GrantScope
from holdfast.core.identity import OPERATOR, By, Principal
from holdfast.core.session import SessionRecord
from holdfast.protocol.frames import Ok
from holdfast.store.door import Done, View
from holdfast.store.indexes import Entry, Indexes, parse_cursor

PAGE = 50
PAGE_MAX = 200


class GrantShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A grant, and what it lets pass, in words."""

    id: str
    words: str
    scope: GrantScope
    tool: str
    agent: str
    session: str
    interrupt: str
    by: By
    at: int
    person: str | None = None
    input: dict[str, Any] | None = None
    inputHash: str | None = None
    until: int | None = None


class GrantPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Grants that stand. Go on at `next`; without it there are no more."""

    grants: list[GrantShown]
    next: str | None = None


async def page(backend: Backend, principal: Principal, cursor: str | None = None, limit: int = PAGE) -> GrantPage:
    """The grants that stand and that this principal may see, the newest first. A page may be short.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    after = parse_cursor(cursor) if cursor else None
    limit = max(1, min(limit, PAGE_MAX))
    indexes = Indexes(backend.door.connection, backend.door.keys)
    found: list[GrantShown] = []
    for _ in range(SCAN_MAX // limit):
        entries = await indexes.grants(after, limit)
        for entry, seen in zip(entries, await _seen(backend, principal, entries), strict=True):
            after = entry
            if seen is not None:
                found.append(shown_grant(seen))
            if len(found) == limit:
                return GrantPage(found, after.cursor)
        if len(entries) < limit:
            return GrantPage(found)
    return GrantPage(found, after.cursor if after else None)


async def revoke(backend: Backend, principal: Principal, own_id: str, ref: str, via: str) -> Ok:
    """Have a grant say nothing any more about what is judged from now on. What was let pass stays so.

    Raises:
        NotFound: there is none, or it is out of reach.
        Forbidden: it is for its giver, whom it is for, the owner of its session, and operators to revoke.
    """
    home = ids.home_of(own_id)
    command = command_id(principal, ref, {"type": "grant.revoke", "grant": own_id})
    found = (await backend.door.standing(home)).grant(own_id)
    session = (await backend.door.read(found.session)).session if found else None

    def decide(view: View) -> Commit:
        record = view.standing
        grant = record.grant(own_id) if record is not None else None
        if record is None or grant is None or not _sees(principal, grant, session):
            raise no_such_grant()
        if not _revokes(principal, grant, session):
            raise Forbidden("Only its giver, whom it is for, the session's owner or an operator may revoke a grant.")
        if grant.revoked_at is None:
            commit = standing.revoke(record, grant, principal.by, view.now_ms, via, ref)
        else:  # by somebody else, earlier: there is nothing left to do
            commit = Commit(home, "revoke", guards=[record])
        commit.reply = stored_ok(grant.session)
        return commit

    outcome = await attempt(backend, home, command, decide, Need(standing=True))
    assert isinstance(outcome, Done)
    return ok(ref, outcome)


def no_such_grant() -> NotFound:
    return NotFound("There is no such grant, or it is not yours to see.")


def shown_grant(grant: Grant) -> GrantShown:
    return GrantShown(
        id=grant.id,
        words=grant.words,
        scope=grant.scope,
        tool=grant.tool,
        agent=grant.agent,
        session=grant.session,
        interrupt=grant.interrupt,
        by=grant.giver.by,
        at=grant.at,
        person=grant.person,
        input=grant.input,
        inputHash=grant.input_hash,
        until=grant.until,
    )


async def _seen(backend: Backend, principal: Principal, entries: list[Entry]) -> list[Grant | None]:
    """Each entry's grant, if it stands and this principal may see it."""

    async def one(entry: Entry) -> Grant | None:
        view = await backend.door.read(ids.home_of(entry.name), standing=True)
        grant = view.standing.grant(entry.name) if view.standing else None
        if grant is None or not grant.stands(view.now_ms):
            return None
        session = view.session or (await backend.door.read(grant.session)).session
        return grant if _sees(principal, grant, session) else None

    return list(await asyncio.gather(*(one(entry) for entry in entries)))


def _sees(principal: Principal, grant: Grant, session: SessionRecord | None) -> bool:
    """Who may revoke it, and whoever reads the session in which it was given."""
    if _revokes(principal, grant, session):
        return True
    members = session.members if session else {}
    return principal.has("read") and principal.within(session=grant.session, members=members)


def _revokes(principal: Principal, grant: Grant, session: SessionRecord | None) -> bool:
    within = session is not None and principal.within(session=session.id, members=session.members)
    owns = session is not None and grant.scope == "session" and session.info.owner == principal.subject
    concerned = principal.subject in (grant.giver.subject, grant.person) or (owns and within)
    return concerned or OPERATOR in principal.roles or (within and principal.has("admin"))
