"""Days later: thousands of turns that wait cost next to nothing, and any of them goes on after everything restarted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis.asyncio
from tests.acceptance.cluster import Cluster, Device, Process

GROWTH_MAX_BYTES = 5_000_000  # of one process, for 10,000 waiting turns
STORE_MAX_BYTES = 12_000  # for one waiting turn
WARM_UP = 1_000  # turns, so that what a process keeps once is not counted as growth
AT_ONCE = 100


def resident(process: Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024


async def stored(cluster: Cluster) -> int:
    async with redis.asyncio.Redis.from_url(cluster.store.url) as client:
        return (await client.info("memory"))["used_memory"]


async def connections(cluster: Cluster) -> int:
    async with redis.asyncio.Redis.from_url(cluster.store.url) as client:
        return (await client.info("clients"))["connected_clients"]


async def inbox(cluster: Cluster) -> int:
    async with redis.asyncio.Redis.from_url(cluster.store.url) as client:
        keys = [key async for key in client.scan_iter(match="hf:*:inbox")]
        return sum([await client.zcard(key) for key in keys])


async def leave_waiting(cluster: Cluster, device: Device, count: int) -> None:
    """Start so many turns, and return when all of them wait for a human."""
    before = await inbox(cluster)
    for _ in range(0, count, AT_ONCE):
        frame = {"type": "start", "agent": "refunds", "message": "Refund A-17, please"}
        replies = await asyncio.gather(*(device.ask(frame) for _ in range(AT_ONCE)))
        assert all(reply["type"] == "ok" for reply in replies), replies
        device.frames.clear()
    async with asyncio.timeout(120):
        while await inbox(cluster) < before + count:
            await asyncio.sleep(0.1)


async def thousands_wait(folder: Path, count: int) -> None:
    async with Cluster(folder) as cluster:
        device = await cluster.device()
        first = await device.start("refunds", "Refund A-17, please")
        shown = await device.interrupt()
        await device.ask({"type": "detach", "session": first})
        await leave_waiting(cluster, device, WARM_UP)
        processes = (cluster.servers[0], cluster.workers[0])
        sizes, store, links = [resident(one) for one in processes], await stored(cluster), await connections(cluster)
        await leave_waiting(cluster, device, count)
        for process, size in zip(processes, sizes, strict=True):
            growth = resident(process) - size
            print(f"{process.name}: {growth / 1e6:.2f} MB of growth for {count} waiting turns")
            assert growth < GROWTH_MAX_BYTES
        each = (await stored(cluster) - store) / count
        print(f"store: {each:.0f} bytes a waiting turn")
        assert each < STORE_MAX_BYTES
        assert await connections(cluster) <= links
        await everything_restarts(cluster)
        await answered_after_all(cluster, first, shown["id"])


async def everything_restarts(cluster: Cluster) -> None:
    await asyncio.gather(*(device.close() for device in cluster.devices))
    for process in (*cluster.workers, *cluster.servers):
        process.kill()
    cluster.store.kill()
    await cluster.store.restart()
    cluster.start_worker()
    await cluster.start_server()


async def answered_after_all(cluster: Cluster, session: str, interrupt: str) -> None:
    device = await cluster.device("bob", server=-1)
    await device.attach(session)
    shown = await device.interrupt(id=interrupt)
    assert (await device.answer(shown, {"approved": True}))["outcome"] == "won"
    end = await device.event("turn.finished")
    assert end["result"] == "done"
    assert sorted(line[0] for line in cluster.ran(shown["turn"])) == ["lookup", "refund"]


@pytest.mark.timeout(120)
async def test_two_thousand_wait(tmp_path: Path) -> None:
    await thousands_wait(tmp_path, 2_000)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_thousand_wait(tmp_path: Path) -> None:
    await thousands_wait(tmp_path, 10_000)
