"""Schedules: what firing, cancelling and forgetting make true, and which names and instants are the same."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import schedules
from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline
from holdfast.core.errors import BadInput, LimitReached
from holdfast.core.identity import By, Principal
from holdfast.core.ids import SESSION_ID
from holdfast.core.schedules import KEPT_MS, Plan, ScheduleRecord, When

WEEKLY = Plan("report", When(cron="0 9 * * 1"))
ONCE = Plan("report", When(at_ms=100))


def record(plan: Plan = WEEKLY, **fields: Any) -> ScheduleRecord:
    given = {"source": "api", "created_at_ms": 1, "next_ms": 100, "version": 3}
    return ScheduleRecord(name="weekly", plan=plan, principal=Principal("alice"), **(given | fields))


def put(commit: Commit) -> ScheduleRecord:
    [changed] = commit.puts
    assert isinstance(changed, ScheduleRecord)
    return changed


def test_a_firing_moves_on_to_the_first_instant_after_now() -> None:
    commit = schedules.fired(record(), 5_000, 6_000)
    changed = put(commit)
    assert (changed.status, changed.next_ms, changed.last_ms, changed.fired) == ("active", 6_000, 100, 1)
    assert (commit.due, commit.set_deadlines) == (["schedule weekly"], [Deadline("schedule", "weekly", 6_000)])
    assert commit.on_shelf


def test_one_that_fires_once_is_done_and_kept_for_a_week() -> None:
    commit = schedules.fired(record(ONCE), 5_000, None, {"code": "gone", "message": "x"})
    assert (put(commit).status, put(commit).failed) == ("done", {"code": "gone", "message": "x"})
    assert commit.set_deadlines == [Deadline("schedule", "weekly", 5_000 + KEPT_MS)]


@pytest.mark.parametrize("source", ["api", "turn", "app"])
def test_what_is_cancelled_fires_no_more(source: Any) -> None:
    commit = schedules.cancel(record(source=source), By("person", "bob"), 5_000, "rest")
    assert (put(commit).status, put(commit).next_ms) == ("cancelled", None)
    assert commit.audit[0].action == "schedule.cancelled"
    kept = source == "app"  # or the next start of its code would declare it anew
    assert (commit.drop_deadlines, bool(commit.set_deadlines)) == (["schedule weekly"] if kept else [], not kept)


def test_what_is_forgotten_leaves_nothing() -> None:
    commit = schedules.forget(record())
    assert (commit.puts, commit.removes, commit.drop_deadlines) == ([], [record()], ["schedule weekly"])


def test_the_same_instant_has_the_same_ref_and_another_has_another() -> None:
    one = record()
    assert one.ref(100) == replace(one, fired=7, version=9).ref(100) != one.ref(101)
    assert replace(one, name="other").ref(100) != one.ref(100)


def test_a_delay_is_what_was_asked_for_and_not_what_came_of_it() -> None:
    asked = Plan("report", When(), delay_ms=500)
    assert asked.digest == replace(asked, when=When(at_ms=77)).digest
    assert asked.digest != replace(asked, delay_ms=501).digest
    assert WEEKLY.digest != replace(WEEKLY, when=When(cron="0 9 * * 2")).digest


def test_a_shelf_is_never_a_session() -> None:
    assert len(schedules.shelves()) == schedules.SHELVES
    assert schedules.shelf_of("weekly") in schedules.shelves()
    assert not any(SESSION_ID.fullmatch(shelf) for shelf in schedules.shelves())


@pytest.mark.parametrize("name", ["", "a b", "x" * 101, "ä", "a/b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(BadInput):
        schedules.check_name(name)


def test_a_shelf_is_bounded() -> None:
    schedules.check_room(schedules.SHELF_MAX - 1)
    with pytest.raises(LimitReached):
        schedules.check_room(schedules.SHELF_MAX)
