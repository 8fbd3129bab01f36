"""Leaving: a person says that they are away until some instant, and who may answer in their place."""

from __future__ import annotations

import msgspec

from holdfast.commands.backend import Backend
from holdfast.core import people
from holdfast.core.errors import Forbidden
from holdfast.core.identity import Principal


class Absence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether somebody is away. Instants in milliseconds."""

    away: bool
    until: int | None = None
    deputy: str | None = None


class StandsIn(msgspec.Struct, frozen=True):
    """For whom a deputy may answer, with which roles, until when."""

    subject: str
    roles: tuple[str, ...]
    until: int


async def deputy_for(backend: Backend, principal: Principal) -> list[StandsIn]:
    """Those in whose place this principal may answer now. Cancelling is safe."""
    absent = await backend.directory.absent_for(principal.subject)
    now_ms = await backend.directory.now_ms() if absent else 0
    return [
        StandsIn(each.subject, each.roles, each.until)
        for each in absent
        if each.until > now_ms and each.principal.has("answer")
    ]


async def absence(backend: Backend, principal: Principal) -> Absence:
    """Whether this principal is away. Cancelling is safe."""
    standing = await backend.directory.away(principal.subject)
    if standing is None or standing.until <= await backend.directory.now_ms():
        return Absence(away=False)
    return Absence(True, standing.until, standing.deputy)


async def leave(backend: Backend, principal: Principal, until: int, deputy: str | None) -> Absence:
    """Be away until then, in place of what was said before. The same again changes nothing, so it needs no ref.

    Cancelling leaves open whether it was kept: say it again.

    Raises:
        Forbidden: who may not answer has nothing to lend, and an app acting for somebody lends nothing of theirs.
        BadInput: the instant is past or too far off, or the deputy is oneself.
        LimitReached: too many are away, or the deputy stands in for too many.
    """
    if not principal.has("answer"):
        raise Forbidden("Your token does not grant 'answer'.", right="answer")
    if principal.actor is not None:
        raise Forbidden("Only the person themselves may name a deputy.", actor=principal.actor)
    now_ms = await backend.directory.now_ms()
    kept = people.away(principal, until, deputy, now_ms)
    await backend.directory.set_away(kept, now_ms)
    return Absence(True, kept.until, kept.deputy)


async def come_back(backend: Backend, principal: Principal) -> Absence:
    """Be there again: a deputy may do nothing more. Cancelling it: say it again."""
    await backend.directory.back(principal.subject)
    return Absence(away=False)
