"""Durations: with a unit, or refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from holdfast.core.durations import milliseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 days", 604_800_000),
        ("1 h 30 min", 5_400_000),
        ("90s", 90_000),
        ("0.5 s", 500),
        ("250 ms", 250),
        ("2 weeks, 1 day", 15 * 86_400_000),
        (timedelta(minutes=5), 300_000),
    ],
)
def test_what_is_a_duration(text: Any, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    "value", ["", "7", "7 fortnights", "soon", "-1 s", 7, 7.0, None, timedelta(0), "0 s"]
)
def test_what_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        milliseconds(value)
