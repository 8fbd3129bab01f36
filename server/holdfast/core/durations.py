"""Durations as authors write them: "7 days", "90 s", or a timedelta. Bare numbers are refused: of what?

What ends may say when instead: a datetime, or in text an instant of ISO 8601.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec

UNITS_MS = {
    "ms": 1,
    "s": 1_000, "sec": 1_000, "second": 1_000,
    "m": 60_000, "min": 60_000, "minute": 60_000,
    "h": 3_600_000, "hour": 3_600_000,
    "d": 86_400_000, "day": 86_400_000,
    "w": 604_800_000, "week": 604_800_000,
}  # fmt: skip

LONGEST_MS = 2**53  # beyond it a number of milliseconds is not exact

_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*,?")

_BEGINS_WITH_A_DATE = re.compile(r"\s*\d{4}-\d")

Duration = str | timedelta
#: How long something stays open, or until when.
Expires = Duration | datetime


class Expiry(msgspec.Struct, frozen=True):
    """When something ends: so long after it was opened, or at an instant. One of the two."""

    length_ms: int | None = None
    at_ms: int | None = None

    def ends_ms(self, opened_ms: int) -> int:
        """The end of what is opened now; never before that."""
        if self.at_ms is not None:
            return max(opened_ms, self.at_ms)
        return opened_ms + (self.length_ms or 0)


def expiry(written: Expires) -> Expiry:
    """How long, or until when, as authors and devices write it.

    Raises:
        ValueError: it is no duration, or an instant without a time zone.
    """
    if isinstance(written, datetime):
        return Expiry(at_ms=instant_ms(written))
    if isinstance(written, str) and _BEGINS_WITH_A_DATE.match(written):
        try:
            instant = datetime.fromisoformat(written.strip())
        except ValueError:
            raise ValueError(f"{written[:40]!r} is no instant: write '2026-03-01T12:00:00Z'") from None
        if instant.tzinfo is None:
            raise ValueError(f"{written[:40]!r} has no time zone: write '2026-03-01T12:00:00Z'")
        return Expiry(at_ms=instant_ms(instant))
    return Expiry(milliseconds(written))


def milliseconds(duration: Duration) -> int:
    """The duration in milliseconds.

    Raises:
        ValueError: it is not a positive duration, with what would be one.
    """
    if isinstance(duration, timedelta):
        total = int(duration.total_seconds() * 1_000)
    else:
        total = _parse(duration)
    if total <= 0:
        raise ValueError(f"{duration!r}: a duration must be longer than nothing")
    return total


def instant_ms(instant: datetime) -> int:
    """The instant in milliseconds since 1970.

    Raises:
        ValueError: it has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: write datetime(…, tzinfo=ZoneInfo('Europe/Berlin'))")
    return int(instant.timestamp() * 1_000)


def _parse(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no duration: write '30 s', '7 days' or a timedelta")
    rest, total = text.strip().lower(), 0.0
    while rest:
        part = _PART.match(rest)
        unit = part and (UNITS_MS.get(part[2]) or UNITS_MS.get(part[2].rstrip("s")))
        if part is None or unit is None:
            raise ValueError(f"{text!r} is no duration: write '30 s', '1 h 30 min' or '7 days'")
        total += float(part[1]) * unit
        if total > LONGEST_MS:
            raise ValueError(f"{text[:40]!r} is longer than can be counted")
        rest = rest[part.end() :]
    return int(total)
