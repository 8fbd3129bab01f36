"""Scheduling: who may make, see and cancel what; and that an instant fires once, whoever dies in between."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from tests.commands.scene import ALICE, BOB, STRANGER

from holdfast.commands import auditing, calendar, firing, scheduling
from holdfast.commands.backend import Backend
from holdfast.commands.scheduling import Declared, ScheduleShown
from holdfast.core import ids
from holdfast.core.errors import AlreadyExists, BadInput, Conflict, Forbidden, NotFound, UnknownAgent
from holdfast.core.identity import Principal
from holdfast.core.schedules import Plan, When
from holdfast.store import shelves

DAY_MS = 86_400_000
DAILY = Plan("support", When(cron="0 9 * * *"), message="Anything new?")
SOON = Plan("support", When(), delay_ms=1_000, input={"n": 1})
OPERATOR = Principal("olga", ("operator",))


async def make(backend: Backend, plan: Plan = DAILY, name: str = "daily", by: Principal = ALICE) -> ScheduleShown:
    return await scheduling.create(backend, by, name, plan, "test")


async def advance(backend: Backend, ms: int) -> None:
    for partition in range(backend.door.keys.partitions):
        await backend.door.connection.execute("HINCRBY", backend.door.keys.meta(partition), "clock_offset_ms", ms)


async def the(backend: Backend, name: str = "daily", by: Principal = ALICE) -> ScheduleShown:
    page = await scheduling.listing(backend, by)
    return next(one for one in page.schedules if one.name == name)


async def sessions(backend: Backend) -> int:
    keys = backend.door.keys
    sizes = [await backend.door.connection.execute("ZCARD", keys.sessions(one)) for one in range(keys.partitions)]
    return sum(int(size) for size in sizes)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000)


CRON: list[tuple[str, str, str, str]] = [
    ("0 9 * * 1", "UTC", "2026-11-21T08:00+00:00", "2026-11-23T09:00+00:00"),
    ("0 9 * * 1", "Europe/Berlin", "2026-11-23T09:00+01:00", "2026-11-30T09:00+01:00"),
    ("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00+01:00", "2027-03-28T03:00+02:00"),  # an hour that is skipped
    ("30 2 * * *", "Europe/Berlin", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),  # one that is repeated
]


@pytest.mark.parametrize(("cron", "zone", "now", "then"), CRON)
def test_cron_by_the_clock_of_a_time_zone(cron: str, zone: str, now: str, then: str) -> None:
    assert calendar.next_after(When(cron=cron, timezone=zone), at(now)) == at(then)
    assert datetime.fromtimestamp(at(then) / 1_000, UTC).astimezone(ZoneInfo(zone)).isoformat()[:16] == then[:16]


WRONG = [("x", "UTC"), ("* * * *", "UTC"), ("* * * * * *", "UTC"), ("0 9 * * 1", "Nowhere"), ("0 9 * * 1", "../etc")]


@pytest.mark.parametrize(("cron", "zone"), [*WRONG, ("0 0 30 2 *", "UTC")])
def test_what_is_no_cron_or_zone_is_refused(cron: str, zone: str) -> None:
    with pytest.raises(BadInput):
        calendar.first(When(cron=cron, timezone=zone), 0)


async def test_a_firing_starts_a_turn_and_moves_on(backend: Backend) -> None:
    made = await make(backend)
    assert (made.next or 0) % DAY_MS == 9 * 3_600_000
    await firing.fire(backend, "daily")  # not yet
    assert (await the(backend)).fired == await sessions(backend) == 0
    await advance(backend, DAY_MS)
    await firing.fire(backend, "daily")
    after = await the(backend)
    assert (after.fired, after.last, after.next) == (1, made.next, (made.next or 0) + DAY_MS)
    assert await sessions(backend) == 1


async def test_what_was_missed_is_made_up_once(backend: Backend) -> None:
    made = await make(backend)
    await advance(backend, 10 * DAY_MS)
    for _ in range(3):
        await firing.fire(backend, "daily")
    after = await the(backend)
    assert (after.fired, await sessions(backend)) == (1, 1)
    assert (after.next or 0) > (made.next or 0) + 8 * DAY_MS


async def test_many_that_fire_at_once_start_one_turn(backend: Backend) -> None:
    await make(backend)
    await advance(backend, DAY_MS)
    await asyncio.gather(*(firing.fire(backend, "daily") for _ in range(10)))
    assert ((await the(backend)).fired, await sessions(backend)) == (1, 1)


async def test_whoever_dies_between_the_turn_and_the_schedule_has_fired_once(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(backend)
    await advance(backend, DAY_MS)

    def die(_: str) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(firing, "reached", die)
        with pytest.raises(SystemExit):
            await firing.fire(backend, "daily")
    assert ((await the(backend)).fired, await sessions(backend)) == (0, 1)
    await firing.fire(backend, "daily")
    assert ((await the(backend)).fired, await sessions(backend)) == (1, 1)


async def test_a_named_session_gets_one_turn_after_the_other(backend: Backend) -> None:
    await make(backend, replace(DAILY, session="reports"))
    for _ in range(2):
        await advance(backend, DAY_MS)
        await firing.fire(backend, "daily")
    record = (await backend.door.read("reports")).session
    assert record is not None
    assert (record.info.owner, record.active is not None, len(record.queue)) == ("alice", True, 1)


async def test_once_is_once_also_for_who_asks_again(backend: Backend) -> None:
    made = await make(backend, SOON, "soon")
    await advance(backend, 2_000)
    await firing.fire(backend, "soon")
    assert (await the(backend, "soon")).status == "done"
    assert (await make(backend, SOON, "soon")).status == "done"
    await advance(backend, 8 * DAY_MS)
    await firing.fire(backend, "soon")
    assert (await shelves.place(backend.door, "soon")).record is None
    assert ((await make(backend, SOON, "soon")).next or 0) > (made.next or 0)


async def test_what_forbids_a_turn_for_good_is_told_and_does_not_stop_the_next(backend: Backend) -> None:
    await make(backend, replace(DAILY, session="reports"))
    await make(backend, replace(DAILY, session="reports"), "bobs", BOB)
    await advance(backend, DAY_MS)
    await firing.fire(backend, "daily")
    await firing.fire(backend, "bobs")  # Alice's session by now
    after = await the(backend, "bobs", BOB)
    assert (after.failed or {})["code"] == "not_found"
    assert (after.status, after.fired, after.next is not None) == ("active", 1, True)


async def test_the_same_again_is_the_same_and_another_is_refused(backend: Backend) -> None:
    assert await make(backend) == await make(backend)
    for plan, by in ((replace(DAILY, message="x"), ALICE), (DAILY, BOB)):
        with pytest.raises(AlreadyExists):
            await make(backend, plan, by=by)


REFUSED: list[tuple[Plan, Principal, type[Exception]]] = [
    (replace(DAILY, agent="nobody"), ALICE, UnknownAgent),
    (replace(DAILY, message=" "), ALICE, BadInput),
    (replace(DAILY, input="x" * 20_000), ALICE, BadInput),
    (replace(DAILY, when=When(cron="x")), ALICE, BadInput),
    (Plan("support", When()), ALICE, BadInput),
    (DAILY, replace(ALICE, can=("read",)), Forbidden),
]


@pytest.mark.parametrize(("plan", "by", "error"), REFUSED)
async def test_what_cannot_be_scheduled(backend: Backend, plan: Plan, by: Principal, error: Any) -> None:
    with pytest.raises(error):
        await make(backend, plan, by=by)


async def test_a_session_out_of_reach_cannot_be_scheduled_into(backend: Backend) -> None:
    await make(backend, replace(DAILY, session="reports"))
    await advance(backend, DAY_MS)
    await firing.fire(backend, "daily")
    with pytest.raises(NotFound):
        await make(backend, replace(DAILY, session="reports"), "other", STRANGER)


async def test_who_sees_and_cancels(backend: Backend) -> None:
    await make(backend)
    await make(backend, SOON, "soon", BOB)
    assert [one.name for one in (await scheduling.listing(backend, ALICE)).schedules] == ["daily"]
    first = await scheduling.listing(backend, OPERATOR, limit=1)
    assert ([one.name for one in first.schedules], first.next) == (["daily"], "daily")
    assert [one.name for one in (await scheduling.listing(backend, OPERATOR, first.next)).schedules] == ["soon"]
    with pytest.raises(NotFound):
        await scheduling.cancel(backend, BOB, "daily", "test")
    for _ in range(2):
        assert (await scheduling.cancel(backend, OPERATOR, "daily", "test")).status == "cancelled"
    await advance(backend, DAY_MS)
    await firing.fire(backend, "daily")
    assert await sessions(backend) == 0
    await firing.fire(backend, "soon")
    with pytest.raises(Conflict):
        await scheduling.cancel(backend, BOB, "soon", "test")


def declared(plan: Plan = DAILY, version: str = "1") -> Declared:
    return Declared("daily", plan, "scheduler", version)


async def test_what_is_declared_now_counts(backend: Backend) -> None:
    changed = replace(DAILY, when=When(cron="0 10 * * *"))
    await scheduling.declare(backend, [declared()], {"support": "1"})
    before = await the(backend, by=OPERATOR)
    await scheduling.declare(backend, [declared()], {"support": "1"})
    assert await the(backend, by=OPERATOR) == before
    await scheduling.declare(backend, [declared(changed, "2")], {"support": "2"})
    assert (await the(backend, by=OPERATOR)).cron == "0 10 * * *"
    await scheduling.declare(backend, [declared()], {"support": "1"})  # a worker of the old version starts again
    assert (await the(backend, by=OPERATOR)).cron == "0 10 * * *"
    await scheduling.declare(backend, [], {"support": "1"})
    await scheduling.declare(backend, [], {"other": "9"})
    assert (await the(backend, by=OPERATOR)).cron == "0 10 * * *"
    await scheduling.declare(backend, [], {"support": "2"})
    assert (await scheduling.listing(backend, OPERATOR)).schedules == []


async def test_what_an_operator_cancelled_stays_cancelled_until_it_is_changed(backend: Backend) -> None:
    await scheduling.declare(backend, [declared()], {"support": "1"})
    await scheduling.cancel(backend, OPERATOR, "daily", "test")
    await scheduling.declare(backend, [declared()], {"support": "1"})
    assert (await the(backend, by=OPERATOR)).status == "cancelled"
    await scheduling.declare(backend, [declared(replace(DAILY, message="Well?"))], {"support": "1"})
    assert (await the(backend, by=OPERATOR)).status == "active"


async def test_a_name_that_is_taken_does_not_stop_the_others(backend: Backend) -> None:
    await make(backend)
    with pytest.raises(AlreadyExists):
        await scheduling.declare(backend, [declared(), Declared("other", DAILY, "scheduler", "1")], {"support": "1"})
    assert (await the(backend, "other", OPERATOR)).source == "app"


async def test_a_turn_of_an_instant_has_an_id_of_its_own(backend: Backend) -> None:
    await make(backend)
    record = (await shelves.place(backend.door, "daily")).record
    assert record is not None
    assert record.next_ms is not None
    session = ids.session_id("alice", record.ref(record.next_ms))
    await advance(backend, DAY_MS)
    await firing.fire(backend, "daily")
    assert (await backend.door.read(session)).session is not None


async def test_the_trail_names_it_in_a_field_of_its_own(backend: Backend) -> None:
    await make(backend)
    await make(backend, name="other")
    await scheduling.cancel(backend, ALICE, "daily", "test")
    admin = Principal("root", sessions=("*",), can=("admin",))
    entries = (await auditing.page(backend, admin, auditing.Wanted(name="daily"))).entries
    assert [(one.action, one.status) for one in entries] == [("schedule.cancelled", None), ("schedule.created", None)]
