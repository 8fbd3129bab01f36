"""What others wrote cannot show something other than it is."""

from __future__ import annotations

import pytest

from holdfast.core.visible import is_unseen, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A\u202e17", "A‹U+202E›17"),
        ("a\u200bb", "a‹U+200B›b"),
        ("\u3164\U000e0041", "‹U+3164›‹U+E0041›"),
        ("1\ufe0f x\u200dy", "1‹U+FE0F› x‹U+200D›y"),
    ],
)
def test_what_is_not_seen_is_shown_by_its_number(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["€ 120,50\n\tÅngström", "שלום", "⚠\ufe0f \U0001f469\U0001f3fd\u200d\U0001f4bb"])
def test_what_is_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_lines_and_tabs_are_seen() -> None:
    assert [is_unseen(one) for one in "\n\tx\r"] == [False, False, False, True]
