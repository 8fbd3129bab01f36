"""What others wrote cannot steer a terminal, nor show something other than it is."""

from __future__ import annotations

import json

import pytest

from holdfast.core.interrupts import Interrupt
from holdfast.device_cli import screen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A\u202e17", "A‹U+202E›17"),
        ("\x1b[2J\x07", "‹U+001B›[2J‹U+0007›"),
        ("\x9b31m\x7f\r", "‹U+009B›31m‹U+007F›‹U+000D›"),
        ("a\u200bb\ufeff\u2066\u061c\u200f", "a‹U+200B›b‹U+FEFF›‹U+2066›‹U+061C›‹U+200F›"),
        ("\u3164\u2800\u2028\U000e0041\ud800", "‹U+3164›‹U+2800›‹U+2028›‹U+E0041›‹U+D800›"),
        ("1\ufe0f x\u200dy", "1‹U+FE0F› x‹U+200D›y"),
    ],
)
def test_what_is_not_seen_is_shown_by_its_number(text: str, shown: str) -> None:
    assert screen.visible(text) == shown


@pytest.mark.parametrize(
    "text", ["€ 120,50\n\tÅngström", "שלום, مرحبا", "⚠\ufe0f \U0001f469\U0001f3fd\u200d\U0001f4bb"]
)
def test_what_is_seen_stays(text: str) -> None:
    assert screen.visible(text) == text


def test_a_card_shows_what_is_approved(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Interrupt(
        id="i1",
        kind="approval",
        session="s1",
        turn="t1",
        reason="tool_call",
        toolName="refund\x1b[8m",
        input={"order": "A\u202e17", "why": "\x9b2K"},
        message="Yes?\ni2  approval  nothing \u2066",
        openedAt=0,
    )
    screen.card(asked)
    head, message, forged, _ = capsys.readouterr().out.splitlines()
    assert head.endswith('refund‹U+001B›[8m {"order":"A‹U+202E›17","why":"‹U+009B›2K"}')
    assert (message, forged) == ("    Yes?", "    i2  approval  nothing ‹U+2066›")


def test_json_is_escaped_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"order": "A\u202e17\x9b\U000e0041 €"}
    screen.say(value)
    out = capsys.readouterr().out
    assert out == '{"order":"A\\u202e17\\u009b\\udb40\\udc41 €"}\n'
    assert json.loads(out) == value
