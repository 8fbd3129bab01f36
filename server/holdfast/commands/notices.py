"""Notices that were given up, for operators: listed, and put before their targets again."""

from __future__ import annotations

import re

import msgspec

from holdfast.commands.backend import Backend
from holdfast.core.errors import BadRequest, Forbidden
from holdfast.core.identity import OPERATOR, Principal
from holdfast.store.outbox import Backlog, Outbox, Undelivered

PAGE = 50
PAGE_MAX = 200
REPLAY_MAX = 1_000  # notices of one request; ask again while there are more
NOTICE_ID = re.compile(r"\d{1,16}-\d{1,10}-\d{1,5}")


class DeadNotice(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A notice that was given up, and why."""

    id: str
    #: Where it was to go, as it is shown; its id if it is not known any more.
    target: str
    kind: str
    session: str
    why: str
    attempts: int
    #: When it was written, and when it was given up, in milliseconds.
    noticedAt: int
    at: int
    interrupt: str | None = None
    text: str | None = None


class DeadNotices(msgspec.Struct, frozen=True, omit_defaults=True):
    """Notices that were given up, the newest first. Go on at `next`; without it there are no more."""

    notices: list[DeadNotice]
    next: str | None = None


class Replayed(msgspec.Struct, frozen=True):
    """How many are put before their targets again, and how many could not: replayed before, or their target is gone."""

    replayed: int
    left: int


def outbox(backend: Backend) -> Outbox:
    """The outbox of a backend's store."""
    return Outbox(backend.door.connection, backend.door.keys)


async def dead(backend: Backend, principal: Principal, cursor: str | None = None, limit: int = PAGE) -> DeadNotices:
    """A page of what was given up. Raises Forbidden; BadRequest: the cursor is not one of ours."""
    _check_operator(principal)
    before = _checked(cursor) if cursor else None
    limit = max(1, min(limit, PAGE_MAX))
    found = await outbox(backend).undelivered(before, limit)
    names = {target.id: target.shown for target in await outbox(backend).targets()}
    page = [_shown(one, names) for one in found]
    return DeadNotices(page, page[-1].id if len(page) == limit else None)


async def replay(backend: Backend, principal: Principal, ids: list[str] | None) -> Replayed:
    """Have these sent again, or without any named, the newest that there are: each is tried anew.

    Raises:
        Forbidden: it is for operators and admins.
        BadRequest: an id is not one of ours, or they are too many.
    """
    _check_operator(principal)
    box = outbox(backend)
    if ids is None:
        chosen: list[Undelivered | None] = list(await box.undelivered(None, REPLAY_MAX))
    elif len(ids) > REPLAY_MAX:
        raise BadRequest(f"ids: at most {REPLAY_MAX} at once.", path="ids", limit=REPLAY_MAX)
    else:
        chosen = [await box.one_undelivered(_checked(one)) for one in ids]
    known = {target.id for target in await box.targets()}
    # Oldest first, as they were written: a lane keeps its order.
    present = sorted((one for one in chosen if one is not None and one.target in known), key=lambda one: one.rank)
    done = sum([await box.replay(one) for one in present])
    return Replayed(done, len(chosen) - done)


async def backlog(backend: Backend) -> Backlog:
    """How much waits, and how much was given up: for metrics."""
    return await outbox(backend).backlog()


def _check_operator(principal: Principal) -> None:
    if "*" not in principal.sessions or not (OPERATOR in principal.roles or principal.has("admin")):
        raise Forbidden(f"Notices are for the role {OPERATOR!r} and for admins, of all sessions.", role=OPERATOR)


def _checked(own_id: str) -> str:
    if not NOTICE_ID.fullmatch(own_id):
        raise BadRequest("This is not the id of a notice that was given up.", id=own_id[:100])
    return own_id


def _shown(one: Undelivered, names: dict[str, str]) -> DeadNotice:
    notice = one.notice
    return DeadNotice(
        id=one.id,
        target=names.get(one.target, one.target),
        kind=notice.kind,
        session=notice.session,
        why=one.why,
        attempts=one.attempts,
        noticedAt=one.noticed_at,
        at=one.at,
        interrupt=notice.interrupt or None,
        text=notice.text,
    )
