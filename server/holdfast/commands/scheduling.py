"""Scheduling: making, declaring, listing and cancelling schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.commands import calendar
from holdfast.commands.attempts import ATTEMPTS, present
from holdfast.commands.backend import Backend
from holdfast.core import ids, schedules
from holdfast.core.commit import Commit
from holdfast.core.errors import AlreadyExists, BadInput, Busy, Conflict, Forbidden, HoldfastError, NotFound
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.schedules import Plan, ScheduleRecord, Source, When
from holdfast.store import shelves
from holdfast.store.door import Done
from holdfast.store.manifests import natural
from holdfast.store.shelves import Place

PAGE = 100
PAGE_MAX = 500


class ScheduleShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A schedule as it stands. Instants are milliseconds."""

    name: str
    agent: str
    status: str
    source: str
    owner: str
    createdAt: int
    session: str | None = None
    input: Any = None
    message: str | None = None
    cron: str | None = None
    timezone: str | None = None
    #: When it fires next; absent: never again.
    next: int | None = None
    #: The instant for which it fired last.
    last: int | None = None
    fired: int = 0
    #: Why the last firing started nothing: `{code, message}`.
    failed: dict[str, str] | None = None


class SchedulePage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Schedules, by name. Go on at `next`; without it there are no more."""

    schedules: list[ScheduleShown]
    next: str | None = None


class Declared(msgspec.Struct, frozen=True):
    """A schedule that an app's code declares."""

    name: str
    plan: Plan
    owner: str
    version: str


async def create(
    backend: Backend, principal: Principal, name: str, plan: Plan, via: str, source: Source = "api"
) -> ScheduleShown:
    """Make a schedule, with this principal's rights. The same one again is the same one, also when it is done.

    Raises:
        BadInput, UnknownAgent, Forbidden, NotFound, Gone: nothing was made.
        AlreadyExists: another one has this name.
        LimitReached: there are too many.
    """
    schedules.check_name(name)
    await _check(backend, principal, plan)

    def decide(place: Place) -> Commit | ScheduleShown:
        before = place.record
        if before is not None and before.plan.digest == plan.digest and before.principal.subject == principal.subject:
            return shown(before)
        if before is not None and (before.status == "active" or before.source == "app"):
            raise AlreadyExists("Another schedule has this name.", name=name)
        if before is None:
            schedules.check_room(place.count)
        return schedules.put(_record(name, plan, principal, source, place), via)

    return await _attempt(backend, name, decide)


async def cancel(backend: Backend, principal: Principal, name: str, via: str) -> ScheduleShown:
    """Have it fire no more. For whoever made it, and for operators and admins. Cancelled already is fine too.

    Raises:
        NotFound: there is none of this name, or it is not this principal's.
        Conflict: it is done.
    """

    def decide(place: Place) -> Commit | ScheduleShown:
        record = place.record
        if record is None or not _visible(principal, record):
            raise NotFound("There is no such schedule, or it is not yours.", name=name[:200])
        if not principal.has("cancel"):
            raise Forbidden("Your token does not grant 'cancel'.", right="cancel")
        if record.status == "done":
            raise Conflict("It has fired, and fires no more.", status=record.status)
        if record.status == "cancelled":
            return shown(record)
        return schedules.cancel(record, principal.by, place.now_ms, via)

    return await _attempt(backend, name, decide)


async def end(backend: Backend, principal: Principal, name: str, via: str) -> bool:
    """Cancel it, if it would still fire; whether it would have. Raises NotFound, Forbidden."""
    try:
        return (await cancel(backend, principal, name, via)).status == "cancelled"
    except Conflict:
        return False


async def listing(backend: Backend, principal: Principal, after: str | None = None, limit: int = PAGE) -> SchedulePage:
    """Schedules by name: one's own; all of them for operators and admins. Raises Forbidden."""
    if not principal.has("read"):
        raise Forbidden("Your token does not grant 'read'.", right="read")
    found = [one for one in await _all(backend) if _visible(principal, one) and (after is None or one.name > after)]
    limit = max(1, min(limit, PAGE_MAX))
    page = sorted(found, key=lambda one: one.name)[:limit]
    return SchedulePage([shown(one) for one in page], page[-1].name if len(found) > limit else None)


