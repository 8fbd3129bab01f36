"""Durations: as authors write them, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.durations import UNITS_MS, Expiry, expiry, milliseconds

DAY = 86_400_000


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("7 days", 7 * DAY),
        ("1h", 3_600_000),
        ("1 h 30 min", 5_400_000),
        ("1 hour, 30 minutes", 5_400_000),
        ("90s", 90_000),
        ("0.5 s", 500),
        ("250 ms", 250),
        ("2 weeks", 14 * DAY),
        (" 1 Day ", DAY),
        (timedelta(days=1, milliseconds=5), DAY + 5),
    ],
)
def test_written(written: str | timedelta, expected: int) -> None:
    assert milliseconds(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "7",
        "days",
        "7 fortnights",
        "-1 s",
        "0 s",
        "1 s 2",
        "1 month",
        timedelta(0),
        timedelta(-1),
        5,
        5.0,
        None,
        True,
    ],
)
def test_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="durati"):
        milliseconds(written)


@given(number=st.integers(1, 10_000), unit=st.sampled_from(sorted(UNITS_MS)))
def test_every_unit(number: int, unit: str) -> None:
    assert milliseconds(f"{number} {unit}") == milliseconds(f"{number}{unit}") == number * UNITS_MS[unit]


NOON_MS = 1_767_268_800_000  # of 2026-01-01


@pytest.mark.parametrize(
    ("written", "ends_ms"),
    [
        ("1 h", 3_605_000),
        (timedelta(seconds=1), 6_000),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), NOON_MS),
        (datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))), NOON_MS),
        ("2026-01-01T12:00:00Z", NOON_MS),
        (" 2026-01-01T13:00+01:00", NOON_MS),
        ("1969-01-01T00:00:00Z", 5_000),
    ],
)
def test_so_long_from_its_opening_on_or_until_an_instant(written: Any, ends_ms: int) -> None:
    assert expiry(written).ends_ms(5_000) == ends_ms


@pytest.mark.parametrize(
    "written", [datetime.fromisoformat("2026-01-01"), "2026-01-01T12:00:00", "2026-01-01", "2026-13-01T12:00Z"]
)
def test_an_instant_without_a_time_zone_is_none(written: Any) -> None:
    with pytest.raises(ValueError, match=r"time zone|no instant"):
        expiry(written)


def test_what_is_no_instant_is_read_as_a_duration() -> None:
    assert expiry("2 days") == Expiry(2 * DAY)
    with pytest.raises(ValueError, match="durati"):
        expiry("soon")
