"""Two servers, two workers, and kill -9 around a firing: each instant starts exactly one turn."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.cluster import PATIENCE_S, Cluster, free_port

NAMES = [f"due-{number}" for number in range(20)]


async def ask(cluster: Cluster, server: int, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {cluster.token('alice', ('operator',))}"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{cluster.ports[server]}") as client:
        return (await client.request(method, path, json=body, headers=headers)).json()


async def until_done(cluster: Cluster, server: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            shown = (await ask(cluster, server, "GET", "/v1/schedules"))["schedules"]
            if {one["status"] for one in shown} == {"done"}:
                return shown
            await asyncio.sleep(0.05)


async def schedule(cluster: Cluster, server: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await ask(cluster, server, "GET", "/v1/agents")).get("agents", []) == []:
            await asyncio.sleep(0.05)
    for name in NAMES:
        body = {"name": name, "agent": "refunds", "delay": "1500 ms", "message": "Refund A-17, please"}
        assert (await ask(cluster, server, "POST", "/v1/schedules", body))["status"] == "active"


@pytest.mark.parametrize("place", ["fired#3", "after commit:start#2", "before commit:schedule#2"])
async def test_a_server_that_is_killed_around_a_firing(tmp_path: Path, place: str) -> None:
    async with Cluster(tmp_path, servers=1, workers=2) as cluster:
        await schedule(cluster, 0)
        cluster.servers[0].signal(signal.SIGSTOP)  # so that it is the other one that fires, and dies in the middle
        mortal = cluster._process("mortal", "serve", "--port", str(free_port()), env={"HOLDFAST_FAILPOINT": place})
        cluster.servers.append(mortal)
        mortal.start()
        assert await mortal.wait_exit() == -signal.SIGKILL
        cluster.servers[0].signal(signal.SIGCONT)
        cluster.workers[0].kill()
        shown = await until_done(cluster, 0)
        assert {one["fired"] for one in shown} == {1}
        assert all("failed" not in one for one in shown)
        sessions = (await ask(cluster, 0, "GET", "/v1/sessions?limit=200"))["sessions"]
        assert sorted(one["session"]["title"] for one in sessions) == sorted(NAMES)
        async with asyncio.timeout(PATIENCE_S):
            while len(cluster.ran()) < len(NAMES):
                await asyncio.sleep(0.05)
        assert sorted(line[1] for line in cluster.ran()) == sorted({line[1] for line in cluster.ran()})
