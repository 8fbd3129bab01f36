"""Leaving: a person says that they are away until some instant, and who may answer in their place."""

from __future__ import annotations

import msgspec

from holdfast.commands.attempts import ATTEMPTS
from holdfast.commands.backend import Backend
from holdfast.commands.rerouting import committed
from holdfast.core import absences, ids, people
from holdfast.core.commit import Commit
from holdfast.core.errors import Busy, Forbidden
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


async def leave(backend: Backend, principal: Principal, until: int, deputy: str | None, via: str = "rest") -> Absence:
    """Be away until then, in place of what was said before. The same again changes nothing, so it needs no ref.

    Each time that it is said is in the trail. What is open is seen anew at once, and when the absence is over: see
    `rerouting`.
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
    home = ids.wide_home("person", principal.subject)
    await _sure(backend, absences.foretell(home, kept.until))
    await backend.directory.set_away(kept, now_ms)
    await _sure(backend, absences.look(home, absences.gone(home, kept, principal.by, via)))
    return Absence(True, kept.until, kept.deputy)


async def come_back(backend: Backend, principal: Principal, via: str = "rest") -> Absence:
    """Be there again: a deputy may do nothing more. Cancelling it: say it again."""
    if await backend.directory.away(principal.subject) is None:
        return Absence(away=False)
    home = ids.wide_home("person", principal.subject)
    await _sure(backend, absences.foretell_return(home))
    await backend.directory.back(principal.subject)
    await _sure(backend, absences.look(home, absences.back(home, principal.by, via)))
    return Absence(away=False)


async def _sure(backend: Backend, commit: Commit) -> None:
    """Commit what has no guard but the store's epoch."""
    for _ in range(ATTEMPTS):
        if await committed(backend, commit):
            return
    raise Busy
