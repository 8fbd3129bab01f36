"""The feed: what is lost on the way is healed once for all, and what is of another past is not continued."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.hub.world import ALICE, BOB, World
from tests.waiting import wait_until

from holdfast.core.commit import Commit
from holdfast.core.conversation import update
from holdfast.core.events import SessionDeleted
from holdfast.hub import feed as feed_module
from holdfast.hub.published import parse
from holdfast.hub.tail import Step, Tail, steps
from holdfast.store.log import Entry


async def test_a_lost_message_is_healed_once_for_all_devices(world: World) -> None:
    async with world.node() as node:
        devices = [node.device() for _ in range(5)]
        for device in devices:
            await device.attach()
        lost = await world_loses_one(world, node)
        for device in devices:
            assert device.position() == lost - 1
        await world.chunks("s1", ["after"])
        for device in devices:
            await device.wait_position(lost + 1)
        assert node.hub.feeds["s1"].looks == 1


async def world_loses_one(world: World, node) -> int:
    """Commit something that never arrives; its position."""
    heard = node.heard
    node.loses = lambda _: True
    done = await world.chunks("s1", ["lost"])
    await wait_until(lambda: node.heard > heard, "the message was there, and lost")
    node.loses = lambda _: False
    return done.last


async def test_the_last_message_lost_is_found_by_the_slow_poll(world: World) -> None:
    async with world.node(poll_ms=20) as node:
        device = node.device()
        await device.attach()
        lost = await world_loses_one(world, node)
        await device.wait_position(lost)


async def test_a_gap_in_the_subscription_is_looked_into_at_once(world: World) -> None:
    async with world.node() as node:
        device = node.device()
        await device.attach()
        lost = await world_loses_one(world, node)
        assert device.position() < lost
        node.on_gap()
        await device.wait_position(lost)


async def test_what_is_lost_and_erased_meanwhile_is_reached_back_over(world: World) -> None:
    await world.chunks("s1", ["a"])
    async with world.node() as node:
        device = node.device()
        await device.attach()
        node.loses = lambda _: True
        await world.chunks("s1", ["b", "c", "d"])
        await world.compact("s1", range(3, 5))
        node.loses = lambda _: False
        await world.chunks("s1", ["e"])
        await device.wait_position(7)
        assert [(event.get("from"), event["seq"]) for event in device.of("event")] == [
            (3, 5),
            (None, 6),
            (None, 7),
        ]


async def test_doubled_and_late_messages_are_passed_over(world: World) -> None:
    async with world.node() as node:
        device = node.device()
        await device.attach()
        kept: list[bytes] = []
        node.loses = lambda payload: kept.append(payload) or False
        await world.chunks("s1", ["a"])
        await world.chunks("s1", ["b"])
        await device.wait_position(3)
        for payload in (*kept, *reversed(kept)):
            node.on_message(world.keys.channel("s1"), payload)
        await world.chunks("s1", ["c"])
        await device.wait_position(4)
        assert node.hub.feeds["s1"].looks == 0


async def test_a_feed_that_loses_every_third_message_still_delivers_all(
    world: World, pytestconfig: pytest.Config
) -> None:
    chance = random.Random(str(pytestconfig.option.hypothesis_seed))
    async with world.node() as node:
        devices = [node.device() for _ in range(3)]
        for device in devices:
            await device.attach()
        node.loses = lambda _: chance.random() < 0.33
        for _ in range(60):
            await asyncio.gather(*(world.chunks("s1", ["x"] * chance.randint(1, 4)) for _ in range(10)))
        node.loses = lambda _: False
        last = await world.chunks("s1", ["last"])
        for device in devices:
            await device.wait_position(last.last)
            assert len(device.of("event")) == world.written


async def test_more_than_is_held_while_reading_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "HELD_MAX", 3)
    async with world.node() as node:
        device = node.device()
        await device.attach()
        for _ in range(20):
            node.hub.feeds["s1"].look()
            await asyncio.gather(*(world.chunks("s1", ["x"]) for _ in range(20)))
        await device.wait_position(401)


async def test_another_epoch_gives_all_devices_a_gap_and_a_snapshot(world: World) -> None:
    before = await world.chunks("s1", ["a"])
    async with world.node() as node:
        live, limited = node.device(), node.device()
        await live.attach()
        await limited.attach(since=(before.epoch, 2), ref="other", limit=1)
        await world.new_epoch("s1")
        after = await world.chunks("s1", ["b"])
        assert after.epoch != before.epoch
        for device, ref in ((live, "a1"), (limited, "other")):
            await device.wait_frame("attached", 2)
            gap, attached = device.frames[-2:]
            assert gap["type"] == "gap"
            assert gap["requested"] == {"epoch": before.epoch, "seq": 2}
            assert gap["earliest"] == {"epoch": after.epoch, "seq": 0}
            assert (attached["ref"], attached["mode"], attached["epoch"]) == (ref, "snapshot", after.epoch)
            assert attached["seq"] == 3
        await world.chunks("s1", ["c"])
        for device in (live, limited):
            await device.wait_position(4)


async def test_another_epoch_is_found_by_the_slow_poll_too(world: World) -> None:
    async with world.node(poll_ms=20) as node:
        device = node.device()
        await device.attach()
        await world.new_epoch("s1")
        await device.wait_frame("gap")
        await device.wait_frame("attached", 2)


async def test_a_store_that_is_behind_is_another_past(world: World) -> None:
    """An older copy whose epoch was not noticed yet: what the devices have has not happened."""
    await world.chunks("s1", ["a", "b"])
    async with world.node() as node:
        device = node.device()
        await device.attach()
        await world.connection.execute("XDEL", world.keys.log("s1"), "3-0")
        await world.connection.execute("HSET", world.keys.session("s1"), "seq", 2)
        node.on_gap()
        await device.wait_frame("gap")
        assert (await device.wait_frame("attached", 2))["seq"] == 2


async def test_what_is_trimmed_under_a_feed_that_missed_it_is_a_gap(world: World) -> None:
    from tests.hub.test_hub import checkpoint

    async with world.node() as node:
        device = node.device()
        await device.attach()
        node.loses = lambda _: True
        await world.chunks("s1", ["a", "b", "c"])
        await world.trim("s1", 3, await checkpoint(world, 3))
        node.loses = lambda _: False
        await world.chunks("s1", ["d"])
        gap = await device.wait_frame("gap")
        assert gap["earliest"]["seq"] == 3
        await device.wait_frame("attached", 2)
        await device.wait_position(5)


async def test_a_deleted_session_tells_its_devices_and_ends(world: World) -> None:
    async with world.node(linger_ms=20) as node:
        device = node.device()
        await device.attach()
        record = (await world.door.read("s1")).session
        assert record is not None
        await world.commit(Commit("s1", "test", buries=True, guards=[record], events=[SessionDeleted(by=ALICE.by)]))
        error = await device.wait_frame("error")
        assert (error["code"], error["details"]) == ("gone", {"session": "s1"})
        assert device.of("event")[-1]["event"]["type"] == "session.deleted"
        assert device.ended == ["s1"]
        await wait_until(lambda: node.hub.feeds == {}, "the feed is closed")


async def test_who_is_no_longer_a_member_gets_nothing_more(world: World) -> None:
    async with world.node() as node:
        record = (await world.door.read("s1")).session
        assert record is not None
        both = record.info.members | {"bob": "member"}
        await world.commit(update(record, _with(record.info, both), ALICE.by))
        alice, bob = node.device(), node.device(BOB)
        await alice.attach()
        await bob.attach()
        record = (await world.door.read("s1")).session
        assert record is not None
        await world.commit(update(record, _with(record.info, {"alice": "owner"}), ALICE.by))
        await world.chunks("s1", ["secret"])
        await alice.wait_position(4)
        assert bob.of("event") == []
        assert bob.frames[-1]["code"] == "not_found"
        assert bob.ended == ["s1"]


def _with(info, members):
    from msgspec.structs import replace

    return replace(info, members=members)


def test_a_payload_is_split_into_the_events_of_its_commit() -> None:
    batch = parse(b'1-abc 7 99 2 3\n{}"x"')
    assert batch is not None
    assert batch.epoch == "1-abc"
    assert batch.entries == [Entry(7, 99, b"{}"), Entry(8, 99, b'"x"')]


@pytest.mark.parametrize("payload", [b"", b"presence\n", b"look", b"gone\n"])
def test_what_is_not_a_commit_is_none(payload: bytes) -> None:
    assert parse(payload) is None


def test_a_tail_reaches_back_as_far_as_it_can() -> None:
    tail = Tail(5, max_entries=3, max_bytes=10)
    assert tail.after(4) is None
    assert tail.after(5) == []
    entries = steps(5, [Entry(seq, 0, b"xxx") for seq in (6, 7, 9, 10)])
    assert [step.start for step in entries] == [6, 7, 8, 10]
    for step in entries:
        tail.append(step)
    assert tail.start == 6
    assert tail.after(5) is None
    assert tail.after(6) == entries[1:]
    assert tail.after(8) == entries[2:]
    assert tail.after(10) == []
    large = Step(11, Entry(11, 0, b"x" * 8))
    tail.append(large)
    assert tail.after(10) == [large]
    assert tail.after(9) is None
