"""A budget of many sessions, whose worker is killed around the counting: no unit is lost, and none counted twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.acceptance.cluster import Cluster, wait_until

APP = Path(__file__).parent / "spending.py"
LEASE = {"HOLDFAST_LEASE_MS": "1200"}

#: `count` is the commit in the agent's own place, `begin` the one in the session by which the call goes.
PLACES = [f"{when} {what}" for what in ("commit:count", "commit:begin", "execute") for when in ("before", "after")]


@pytest.mark.timeout(240)
async def test_a_worker_dies_around_the_counting(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env=LEASE) as cluster:
        room = asyncio.Semaphore(3)

        async def scenario(number: int, place: str) -> None:
            async with room:
                await dies_at(cluster, f"-{number}", place)

        await asyncio.gather(*(scenario(number, place) for number, place in enumerate(PLACES)))


async def dies_at(cluster: Cluster, suffix: str, place: str) -> None:
    """One call is cut off and taken up by another worker; a second one still passes, and a third is asked about."""
    mine = {"HOLDFAST_TEST_SUFFIX": suffix}
    victim = cluster.start_worker(app=APP, env={**mine, "HOLDFAST_FAILPOINT": place})
    device = await cluster.device("alice")
    first = await device.start(f"spender{suffix}")
    await wait_until(lambda: not victim.alive, f"the worker dies {place}")
    heir = cluster.start_worker(app=APP, env=mine)
    end = await device.event("turn.finished")
    assert end["result"] == "done", place
    assert not device.events("interrupt.opened"), f"asked about the first call: it died {place}"

    start = len(device.frames)
    await device.start(f"spender{suffix}")
    assert (await device.event("turn.finished", start))["result"] == "done", place
    assert not device.events("interrupt.opened"), f"a call was counted twice: it died {place}"

    start = len(device.frames)
    third = await device.start(f"spender{suffix}")
    asked = await device.interrupt(start, session=third)
    [over] = asked["metadata"]["budgets"]
    assert (over["name"], over["used"], over["limit"]) == ("together", 80, 100), place
    assert first != third
    heir.end()