async def declare(backend: Backend, declared: list[Declared], served: dict[str, str]) -> None:
    """What an app's code declares now counts; what it does not declare any more is gone.

    `served` says in which version this app serves its agents: code that is older than what declared a schedule changes
    nothing about it, so that a deploy that is half done does not undo itself.

    Raises:
        AlreadyExists: somebody else's schedule has the name. The others count all the same.
    """
    refused = list[HoldfastError]()
    for one in declared:
        try:
            await _attempt(backend, one.name, partial(_declared, one))
        except HoldfastError as error:
            refused.append(error)
    names = {one.name for one in declared}
    for record in await _all(backend):
        version = served.get(record.plan.agent)
        if record.source == "app" and version is not None and record.name not in names and not _newer(record, version):
            await _attempt(backend, record.name, partial(_undeclared, record))
    if refused:
        raise refused[0]


def shown(record: ScheduleRecord) -> ScheduleShown:
    plan = record.plan
    return ScheduleShown(
        name=record.name,
        agent=plan.agent,
        status=record.status,
        source=record.source,
        owner=record.principal.subject,
        createdAt=record.created_at_ms,
        session=plan.session,
        input=plan.input,
        message=plan.message,
        cron=plan.when.cron,
        timezone=plan.when.timezone if plan.when.cron else None,
        next=record.next_ms,
        last=record.last_ms,
        fired=record.fired,
        failed=record.failed,
    )


async def _check(backend: Backend, principal: Principal, plan: Plan) -> None:
    if not principal.has("send"):
        raise Forbidden("Your token does not grant 'send'.", right="send")
    size = len(msgspec.json.encode((plan.input, plan.message)))
    if size > schedules.INPUT_MAX_BYTES:
        raise BadInput(f"input and message: at most {schedules.INPUT_MAX_BYTES} bytes.", size=size)
    if plan.message is not None and not plan.message.strip():
        raise BadInput("message: it is empty.", path="message")
    if plan.session is not None:
        view = await backend.door.read(ids.check_session_id(plan.session))
        if view.session is not None or view.gone:
            present(view, principal, "send")
    await backend.manifests.get(plan.agent)


def _record(name: str, plan: Plan, principal: Principal, source: Source, place: Place) -> ScheduleRecord:
    if plan.delay_ms is not None:
        plan = replace(plan, when=When(at_ms=place.now_ms + plan.delay_ms))
    return ScheduleRecord(
        name=name,
        plan=plan,
        principal=replace(principal, expires_at_ms=None),
        source=source,
        created_at_ms=place.now_ms,
        next_ms=calendar.first(plan.when, place.now_ms),
        version=place.record.version if place.record else 0,
    )


def _declared(one: Declared, place: Place) -> Commit | ScheduleShown:
    before = place.record
    if before is not None and before.source != "app":
        raise AlreadyExists("A schedule that is not the app's has this name.", name=one.name)
    if before is not None and _newer(before, one.version):
        return shown(before)
    if before is not None and before.plan.digest == one.plan.digest and before.principal.subject == one.owner:
        return shown(before) if before.declared == one.version else schedules.redeclare(before, one.version)
    if before is None:
        schedules.check_room(place.count)
    principal = Principal(one.owner, sessions=("mine", one.plan.session or "mine"))
    record = _record(one.name, one.plan, principal, "app", place)
    return schedules.put(replace(record, declared=one.version), "app")


def _undeclared(was: ScheduleRecord, place: Place) -> Commit | ScheduleShown:
    if place.record is None or place.record.version != was.version:
        return shown(was)
    return schedules.forget(place.record)


def _newer(record: ScheduleRecord, version: str) -> bool:
    return record.declared is not None and natural(record.declared) > natural(version)


def _visible(principal: Principal, record: ScheduleRecord) -> bool:
    return principal.subject == record.principal.subject or OPERATOR in principal.roles or principal.has("admin")


async def _all(backend: Backend) -> list[ScheduleRecord]:
    parts = await asyncio.gather(*(shelves.on_shelf(backend.door, shelf) for shelf in schedules.shelves()))
    return [record for part in parts for record in part]


async def _attempt(backend: Backend, name: str, decide: Callable[[Place], Commit | ScheduleShown]) -> ScheduleShown:
    """Read, decide, commit; once more if somebody else was faster. Raises Busy."""
    for _ in range(ATTEMPTS):
        place = await shelves.place(backend.door, name)
        verdict = decide(place)
        if isinstance(verdict, ScheduleShown):
            return verdict
        verdict.epoch = place.epoch
        if isinstance(await backend.door.commit(verdict), Done):
            changed = [record for record in (*verdict.puts, *verdict.removes) if isinstance(record, ScheduleRecord)]
            return shown(changed[0])
    raise Busy
