"""Notices as an operator meets them: a server that is killed between delivering one and noting it."""

from __future__ import annotations

from pathlib import Path

from redis.asyncio import Redis
from standardwebhooks import Webhook as Verifier
from tests.acceptance.cluster import Cluster, Device
from tests.acceptance.cluster import wait_until as wait_until_holds
from tests.notify.receiver import KEY, Receiver

from holdfast.notify.sender import LEASE_MS
from holdfast.store.keys import PARTITIONS, Keys


async def let_leases_run_out(url: str) -> None:
    """Of the dead server: the store's clock is set ahead, as in a test with a manual one."""
    async with Redis.from_url(url) as client:
        for partition in range(PARTITIONS):
            await client.hincrby(Keys().meta(partition), "clock_offset_ms", LEASE_MS + 1)


async def started(device: Device) -> dict[str, str]:
    await device.start("refunds")
    return await device.interrupt(kind="approval")


async def test_killed_between_delivering_and_noting_it(tmp_path: Path) -> None:
    async with Receiver().serving() as receiver:
        env = {"HOLDFAST_WEBHOOK": receiver.url, "HOLDFAST_WEBHOOK_SECRET": KEY}
        async with Cluster(tmp_path, servers=0, env=env) as cluster:
            first = await cluster.start_server(env={"HOLDFAST_FAILPOINT": "after deliver"})
            device = await cluster.device()
            ask = await started(device)
            await receiver.wait_requests(1)
            await wait_until_holds(lambda: not first.alive, "the server has died after delivering")
            await cluster.start_server()
            await let_leases_run_out(cluster.store.url)
            await receiver.wait_requests(2)
            one, again = receiver.requests
            assert one.id == again.id, "the receiver knows by the id that it has it"
            assert one.json == again.json
            Verifier(KEY).verify(again.body, again.headers)

            other = await cluster.device("bob", server=1)
            await other.attach(ask["session"])
            await other.answer(ask, {"approved": True})
            await receiver.wait_requests(3)
            assert receiver.kinds() == ["interrupt.opened"] * 2 + ["interrupt.closed"]
            assert len({request.id for request in receiver.requests}) == 2


async def test_two_servers_send_each_notice_once(tmp_path: Path) -> None:
    async with Receiver().serving() as receiver:
        env = {"HOLDFAST_WEBHOOK": receiver.url, "HOLDFAST_WEBHOOK_SECRET": KEY}
        async with Cluster(tmp_path, servers=2, env=env) as cluster:
            device = await cluster.device()
            for number in range(5):
                device.frames.clear()
                await started(device)
                await receiver.wait_requests(number + 1)
            ids = [request.id for request in receiver.requests]
            assert len(ids) == len(set(ids)) == 5
