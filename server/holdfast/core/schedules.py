"""Schedules: what starts turns when its time has come, once or again and again.

    active ──fire──▶ active (cron)  │  done (once)          done, cancelled ──a week──▶ forgotten
       └────cancel──▶ cancelled

A schedule stands on a shelf: a place of its own in a partition, beside the deadline by which it fires. A turn that it
starts may be in another partition; its id says which schedule and which instant, so firing twice is firing once.
"""

from __future__ import annotations

import re
import zlib
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from holdfast.core.audit import AuditEntry
from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline, member
from holdfast.core.errors import BadInput, LimitReached
from holdfast.core.identity import By, Principal
from holdfast.core.records import Record

NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
SHELVES = 16  # never change this: it says where a schedule stands
SHELF_MAX = 1_000  # schedules on one shelf: a name to find, not a queue
INPUT_MAX_BYTES = 16 * 1024  # a shelf is read whole
KEPT_MS = 7 * 86_400_000  # as long as a command's ref: repeating it must not begin anew

Status = Literal["active", "done", "cancelled"]
#: Who made it: an app's code, somebody by REST, or a turn.
Source = Literal["app", "api", "turn"]


class When(msgspec.Struct, frozen=True, omit_defaults=True):
    """Once, at an instant; or at all instants of a cron expression in a time zone."""

    at_ms: int | None = None
    cron: str | None = None
    timezone: str = "UTC"


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to happen, and when: what makes two schedules the same."""

    agent: str
    when: When
    #: The session that gets the turns, started by the first firing if it is not there. None: each firing has its own.
    session: str | None = None
    input: Any = None
    message: str | None = None
    #: Asked for as so long from now: then `when` is what came of it, and no part of what was asked.
    delay_ms: int | None = None

    @property
    def digest(self) -> str:
        """Of what was asked for."""
        when = When() if self.delay_ms is not None else self.when
        return input_hash(msgspec.to_builtins(replace(self, when=when)))


class ScheduleRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """What is stored of a schedule."""

    kind = "schedule"
    name: str
    plan: Plan
    #: Whose rights its turns have.
    principal: Principal
    source: Source
    created_at_ms: int
    status: Status = "active"
    #: When it fires next; None: never again.
    next_ms: int | None = None
    #: The instant for which it fired last, and how often it did.
    last_ms: int | None = None
    fired: int = 0
    #: Why the last firing started nothing: {code, message}.
    failed: dict[str, str] | None = None
    #: The agent's version whose code declares it.
    declared: str | None = None

    @property
    def id(self) -> str:
        return self.name

    @property
    def shelf(self) -> str:
        return shelf_of(self.name)

    def ref(self, instant_ms: int) -> str:
        """The command that starts the turn of this instant: always the same one, whoever sends it."""
        return f"schedule:{input_hash([self.name, instant_ms])}"


def shelf_of(name: str) -> str:
    """Where a schedule of this name stands. The dot keeps it apart from every session."""
    return f"schedules.{zlib.crc32(name.encode()) % SHELVES}"


def shelves() -> list[str]:
    return [f"schedules.{number}" for number in range(SHELVES)]


def check_name(name: str) -> str:
    """`name` as that of a schedule, or BadInput with the rule it breaks."""
    if not NAME.fullmatch(name):
        raise BadInput("name: 1 to 100 letters, digits, '_', '.', ':' or '-'.", path="name")
    return name


def check_room(count: int) -> None:
    """Raises LimitReached if the shelf is full."""
    if count >= SHELF_MAX:
        raise LimitReached(f"There are too many schedules: at most {SHELF_MAX} beside this one.", limit=SHELF_MAX)


def put(record: ScheduleRecord, via: str) -> Commit:
    """Create or replace a schedule: it fires next at `next_ms`."""
    entry = AuditEntry("schedule.created", record.shelf, record.principal.by, name=record.name, via=via)
    return Commit(
        record.shelf,
        "schedule",
        on_shelf=True,
        puts=[record],
        set_deadlines=[Deadline("schedule", record.name, record.next_ms)],
        audit=[entry],
    )


def redeclare(record: ScheduleRecord, version: str) -> Commit:
    """The same schedule, declared by newer code."""
    return Commit(record.shelf, "schedule", on_shelf=True, puts=[replace(record, declared=version)])


def fired(record: ScheduleRecord, now_ms: int, next_ms: int | None, failed: dict[str, str] | None = None) -> Commit:
    """It has fired for the instant that was due. `next_ms` is the first after now: what was missed is not made up."""
    changed = replace(record, last_ms=record.next_ms, next_ms=next_ms, fired=record.fired + 1, failed=failed)
    return _settle(changed if next_ms is not None else replace(changed, status="done"), record.name, now_ms)


def cancel(record: ScheduleRecord, who: By, now_ms: int, via: str) -> Commit:
    """It fires no more. Its code may declare it as before: it stays cancelled until that is changed."""
    commit = _settle(replace(record, status="cancelled", next_ms=None), None, now_ms)
    commit.audit.append(AuditEntry("schedule.cancelled", record.shelf, who, name=record.name, via=via))
    return commit


def forget(record: ScheduleRecord) -> Commit:
    """Nothing is left of it."""
    dropped = [member("schedule", record.name)]
    return Commit(record.shelf, "schedule", on_shelf=True, removes=[record], drop_deadlines=dropped)


def _settle(changed: ScheduleRecord, due: str | None, now_ms: int) -> Commit:
    commit = Commit(changed.shelf, "schedule", on_shelf=True, puts=[changed])
    if due is not None:
        commit.due.append(member("schedule", due))
    stays = changed.status == "cancelled" and changed.source == "app"  # as long as code declares it
    if stays:
        commit.drop_deadlines.append(member("schedule", changed.name))
    else:
        next_ms = now_ms + KEPT_MS if changed.next_ms is None else changed.next_ms
        commit.set_deadlines.append(Deadline("schedule", changed.name, next_ms))
    return commit
