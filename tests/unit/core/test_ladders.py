"""Ladders: what authors may write, and the instants that are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from holdfast.core import ladders
from holdfast.core.ladders import LADDER_MAX, Escalation, HandOver, Remind, Rung, checked, rungs

HOUR = 3_600_000


def test_durations_become_instants() -> None:
    ladder = [
        Remind("10 min"),
        HandOver("1 h", "role:manager"),
        HandOver(timedelta(hours=2), ["dora", "role:director"], instead=True),
    ]
    assert rungs(checked(ladder), 1_000) == (
        Rung("remind", 601_000),
        Rung("hand_over", HOUR + 1_000, ("manager",)),
        Rung("hand_over", 2 * HOUR + 1_000, ("director",), ("dora",), instead=True),
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Remind("soon"), "after: 'soon' is no duration"),
        (lambda: Remind(10), "after: 10 is no duration"),  # type: ignore[arg-type]
        (lambda: HandOver("1 h", []), "to: say who is asked"),
        (lambda: HandOver("never", "role:manager"), "after: 'never' is no duration"),
        (lambda: checked([HandOver("2 h", "bob"), Remind("1 h")]), "in the order in which they act"),
        (lambda: checked([Remind("1 h")] * (LADDER_MAX + 1)), f"at most {LADDER_MAX} rungs, not {LADDER_MAX + 1}"),
        (lambda: checked(["1 h"]), "a Remind or a HandOver"),
    ],
)
def test_what_cannot_be_climbed_is_refused(make: Any, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        make()


@pytest.mark.parametrize(
    ("names", "roles", "subjects"),
    [
        ("role:finance", ("finance",), ()),
        ("alice", (), ("alice",)),
        (["role:a", "b", "role:c"], ("a", "c"), ("b",)),
        ([], (), ()),
    ],
)
def test_names_are_roles_or_people(names: Any, roles: tuple[str, ...], subjects: tuple[str, ...]) -> None:
    assert ladders.roles_and_subjects(names) == (roles, subjects)
    assert Rung("hand_over", 1, roles, subjects).names == tuple(sorted([names] if isinstance(names, str) else names,
        key=lambda name: not name.startswith("role:")))  # fmt: skip


@pytest.mark.parametrize("value", [Rung("remind", 1), Escalation("hand_over", 1, "conflict", ("role:a",))])
def test_what_is_shown_goes_through_json(value: Any) -> None:
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
