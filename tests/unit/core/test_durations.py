"""Durations: as authors write them, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.durations import UNITS_MS, milliseconds

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
