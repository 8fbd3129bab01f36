"""The one door: every answer of commit.lua, on each kind of server, and nothing half done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from tests.store import sessions
from tests.store.sessions import SESSION, appending, done, dump, log_of, named, why, writing

from holdfast.core import turns
from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit, Trim
from holdfast.core.deadlines import Deadline
from holdfast.core.errors import LimitReached, RefReused, StoreUnavailable, StoreUnusable, TooLarge
from holdfast.core.events import EVENT_MAX_BYTES
from holdfast.core.identity import By
from holdfast.store.door import Done, Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.instructions import ERASED_MAX


@pytest.fixture
async def door(own_store: EmbeddedStore) -> AsyncIterator[Door]:
    async with sessions.opened(own_store) as opened:
        yield opened


# Numbers.


async def test_positions_are_dense_and_given_by_the_store(door: Door) -> None:
    await sessions.begin(door)
    outcomes = await asyncio.gather(*(done(door, appending("a", "b", "c")) for _ in range(50)))
    given = sorted(seq for each in outcomes for seq in range(each.first, each.last + 1))
    head = (await door.read(SESSION)).head
    assert given == list(range(head - 149, head + 1))
    assert await log_of(door) == list(range(1, head + 1))


async def test_a_commit_without_events_has_no_position(door: Door) -> None:
    await sessions.begin(door)
    head = (await door.read(SESSION)).head
    outcome = await done(door, Commit(SESSION, "nothing"))
    assert (outcome.first, outcome.last) == (head + 1, head)


async def test_the_audit_trail_is_numbered_densely(door: Door) -> None:
    await sessions.begin(door)
    entry = AuditEntry("session.updated", SESSION, By("person", "alice"))
    await asyncio.gather(*(done(door, Commit(SESSION, "audit", audit=[entry, entry])) for _ in range(10)))
    rows = await door.connection.execute("XRANGE", door.keys.audit(0), "-", "+")
    assert [int(place.split(b"-")[0]) for place, _ in rows] == list(range(1, 22))


# Guards.


async def test_of_two_commits_on_one_view_one_is_done(door: Door) -> None:
    turn = await sessions.begin(door)
    commits = [turns.take(turn, door.epoch(SESSION))[0] for _ in range(20)]
    outcomes = await asyncio.gather(*(why(door, commit) for commit in commits))
    assert sorted(outcomes) == ["done"] + ["stale"] * 19
    assert door.conflicts == 19


async def test_a_guarded_record_that_changed_makes_it_stale(door: Door) -> None:
    turn = await sessions.begin(door)
    await sessions.take(door)
    before = await dump(door)
    assert await why(door, appending("x", guards=[turn])) == "stale"
    assert await why(door, appending("x", puts=[replace(turn, version=0)])) == "stale"
    assert await dump(door) == before


async def test_a_deadline_acts_when_its_time_has_come_and_once(door: Door) -> None:
    await sessions.begin(door)
    later, past = Deadline("timer", "t", in_ms=60_000), Deadline("timer", "u", due_ms=1)
    await done(door, Commit(SESSION, "set", set_deadlines=[later, past]))
    settle = [Commit(SESSION, "ring", due=[one.member], drop_deadlines=[one.member]) for one in (later, past)]
    assert [await why(door, commit) for commit in settle] == ["early", "done"]
    assert await why(door, settle[1]) == "stale"


@pytest.mark.parametrize(("creates", "expected"), [(False, "missing"), (True, "done")])
async def test_a_session_must_be_there_or_not(door: Door, creates: bool, expected: str) -> None:
    assert await why(door, appending("x", creates=creates)) == expected
    assert await why(door, appending("x", creates=True)) == ("exists" if creates else "done")


async def test_a_deleted_session_takes_nothing_any_more(door: Door) -> None:
    await sessions.begin(door)
    fence = await sessions.take(door)
    await done(door, writing(fence, 1, "x"))
    turn = (await sessions.turn_of(door)).id
    await done(door, Commit(SESSION, "bury", buries=True, fences={turn: None}))
    before = await dump(door)
    assert await why(door, appending("x")) == "gone"
    assert await why(door, writing(fence, 2, "x")) == "gone"
    assert await why(door, appending("x", creates=True)) == "exists", "ids are never used again"
    assert (await door.read(SESSION)).gone
    assert await dump(door) == before


# Names.


async def test_a_repeated_ref_repeats_the_answer_and_not_the_effect(door: Door) -> None:
    await sessions.begin(door)
    first = await done(door, appending("x", by=named("r")))
    log = await log_of(door)
    await door.connection.execute("SCRIPT", "FLUSH")
    again = await done(door, appending("x", by=named("r")))
    assert (again.first, again.last, again.at, again.again) == (first.first, first.last, first.at, True)
    assert await log_of(door) == log
    view = await door.read(SESSION, command=named("r"))
    assert view.again is not None
    assert view.again.first == first.first


async def test_a_ref_with_another_body_is_refused(door: Door) -> None:
    await sessions.begin(door)
    await done(door, appending("x", by=named("r")))
    with pytest.raises(RefReused):
        await door.commit(appending("y", by=named("r", "another")))
    with pytest.raises(RefReused):
        await door.read(SESSION, command=named("r", "another"))


async def test_a_ref_is_its_principals_own(door: Door) -> None:
    await sessions.begin(door)
    await done(door, appending("x", by=named("r")))
    assert not (await done(door, appending("x", by=replace(named("r"), subject="bob")))).again
    # "5:alice" and "r" must not be mistaken for another split of the same letters.
    assert not (await done(door, appending("x", by=replace(named("ce:r"), subject="ali")))).again


async def test_a_writers_commits_apply_in_order_and_once(door: Door) -> None:
    await sessions.begin(door)
    fence = await sessions.take(door)
    first = await done(door, writing(fence, 1, "a"))
    second = await done(door, writing(fence, 2, "b", "c"))
    assert not second.again
    repeated = await done(door, writing(fence, 2, "b", "c"))
    assert (repeated.first, repeated.last, repeated.again) == (second.first, second.last, True)
    assert (await done(door, writing(fence, 1, "a"))).again, "an older one is not applied either"
    assert await why(door, writing(fence, 4, "e")) == "skipped"
    assert (await log_of(door))[-3:] == [first.first, second.first, second.last]


async def test_a_stale_fence_bounces(door: Door) -> None:
    await sessions.begin(door)
    old = await sessions.take(door)
    await done(door, writing(old, 1, "a"))
    await done(door, turns.release(await sessions.turn_of(door)))
    new = await sessions.take(door)
    before = await dump(door)
    assert [await why(door, writing(old, number, "x")) for number in (1, 2)] == ["fenced", "fenced"]
    assert await dump(door) == before
    assert await why(door, writing(new, 1, "b")) == "done"


async def test_a_fence_that_was_let_go_answers_repeats_only(door: Door) -> None:
    await sessions.begin(door)
    fence = await sessions.take(door)
    turn = await sessions.turn_of(door)
    letting_go = turns.release(turn, writing(fence, 1).by)  # type: ignore[arg-type]
    assert await why(door, letting_go) == "done"
    assert (await done(door, letting_go)).again
    assert await why(door, writing(fence, 2, "x")) == "fenced"
    written = await door.written(SESSION, turn.id)
    assert written is not None
    assert (written.fence, written.held, written.number) == (str(fence), False, 1)


# All or nothing.


async def test_a_key_of_another_type_is_found_before_the_first_write(door: Door) -> None:
    await sessions.begin(door)
    await door.connection.execute("SET", door.keys.inbox(0), "not a sorted set")
    before = await dump(door)
    with pytest.raises(StoreUnusable, match="wrong_type"):
        await door.commit(appending("x", set_deadlines=[Deadline("timer", "t", 5)], inbox_add=["i"]))
    assert await dump(door) == before


async def test_without_memory_nothing_changes(door: Door) -> None:
    turn = await sessions.begin(door)
    await door.connection.execute("CONFIG", "SET", "maxmemory", "1")
    with_events, _ = turns.take(turn, door.epoch(SESSION))
    without_events = Commit(SESSION, "x", by=named("r"), inbox_add=["i"], set_deadlines=[Deadline("lease", "t")])
    before = await dump(door)
    for commit in (with_events, without_events):
        with pytest.raises(StoreUnavailable, match=r"OOM|memory"):
            await door.commit(commit)
    assert await dump(door) == before
    await door.connection.execute("CONFIG", "SET", "maxmemory", "0")
    assert [await why(door, commit) for commit in (with_events, without_events)] == ["done", "done"]


async def test_a_log_that_is_ahead_of_its_number_changes_nothing(door: Door) -> None:
    await sessions.begin(door)
    await door.connection.execute("XADD", door.keys.log(SESSION), "1000-0", "e", "{}")
    before = await dump(door)
    with pytest.raises(StoreUnusable, match="failed"):
        await door.commit(appending("x", by=named("r"), inbox_add=["i"]))
    assert await dump(door) == before


async def test_an_audit_trail_that_is_ahead_of_its_number_changes_nothing(door: Door) -> None:
    await sessions.begin(door)
    await door.connection.execute("XADD", door.keys.audit(0), "1000-0", "e", "{}")
    before = await dump(door)
    with pytest.raises(StoreUnusable, match="ahead"):
        await door.commit(appending("x", audit=[AuditEntry("session.updated", SESSION, By("person", "a"))]))
    assert await dump(door) == before


async def test_sizes_are_checked_before_anything_is_sent(door: Door) -> None:
    await sessions.begin(door)
    with pytest.raises(TooLarge):
        await door.commit(appending("x" * EVENT_MAX_BYTES))
    with pytest.raises(LimitReached):
        await door.commit(Commit(SESSION, "erase", erases=list(range(1, ERASED_MAX + 2))))
    assert await why(door, appending("x" * (EVENT_MAX_BYTES - 200))) == "done"


async def test_a_thousand_events_can_be_erased_at_once(door: Door) -> None:
    await sessions.begin(door)
    head = (await door.read(SESSION)).head
    for _ in range(5):
        await done(door, appending(*["x"] * 200))
    stood_for = list(range(head + 1, head + 1 + ERASED_MAX))
    outcome = await done(door, appending("all of it", erases=stood_for))
    assert await log_of(door) == [*range(1, head + 1), outcome.last]


async def test_a_trim_bounces_if_another_came_first(door: Door) -> None:
    await sessions.begin(door)
    await done(door, appending(*"abcdef"))
    assert await why(door, Commit(SESSION, "trim", trim=Trim(0, 5, b"five"))) == "done"
    assert await why(door, Commit(SESSION, "trim", trim=Trim(0, 3, b"three"))) == "stale"
    assert await door.connection.execute("GET", door.keys.folded(SESSION)) == b"five"
    assert (await log_of(door))[0] == 6
    assert (await door.read(SESSION)).floor == 5


# Time and epochs.


async def test_a_sessions_clock_never_goes_back(door: Door) -> None:
    await sessions.begin(door)
    meta = door.keys.meta(0)
    await door.connection.execute("HSET", meta, "clock_offset_ms", 3_600_000)
    ahead = await done(door, appending("x"))
    await door.connection.execute("HSET", meta, "clock_offset_ms", -3_600_000)
    back = await done(door, appending("y"))
    assert back.at == ahead.at
    assert (await door.read(SESSION)).now_ms == ahead.at


async def test_a_restart_is_a_new_epoch_and_what_was_decided_before_bounces(own_store: EmbeddedStore) -> None:
    async with sessions.opened(own_store) as door:
        turn = await sessions.begin(door)
        fence = await sessions.take(door)
        old = door.epoch(SESSION)
        await own_store.restart()
        view = await door.read(SESSION, turns=(turn.id,))
        assert view.epoch != old
        assert int(view.epoch.split("-")[0]) == int(old.split("-")[0]) + 1
        assert view.turns[turn.id].status == "running", "nothing was lost"
        assert await why(door, writing(fence, 1, "x")) == "epoch"
        assert await why(door, appending("x", epoch=old)) == "epoch"
        assert await why(door, appending("x", epoch=view.epoch)) == "done"


async def test_claiming_twice_is_claiming_once(door: Door) -> None:
    before = door.epoch(SESSION)
    assert door.connection.info is not None
    await asyncio.gather(*(door.claim(door.connection.info.run_id) for _ in range(5)))
    assert door.epoch(SESSION) == before
    await door.claim("another-run-of-the-store")
    assert door.epoch(SESSION).endswith("-another-run-")


async def test_one_that_missed_the_fail_over_learns_it_by_bouncing(door: Door) -> None:
    await sessions.begin(door)
    other = Door(door.connection, door.keys)
    await other.claim("another-run-of-the-store")
    assert await why(door, appending("x")) == "epoch"
    assert await why(door, appending("x")) == "done"


async def test_what_happens_is_published_with_its_positions(door: Door) -> None:
    from redis.asyncio import Redis

    await sessions.begin(door)
    assert door.connection.info is not None
    async with Redis.from_url(_url(door)) as client, client.pubsub() as heard:
        await heard.subscribe(door.keys.channel(SESSION))
        await heard.get_message(timeout=5)
        outcome = await done(door, appending("a", "bb"))
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=5)
    header, _, body = message["data"].partition(b"\n")
    epoch, first, at, *lengths = header.decode().split(" ")
    assert (epoch, int(first), int(at)) == (outcome.epoch, outcome.first, outcome.at)
    assert sum(map(int, lengths)) == len(body)
    assert len(lengths) == 2
    assert isinstance(outcome, Done)


def _url(door: Door) -> str:
    return str(door.connection._address)
