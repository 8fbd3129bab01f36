"""The subscriber: a bounded queue before a socket."""

from __future__ import annotations

import asyncio

from tests.hub.world import MIB, MemorySink, World

from holdfast.hub.subscriber import Subscriber
from holdfast.protocol import frames
from holdfast.protocol.close_codes import SHUTDOWN, SLOW_DEVICE
from holdfast.protocol.text_frame import TextFrame


async def test_what_is_pushed_in_one_tick_leaves_in_one_write() -> None:
    sink = MemorySink()
    subscriber = Subscriber(sink, MIB)
    for text in (b"1", b"2", b"3"):
        subscriber.push(TextFrame(text))
    assert sink.writes == 0
    await asyncio.sleep(0)
    assert (sink.writes, sink.texts) == (1, [b"1", b"2", b"3"])


async def test_over_the_limit_it_is_closed_with_come_back() -> None:
    sink = MemorySink()
    subscriber = Subscriber(sink, 100)
    sink.stall()
    for _ in range(20):
        subscriber.push(TextFrame(b"x" * 30))
        await asyncio.sleep(0)
    assert sink.closed is SLOW_DEVICE
    assert SLOW_DEVICE.come_back
    assert len(sink.texts) == 4


async def test_the_limit_holds_within_one_tick() -> None:
    sink = MemorySink()
    subscriber = Subscriber(sink, 100)
    for _ in range(20):
        subscriber.push(TextFrame(b"x" * 30))
    assert sink.closed is SLOW_DEVICE
    assert sink.texts == []


async def test_one_frame_larger_than_the_limit_passes() -> None:
    sink = MemorySink()
    subscriber = Subscriber(sink, 100)
    subscriber.push(TextFrame(b"x" * 1_000))
    await asyncio.sleep(0)
    assert sink.closed is None
    assert len(sink.texts) == 1


async def test_a_close_comes_after_what_was_pushed_and_once() -> None:
    sink = MemorySink()
    subscriber = Subscriber(sink, MIB)
    subscriber.send(frames.Closing(5))
    subscriber.close(SHUTDOWN)
    subscriber.close(SLOW_DEVICE)
    subscriber.push(TextFrame(b"late"))
    await asyncio.sleep(0)
    assert sink.texts == [b'{"type":"closing","reconnect_after_ms":5}']
    assert sink.closed is SHUTDOWN


async def test_a_slow_device_is_closed_while_others_go_on(world: World) -> None:
    async with world.node() as node:
        slow, quick = node.device(queue=50_000), node.device(queue=50_000)
        await slow.attach()
        await quick.attach()
        slow.sink.stall()
        for _ in range(20):
            await world.chunks("s1", ["x" * 10_000])
        await quick.wait_position(21)
        assert slow.sink.closed is SLOW_DEVICE
        assert quick.sink.closed is None
        assert slow.position() < 21
        again = node.device()
        await again.attach(since=(node.hub.feeds["s1"].epoch, slow.position()))
        await again.wait_position(21)
        assert len(slow.of("event")) + len(again.of("event")) == 20


async def test_a_device_that_does_not_read_its_replay_waits_and_is_not_closed(world: World) -> None:
    for _ in range(30):
        await world.chunks("s1", ["x" * 100_000])
    async with world.node() as node:
        device, other = node.device(), node.device()
        device.sink.stall()
        await device.attach(since=("", 0))
        assert device.of("attached")
        await other.attach(since=("", 0))
        await other.wait_position(31)
        assert device.sink.closed is None
        assert device.sink.waiting_bytes < 300_000
        device.sink.flow()
        await device.wait_position(31)
