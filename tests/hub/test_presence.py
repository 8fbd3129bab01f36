"""Presence: who is there, over all nodes, and no longer than they are."""

from __future__ import annotations

from tests.hub.world import TestDevice, World
from tests.waiting import wait_until

from holdfast.hub.presence import Timing
from holdfast.store.devices import DevicesStore


def names(device: TestDevice) -> list[str]:
    """Who is there, as a device was last told."""
    shown = device.of("presence")
    return sorted(each.get("device", each["connection"]) for each in shown[-1]["devices"]) if shown else []


async def wait_names(device: TestDevice, expected: list[str]) -> None:
    await wait_until(lambda: names(device) == expected, f"{expected} are there")


async def test_devices_of_all_nodes_see_each_other(world: World) -> None:
    async with world.node() as node, world.node() as other:
        phone, laptop = node.device(name="phone"), other.device(name="laptop")
        await phone.attach()
        await wait_names(phone, ["phone"])
        await laptop.attach()
        for device in (phone, laptop):
            await wait_names(device, ["laptop", "phone"])
        shown = phone.of("presence")[-1]["devices"]
        assert {each["subject"] for each in shown} == {"alice"}
        other.hub.detach(laptop.subscriber, "s1")
        await wait_names(phone, ["phone"])


async def test_a_device_cut_off_stays_for_the_grace_and_then_leaves(world: World) -> None:
    async with world.node(presence=Timing(grace_ms=50)) as node:
        phone, laptop = node.device(name="phone"), node.device(name="laptop")
        await phone.attach()
        await laptop.attach()
        await wait_names(phone, ["laptop", "phone"])
        node.hub.leave(laptop.subscriber)
        await wait_names(phone, ["phone"])


async def test_a_device_that_comes_back_within_the_grace_was_never_away(world: World) -> None:
    async with world.node(presence=Timing(grace_ms=60_000)) as node:
        phone, laptop = node.device(name="phone"), node.device(name="laptop")
        await phone.attach()
        await laptop.attach()
        await wait_names(phone, ["laptop", "phone"])
        node.hub.leave(laptop.subscriber)
        again = node.device(name="laptop")
        await again.attach()
        await wait_names(again, ["laptop", "phone"])
        connections = {each["connection"] for each in again.of("presence")[-1]["devices"]}
        assert laptop.device.connection not in connections
        told = [sorted(each["device"] for each in frame["devices"]) for frame in phone.of("presence")]
        assert ["phone"] not in told[told.index(["laptop", "phone"]) :]
        assert max(map(len, told)) == 2


async def test_the_devices_of_a_killed_node_vanish_within_their_time(world: World) -> None:
    killed = DevicesStore(world.connection, world.keys, ttl_ms=300)
    ghost = {"ghost": b'{"connection":"ghost","subject":"bob","device":"ghost"}'}
    async with world.node() as node:
        phone = node.device(name="phone")
        await phone.attach()
        await killed.keep("s1", ghost)
        await wait_names(phone, ["ghost", "phone"])
        await wait_names(phone, ["phone"])


async def test_devices_stay_for_as_long_as_their_node_says_so(world: World) -> None:
    async with world.node(presence=Timing(ttl_ms=200, refresh_ms=50)) as node:
        phone = node.device(name="phone")
        await phone.attach()
        await wait_names(phone, ["phone"])
        before = await _until_ms(world)
        await wait_until(lambda: _later(world, before + 300), "it was said again, more than once")
        assert [names(phone), len(phone.of("presence"))] == [["phone"], 1]


async def _until_ms(world: World) -> int:
    rows = await world.connection.execute("HVALS", world.keys.devices("s1"))
    return max((int(row.split(b" ")[0]) for row in rows), default=0)


async def _later(world: World, instant_ms: int) -> bool:
    return await _until_ms(world) > instant_ms


async def test_a_node_that_stops_takes_its_devices_with_it(world: World) -> None:
    async with world.node() as staying:
        phone = staying.device(name="phone")
        async with world.node() as stopping:
            laptop = stopping.device(name="laptop")
            await phone.attach()
            await laptop.attach()
            await wait_names(phone, ["laptop", "phone"])
        await wait_names(phone, ["phone"])
    assert await world.connection.execute("EXISTS", world.keys.devices("s1")) == 0


async def test_who_attaches_without_a_device_is_not_shown(world: World) -> None:
    async with world.node() as node:
        phone, silent = node.device(name="phone"), node.device(name="silent")
        silent.device = None  # type: ignore[assignment]
        await silent.attach()
        await phone.attach()
        await wait_names(phone, ["phone"])
        await wait_names(silent, ["phone"])
