"""The calendar: when a cron expression comes round in a time zone. Read here, for the core knows no time zones."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from holdfast.core.errors import BadInput
from holdfast.core.schedules import When


def next_after(when: When, now_ms: int) -> int | None:
    """The first instant of a cron expression after `now_ms`; None: there is none, or it comes only once.

    An hour that a time zone skips fires when it ends; one that it repeats fires the first time.

    Raises:
        BadInput: the expression or the time zone is none.
    """
    if when.cron is None:
        return None
    try:
        zone = ZoneInfo(when.timezone)
    except (LookupError, ValueError, OSError):
        raise BadInput(f"timezone: {when.timezone[:100]!r} is no time zone; write 'Europe/Berlin'.") from None
    if len(when.cron.split()) != 5:
        raise BadInput("cron: five fields, minute hour day month weekday; write '0 9 * * 1'.", path="cron")
    try:
        return int(next(CronSim(when.cron, datetime.fromtimestamp(now_ms / 1_000, zone))).timestamp() * 1_000)
    except CronSimError as error:
        raise BadInput(f"cron: {when.cron[:100]!r}: {error}", path="cron") from None
    except (StopIteration, OverflowError):
        return None


def first(when: When, now_ms: int) -> int:
    """When it fires first. Raises BadInput, also when that is never."""
    at_ms = next_after(when, now_ms) if when.cron is not None else when.at_ms
    if at_ms is None:
        raise BadInput("This never comes: give delay, at or cron.", path="cron")
    return at_ms
