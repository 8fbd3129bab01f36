"""Rerouting: open cards of whoever goes away are seen anew at once, once each, on any node."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.commands.scene import ALICE, Scene
from tests.commands.test_leaving import DAN, FAY, leave

from holdfast.commands import gating, leaving
from holdfast.commands.rerouting import look_again
from holdfast.core.identity import Principal
from holdfast.core.ids import wide_home
from holdfast.core.interrupts import Approvers, Interrupt
from holdfast.core.ladders import HandOverText
from holdfast.core.people import DAY_MS
from holdfast.protocol.frames import Gate
from holdfast.runtime.sweeper import Sweeper

MONA = Principal("mona", ("manager",))
HOME = wide_home("person", "fay")
GONE = [("unroutable", "all_away"), ("hand_over", "unroutable")]


async def gates(scene: Scene, count: int, *, subject: str = "fay") -> list[str]:
    """So many open gates, each in a session of its own, that ask one person and after an hour managers."""
    asks: dict[str, Any] = {
        "approvers": Approvers((), (subject,)),
        "escalate": [HandOverText("1 h", "role:manager")],
    }
    frames = [Gate(f"{subject}{number}", f"gate-{subject}-{number}", "deploy", **asks) for number in range(count)]
    asked = await asyncio.gather(*(gating.request(scene.backend, ALICE, frame, "test") for frame in frames))
    await settled(scene)
    return [one.gate.interrupt.id for one in asked]


async def settled(scene: Scene, sweepers: int = 1) -> None:
    """Until nothing is due any more, by so many sweepers at once."""
    nodes = [Sweeper(scene.backend) for _ in range(sweepers)]
    while any(await asyncio.gather(*(node.sweep() for node in nodes))):
        pass


async def shown(scene: Scene, gate: str) -> Interrupt:
    return (await gating.read(scene.backend, ALICE, gate)).interrupt


async def done(scene: Scene, gate: str) -> list[tuple[str, str]]:
    return [(each.action, each.why) for each in (await shown(scene, gate)).escalations]


async def move_clocks(scene: Scene, ms: int) -> None:
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    for partition in range(keys.partitions):
        await connection.execute("HINCRBY", keys.meta(partition), "clock_offset_ms", ms)


async def test_what_is_open_goes_to_the_next_at_once(scene: Scene) -> None:
    await scene.backend.directory.note(MONA)
    names = await gates(scene, 5)
    assert [await done(scene, name) for name in names] == [[]] * 5
    await leave(scene, deputy=None)
    await settled(scene)
    assert [await done(scene, name) for name in names] == [GONE] * 5
    assert (await shown(scene, names[0])).approvers == Approvers(("manager",), ("fay",))


async def test_whoever_does_not_go_keeps_their_cards(scene: Scene) -> None:
    [hers], [his] = await gates(scene, 1), await gates(scene, 1, subject="gus")
    await leave(scene, deputy=None)
    await settled(scene)
    assert (await done(scene, hers), await done(scene, his)) == (GONE, [])


async def test_a_deputy_is_enough_until_they_go_too(scene: Scene) -> None:
    [name] = await gates(scene, 1)
    await leave(scene, deputy="dan")
    await settled(scene)
    assert await done(scene, name) == []
    await leave(scene, DAN, deputy=None)
    await settled(scene)
    assert await done(scene, name) == GONE


async def test_once_however_many_sweep_and_however_often_it_is_said(scene: Scene) -> None:
    names = await gates(scene, 20)
    for _ in range(3):
        await leave(scene, deputy=None)
        await settled(scene, sweepers=3)
    assert [await done(scene, name) for name in names] == [GONE] * 20


async def test_piece_by_piece_and_on_from_where_it_was(scene: Scene) -> None:
    names = await gates(scene, 5)
    await leave(scene, deputy=None)
    assert await look_again(scene.backend, HOME, "", piece=2)
    assert [await done(scene, name) for name in names].count(GONE) == 2
    assert not await look_again(scene.backend, HOME, "", piece=2)  # that piece was done, by whoever was first
    await settled(scene)  # another node: the deadline says where to go on
    assert [await done(scene, name) for name in names] == [GONE] * 5


async def test_who_dies_before_it_is_noted_leaves_a_look(scene: Scene) -> None:
    """Whoever noted it may not have come to say that it is noted."""
    [name] = await gates(scene, 1)
    await leave(scene, deputy=None)
    keys = scene.backend.door.keys
    foretold = keys.deadlines(keys.partition(HOME))
    due = {each.decode() for each in await scene.backend.door.connection.execute("ZRANGE", foretold, 0, -1)}
    assert due >= {f"absence {HOME}", f"absence {HOME} end"}
    assert await done(scene, name) == []
    await settled(scene)
    assert await done(scene, name) == GONE


async def test_who_is_back_can_be_reached(scene: Scene) -> None:
    ask = Gate("g", "alone", "deploy", approvers=Approvers((), ("fay",)))
    name = (await gating.request(scene.backend, ALICE, ask, "test")).gate.interrupt.id
    await leave(scene, deputy=None)
    await settled(scene)
    assert (await shown(scene, name)).unroutable == "all_away"
    await leaving.come_back(scene.backend, FAY)
    await settled(scene)
    assert (await shown(scene, name)).unroutable is None


async def test_an_absence_that_is_over_is_seen_too(scene: Scene) -> None:
    ask = Gate("g", "alone", "deploy", approvers=Approvers((), ("fay",)))
    name = (await gating.request(scene.backend, ALICE, ask, "test")).gate.interrupt.id
    await leave(scene, deputy=None, ms=DAY_MS)
    await settled(scene)
    assert (await shown(scene, name)).unroutable == "all_away"
    await move_clocks(scene, DAY_MS + 1)
    await settled(scene)
    assert (await shown(scene, name)).unroutable is None
