"""Approval: only `False` itself lets a call pass, and what cannot be kept is not shown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from holdfast.core.approval import APPROVAL_MAX_BYTES, Approval, checked
from holdfast.core.errors import BadInput
from holdfast.core.policies import Judged, judge, of_setting


@pytest.mark.parametrize("required", ["true", "false", "", 1, 0, 0.0, None, [], [False], {"required": False}])
def test_what_is_no_bool_asks(required: Any) -> None:
    said = Approval(required)
    assert of_setting(said, "allow") == "ask"
    with pytest.raises(msgspec.ValidationError):
        checked(said)


@pytest.mark.parametrize(
    "fields",
    [
        {"message": 7},
        {"risk": ["high"]},
        {"metadata": "much"},
        {"metadata": {"object": object()}},
        {"metadata": {"large": 2**60}},
        {"grantable": "no"},
        {"summary": "x" * APPROVAL_MAX_BYTES},
    ],
)
def test_what_cannot_be_shown_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError, BadInput)):
        checked(Approval(True, **fields))


def test_what_is_shown() -> None:
    said = Approval(True, "Pay?", summary="200 to Alice", risk="high", metadata={"risk": "overwritten", "ticket": 7})
    assert checked(said) == said
    assert said.shown == {"summary": "200 to Alice", "risk": "high", "ticket": 7}
    assert Approval(False).shown == {}


@pytest.mark.parametrize(
    ("ruled", "required", "verdict"),
    [
        (None, True, "ask"),
        (None, False, "allow"),
        (Judged("allow", "r"), True, "ask"),
        (Judged("allow", "r"), False, "allow"),
        (Judged("ask", "r"), True, "ask"),
        (Judged("ask", "r"), False, "ask"),
        (Judged("deny", "r"), False, "deny"),
    ],
)
def test_the_stricter_wins_and_its_words_are_kept(ruled: Judged | None, required: bool, verdict: str) -> None:
    said = Approval(required, "Pay?")
    judged = judge([], ruled, said, "ask")
    assert (judged.verdict, judged.approval) == (verdict, said)
