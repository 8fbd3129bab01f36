"""Modes: what a message may ask for, and what its agent lets it."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.errors import BadInput
from holdfast.core.modes import MODES, checked, chosen


@pytest.mark.parametrize("own", MODES)
def test_a_message_that_says_nothing_goes_its_agents_way(own: Any) -> None:
    assert chosen(None, own, ()) == own
    assert chosen(own, own, ()) == own


@pytest.mark.parametrize("wanted", MODES)
def test_a_message_may_choose_what_its_agent_allows(wanted: Any) -> None:
    assert chosen(wanted, "queue", MODES) == wanted


def test_what_its_agent_does_not_allow_is_refused_with_what_it_does() -> None:
    with pytest.raises(BadInput) as caught:
        chosen("replace", "queue", ("steer",))
    assert caught.value.details == {"modes": ["queue", "steer"]}


@pytest.mark.parametrize(("on_message", "allowed"), [("interrupt", ()), ("queue", ("steer", "x"))])
def test_an_author_is_told_of_a_mode_that_is_none(on_message: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="is no mode"):
        checked(on_message, allowed)
    assert checked("steer", ["queue"]) == ("steer", ("queue",))
