"""The late click: an answer to what is settled is refused with the truth, changes nothing and starts nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.cluster import Cluster, Device


@pytest.fixture
async def cluster(tmp_path: Path) -> Any:
    async with Cluster(tmp_path) as running:
        yield running


async def history(device: Device, cluster: Cluster, session: str) -> list[Any]:
    """The log as it is stored, to the byte."""
    import redis.asyncio

    async with redis.asyncio.Redis.from_url(cluster.store.url) as client:
        keys = [key async for key in client.scan_iter(match=f"*:s:{session}:log")]
        return await client.xrange(keys[0])


async def refused_with_the_truth(
    cluster: Cluster, device: Device, shown: dict[str, Any], status: str, *, effects: int
) -> None:
    before = await history(device, cluster, shown["session"])
    for payload in ({"approved": True}, {"approved": False, "reason": "late"}):
        reply = await device.answer(shown, payload)
        assert (reply["outcome"], reply["decision"]["status"]) == ("lost", status)
    assert await history(device, cluster, shown["session"]) == before
    assert len(cluster.ran(shown["turn"])) == effects


async def test_after_the_tool_ran_and_the_turn_ended(cluster: Cluster) -> None:
    device = await cluster.device()
    await device.start("asks", "go")
    shown = await device.interrupt()
    await device.answer(shown, {"approved": True})
    await device.event("turn.finished")
    await refused_with_the_truth(cluster, device, shown, "resolved", effects=1)


async def test_after_a_cancel(cluster: Cluster) -> None:
    device = await cluster.device()
    session = await device.start("asks", "go")
    shown = await device.interrupt()
    await device.ask({"type": "cancel", "session": session})
    await device.event("turn.finished", status="cancelled")
    await refused_with_the_truth(cluster, device, shown, "cancelled", effects=0)


async def test_the_second_click_never_answers_the_next_prompt(cluster: Cluster) -> None:
    device = await cluster.device()
    await device.start("twice", "go")
    first = await device.interrupt()
    start = len(device.frames)
    await device.answer(first, {"approved": True})
    second = await device.interrupt(start)
    assert second["id"] != first["id"]
    impatient = await device.answer(first, {"approved": True})
    assert impatient["outcome"] == "lost"
    assert len(cluster.ran(first["turn"])) == 1, "the second prompt was answered by a click on the first"
    await device.answer(second, {"approved": False})
    end = await device.event("turn.finished")
    assert end["result"] == ["done", "denied"]
