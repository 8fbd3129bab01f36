"""Planning: schedules as authors write them, in an app's code or from inside a turn."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.commands import scheduling
from holdfast.core.commit import Commit
from holdfast.core.durations import Duration, instant_ms, milliseconds
from holdfast.core.identity import Principal
from holdfast.core.ids import idempotency_key
from holdfast.core.operations import Operation
from holdfast.core.schedules import Plan, When
from holdfast.runtime.execution import Execution

SCHEDULER = "scheduler"  # who starts what an app's code has scheduled, if it names nobody


def timing(
    delay: Duration | None, at: datetime | None, cron: str | None, timezone: str = "UTC"
) -> tuple[When, int | None]:
    """When, and how long from now if that is what was asked.

    Raises:
        ValueError: not exactly one of the three is given, or one of them cannot be read.
    """
    if [delay, at, cron].count(None) != 2:
        raise ValueError("give exactly one of delay=, at= and cron=")
    if delay is not None:
        return When(), milliseconds(delay)
    if at is not None:
        return When(at_ms=instant_ms(at)), None
    return When(cron=cron, timezone=timezone), None


def session_of_handler(name: str) -> str:
    """The session in which a scheduled handler's turns run."""
    return "schedule-" + re.sub(r"[^A-Za-z0-9_-]", "-", name)


async def schedule(x: Execution, key: str, place: int, plan: Plan) -> str:
    """Make a schedule from inside a turn, once. Gives its name, by which it can be cancelled.

    The instant is recorded before it is made: whoever repeats this makes the same schedule, not a later one.

    Raises:
        HoldfastError: it cannot be made, with what would be right; it ends the turn.
    """
    operation = x.journal.operations.get(key)
    if operation is None:
        if plan.delay_ms is not None:
            plan = replace(plan, when=When(at_ms=x.writer.now_ms() + plan.delay_ms), delay_ms=None)
        given: Any = msgspec.to_builtins(plan)
        operation = Operation(x.turn.id, key, "schedule", "started", input=given, place=place, due_ms=plan.when.at_ms)
        await _record(x, operation)
    if operation.status != "done":
        name = f"turn-{idempotency_key(x.turn.id, key)}"
        made = msgspec.convert(operation.input, Plan)
        await scheduling.create(x.environment.backend, _principal(x), name, made, "turn", "turn")
        operation = replace(operation, status="done", outcome="done", value=name)
        await _record(x, operation)
    return operation.value


async def unschedule(x: Execution, key: str, place: int, name: str) -> bool:
    """Cancel a schedule of this person; whether it would still have fired."""
    operation = x.journal.operations.get(key)
    if operation is None:
        was = await scheduling.end(x.environment.backend, _principal(x), name, "turn")
        operation = Operation(
            x.turn.id, key, "schedule", "done", place=place, outcome="done", input={"cancel": name}, value=was
        )
        await _record(x, operation)
    return operation.value


def _principal(x: Execution) -> Principal:
    """Whoever caused this turn, as far as this session goes."""
    who = x.turn.requester
    return Principal(who.subject, who.roles, ("mine", x.turn.session), name=who.name)


async def _record(x: Execution, operation: Operation) -> None:
    await x.writer.commit(
        lambda turn, writer: Commit(turn.session, "record", by=writer, operations=[operation]), x.journal
    )
    x.journal.record(operation)
