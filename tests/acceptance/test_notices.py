"""Notices as an operator meets them: a server that is killed between delivering one and noting it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from os import environ
from pathlib import Path

from redis.asyncio import Redis
from standardwebhooks import Webhook as Verifier
from tests.acceptance.cluster import Cluster, Device
from tests.acceptance.cluster import wait_until as wait_until_holds
from tests.notify.receiver import KEY, Receiver

from holdfast.notify.sender import LEASE_MS
from holdfast.store.keys import PARTITIONS, Keys
from holdfast.testing import wait_for


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


async def test_an_operator_sends_again_what_was_given_up(tmp_path: Path) -> None:
    async with Receiver().serving() as receiver:
        receiver.status = 410
        env = {"HOLDFAST_WEBHOOK": receiver.url, "HOLDFAST_WEBHOOK_SECRET": KEY}
        async with Cluster(tmp_path, env=env) as cluster:
            device = await cluster.device()
            ask = await started(device)
            await receiver.wait_requests(1)

            async def operator(*words: str) -> str:
                given = {"HOLDFAST_URL": f"http://127.0.0.1:{cluster.ports[0]}", "HOLDFAST_REDIS": cluster.store.url}
                given["HOLDFAST_TOKEN"] = cluster.token("olga", ("operator",))
                command = [sys.executable, "-m", "holdfast", *words]
                done = await asyncio.create_subprocess_exec(*command, env=environ | given, stdout=PIPE, stderr=STDOUT)
                said, _ = await done.communicate()
                assert done.returncode == 0, said
                return said.decode()

            async def listed() -> str | None:
                said = await operator("notices", "list")
                return said if ask["id"] in said else None

            said = await wait_for(listed, "the notice is given up", 30)
            assert "410: it wants no more of this" in said
            assert f"notices: 0 on their way, 1 given up (holdfast notices list)\nnotices go to: {receiver.url}" in (
                await operator("doctor")
            )
            await receiver.answer_with(200)
            assert await operator("notices", "replay", said.split(" ")[0]) == "1 are sent again\n"
            await receiver.wait_requests(2)
            assert await operator("notices", "list") == "no notice was given up\n"


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
