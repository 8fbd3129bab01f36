"""The hub: attaching, replaying, joining in the middle of everything."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest
from tests.hub.world import ALICE, BOB, Node, TestDevice, World
from tests.waiting import wait_until

from holdfast.core import folding
from holdfast.core.errors import BadRequest, Busy, Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.protocol.frames import History


async def test_a_snapshot_is_folded_up_to_its_position(world: World) -> None:
    done = await world.chunks("s1", ["a", "b"])
    async with world.node() as node:
        device = node.device()
        await device.attach()
        (attached,) = device.of("attached")
        assert attached["mode"] == "snapshot"
        assert (attached["epoch"], attached["seq"], attached["head"]) == (done.epoch, 3, 3)
        assert attached["ref"] == "a1"
        assert [part["data"] for part in attached["snapshot"]["messages"][0]["parts"]] == ["a", "b"]


async def test_live_events_reach_all_devices_in_order(world: World) -> None:
    async with world.node() as node, world.node() as other:
        devices = [node.device(), node.device(), other.device()]
        for device in devices:
            await device.attach()
        for number in range(20):
            await world.chunks("s1", [str(number), "x"])
        for device in devices:
            await device.wait_position(41)
            assert [frame["event"]["chunk"]["data"] for frame in device.of("event")][::2] == [
                str(number) for number in range(20)
            ]


async def test_a_replay_has_what_was_missed_and_then_goes_on(world: World) -> None:
    done = await world.chunks("s1", [str(number) for number in range(700)])
    async with world.node() as node:
        device = node.device()
        await device.attach(since=(done.epoch, 5))
        await device.wait_position(701)
        (attached,) = device.of("attached")
        assert (attached["mode"], attached["seq"], attached["head"]) == ("replay", 5, 701)
        assert "snapshot" not in attached
        await world.chunks("s1", ["live"])
        await device.wait_position(702)
        assert len(device.of("event")) == 697


async def test_since_zero_means_from_the_beginning_whatever_the_epoch(world: World) -> None:
    await world.chunks("s1", ["a"])
    async with world.node() as node:
        device = node.device()
        await device.attach(since=("", 0))
        await device.wait_position(2)
        assert device.of("attached")[0]["mode"] == "replay"
        assert device.of("event")[0]["event"]["type"] == "session.created"


async def test_a_device_at_the_head_gets_nothing_again(world: World) -> None:
    done = await world.chunks("s1", ["a"])
    async with world.node() as node:
        device = node.device()
        await device.attach(since=(done.epoch, 2))
        assert [frame["type"] for frame in device.frames] == ["attached"]
        assert device.of("attached")[0]["mode"] == "replay"


async def test_erased_positions_are_stood_for_by_the_next_event(world: World) -> None:
    done = await world.chunks("s1", ["a", "b", "c"])
    await world.compact("s1", range(2, 5))
    async with world.node() as node:
        device = node.device()
        await device.attach(since=(done.epoch, 1))
        await device.wait_position(5)
        (event,) = device.of("event")
        assert (event["from"], event["seq"]) == (2, 5)


@pytest.mark.parametrize(
    ("since", "why"),
    [(("0-elsewhere", 2), "other epoch"), ((None, 3), "future"), ((None, 10**15), "far future")],
    ids=["other epoch", "future", "far future"],
)
async def test_a_position_that_cannot_be_replayed_gets_a_gap_and_a_snapshot(
    world: World, since: tuple[str | None, int], why: str
) -> None:
    done = await world.chunks("s1", ["a"])
    async with world.node() as node:
        device = node.device()
        requested = (since[0] or done.epoch, since[1])
        await device.attach(since=requested)
        gap, attached = device.frames[:2]
        assert gap == {
            "type": "gap",
            "session": "s1",
            "requested": {"epoch": requested[0], "seq": requested[1]},
            "earliest": {"epoch": done.epoch, "seq": 0},
        }
        assert (attached["mode"], attached["seq"]) == ("snapshot", 2)


async def test_a_trimmed_position_gets_a_gap_and_a_snapshot_with_the_checkpoint(world: World) -> None:
    done = await world.chunks("s1", ["a", "b", "c"])
    async with world.node() as node:
        before = node.device()
        await before.attach()
        whole = before.of("attached")[0]["snapshot"]
    await world.trim("s1", 3, await checkpoint(world, 3))
    async with world.node() as node:
        for since in ((done.epoch, 2), (done.epoch, 0), ("", 0)):
            device = node.device()
            await device.attach(since=since)
            gap, attached = device.frames[:2]
            assert gap["earliest"] == {"epoch": done.epoch, "seq": 3}
            assert (attached["mode"], attached["seq"]) == ("snapshot", 4)
            assert attached["snapshot"] == whole
        device = node.device()
        await device.attach(since=(done.epoch, 3))
        await device.wait_position(4)
        assert device.of("gap") == []


async def checkpoint(world: World, upto: int) -> bytes:
    """The state folded from the log, up to a position."""
    from holdfast.core import events

    state = folding.State()
    for entry in (await world.log.page("s1", 0)).entries:
        if entry.seq <= upto:
            folding.fold(state, entry.seq, entry.at, events.decode(entry.data))
    return folding.dump(state)


async def test_a_malformed_position_is_refused(world: World) -> None:
    async with world.node() as node:
        with pytest.raises(BadRequest):
            await node.device().attach(since=("x", -1))


@pytest.mark.parametrize("session", ["nope", "s1"])
async def test_an_unknown_or_foreign_session_looks_as_if_it_did_not_exist(world: World, session: str) -> None:
    async with world.node() as node:
        device = node.device(BOB)
        with pytest.raises(NotFound) as unknown:
            await device.attach(session)
        assert unknown.value.details == {"session": session}
        assert device.frames == []
        with pytest.raises(NotFound):
            await node.hub.history(BOB, History("h", session, 10))


async def test_who_may_not_read_is_forbidden(world: World) -> None:
    async with world.node() as node:
        with pytest.raises(Forbidden):
            await node.device(Principal("alice", can=("send",))).attach()


async def test_attaching_again_begins_again_and_doubles_nothing(world: World) -> None:
    done = await world.chunks("s1", ["a"])
    async with world.node() as node:
        device = node.device()
        await device.attach()
        await device.attach()
        await device.attach(since=(done.epoch, 1), ref="a2")
        await world.chunks("s1", ["b"])
        await device.wait_position(3)
        assert len(device.of("attached")) == 3
        assert [frame["seq"] for frame in device.of("event")] == [2, 3]


async def test_an_attach_that_fails_leaves_the_one_before_it(world: World) -> None:
    async with world.node() as node:
        device = node.device()
        await device.attach()
        with pytest.raises(BadRequest):
            await device.attach(since=("x", -1))
        await world.chunks("s1", ["a"])
        await device.wait_position(2)


async def test_after_detach_nothing_comes_and_the_feed_goes_after_a_while(world: World) -> None:
    async with world.node(linger_ms=20) as node:
        device, other = node.device(), node.device()
        await device.attach()
        await other.attach()
        node.hub.detach(device.subscriber, "s1")
        node.hub.detach(device.subscriber, "s1")
        await world.chunks("s1", ["a"])
        await other.wait_position(2)
        assert device.of("event") == []
        assert "s1" in node.hub.feeds
        node.hub.leave(other.subscriber)
        await wait_until(lambda: node.hub.feeds == {}, "the feed is closed")
        await device.attach()
        await world.chunks("s1", ["b"])
        await device.wait_position(3)


async def test_history_comes_by_page(world: World) -> None:
    for number in range(5):
        await world.chunks("s1", ["x"], message=f"m{number}")
    async with world.node() as node:
        page = await node.hub.history(ALICE, History("h1", "s1", 5, 2))
        assert (page.ref, page.session, page.from_, page.to, page.more) == ("h1", "s1", 3, 4, True)
        decoded = [msgspec.json.decode(each.event) for each in page.events]
        assert [event["message"]["id"] for event in decoded] == ["m1", "m2"]


async def test_feeds_are_limited_and_idle_ones_make_room(world: World) -> None:
    for name in ("s2", "s3"):
        await world.session(name)
    async with world.node(feeds_max=2, linger_ms=60_000) as node:
        device = node.device()
        await device.attach("s1")
        await device.attach("s2")
        with pytest.raises(Busy):
            await device.attach("s3")
        node.hub.detach(device.subscriber, "s1")
        await device.attach("s3")
        await wait_until(lambda: set(node.hub.feeds) == {"s2", "s3"}, "the idle feed made room")


async def test_folded_states_are_limited(world: World) -> None:
    await world.session("s2")
    async with world.node(folded_max=1) as node:
        device = node.device()
        await device.attach("s1")
        await device.attach("s2")
        assert [feed.folded.loaded for feed in node.hub.feeds.values()] == [False, True]
        await device.attach("s1")
        assert len(device.of("attached")) == 2


async def test_sixty_four_snapshots_at_once_do_not_make_a_device_slow(world: World) -> None:
    names = [f"big{number}" for number in range(64)]
    for name in names:
        await world.session(name)
        await world.chunks(name, ["x" * 100_000])
    async with world.node() as node:
        device = node.device(queue=300_000)
        device.sink.stall()
        attaching = asyncio.gather(*(device.attach(name) for name in names))
        while not attaching.done():
            for _ in range(50):  # ticks in which it takes nothing
                await asyncio.sleep(0)
            device.sink.flow()
            device.sink.stall()
        await attaching
        assert device.sink.closed is None
        assert sum(frame["type"] == "attached" for frame in device.frames) == 64


async def join(node: Node, epoch: str, chance: random.Random, count: int) -> list[TestDevice]:
    """Devices that come at any moment, with nothing or with any position they may have."""
    devices: list[TestDevice] = []
    for _ in range(count):
        device = node.device()
        seen = max((each.position() for each in devices[-3:]), default=0)
        await device.attach(since=None if chance.random() < 0.3 else (epoch, chance.randint(0, seen)))
        devices.append(device)
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
    return devices


async def stream(world: World, chance: random.Random, until: asyncio.Event) -> None:
    """Bursts of commits, some of which compact what is before them."""
    compacted = 2
    while not until.is_set():
        await asyncio.gather(*(world.chunks("s1", ["x"] * chance.randint(1, 5)) for _ in range(chance.randint(1, 12))))
        if chance.random() < 0.2:
            head = (await world.door.read("s1")).head
            erases = range(compacted, min(compacted + chance.randint(1, 300), head - 20))
            if len(erases) > 0:
                await world.compact("s1", erases)
                compacted = erases.stop
        await asyncio.sleep(0)


async def test_two_hundred_devices_that_join_in_mid_stream_miss_and_double_nothing(
    world: World, pytestconfig: pytest.Config
) -> None:
    chance = random.Random(str(pytestconfig.option.hypothesis_seed))
    done = await world.chunks("s1", ["first"])
    enough = asyncio.Event()
    async with world.node() as node, world.node() as other:
        steady = node.device()
        await steady.attach(since=(done.epoch, 0))
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(stream(world, chance, enough))
            joined = await join(node, done.epoch, chance, 150) + await join(other, done.epoch, chance, 50)
            enough.set()
            await writing
        last = await world.chunks("s1", ["last"])
        for device in (steady, *joined):
            await device.wait_position(last.last)
            assert device.of("gap") == []


async def test_a_device_ahead_of_its_node_is_not_in_the_future(world: World) -> None:
    async with world.node() as node:
        first = node.device()
        await first.attach()
        node.loses = lambda _: True
        done = await world.chunks("s1", ["a", "b"])
        device = node.device()
        await device.attach(since=(done.epoch, done.last))
        assert device.of("gap") == []
        node.loses = lambda _: False
        await world.chunks("s1", ["c"])
        for each in (first, device):
            await each.wait_position(4)


async def test_a_node_that_has_lost_much_does_not_keep_it_from_who_attaches(world: World) -> None:
    async with world.node() as node:
        first = node.device()
        await first.attach()
        node.loses = lambda _: True
        done = await world.chunks("s1", ["x"] * 450)
        replayed, fresh = node.device(), node.device()
        await replayed.attach(since=(done.epoch, 1))
        await replayed.wait_position(done.last)
        await fresh.attach()
        assert fresh.position() == done.last
        assert first.position() == 1
