"""`/mcp` of real servers: they are killed or told to end while agents wait, and other agents are in TypeScript."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.cluster import Cluster
from tests.acceptance.mcp_people import agents_token, card, person, typescript_asks

GIVEN = {"action": "deploy", "id": "deploy-42"}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path, servers=2, workers=0) as running:
        yield running


class Agent:
    """Says what any agent of the older protocol says, without a session: nothing is left of it when a server dies."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        headers = {
            "Authorization": f"Bearer {agents_token(cluster)}",
            "Accept": "application/json, text/event-stream",
            "Mcp-Protocol-Version": "2025-06-18",
        }
        self.http = httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False)

    async def call(self, tool: str, arguments: dict[str, Any], server: int = 0) -> dict[str, Any]:
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": 1}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        response = await self.http.post(f"http://127.0.0.1:{self._cluster.ports[server]}/mcp", json=body)
        last = [line for line in response.text.splitlines() if line.startswith("data: ")][-1]
        return json.loads(last.removeprefix("data: "))["result"]


async def test_a_server_is_killed_while_an_agent_waits(cluster: Cluster) -> None:
    """kill -9; the answer comes by another server; whoever asks again under the same id has it, wherever."""
    agent = Agent(cluster)
    async with agent.http, person(cluster, server=1) as phone:
        call = asyncio.create_task(agent.call("request_approval", GIVEN))
        asked = await card(phone)
        cluster.servers[0].kill()
        with pytest.raises(httpx2.TransportError):
            await call
        assert [one.id for one in await phone.inbox()] == [asked.id]
        again = asyncio.create_task(agent.call("request_approval", GIVEN, server=1))
        await phone.gate(asked.id).decide(True, reason="go")
        told = (await again)["structuredContent"]
        assert (told["approved"], told["reason"]) == (True, "go")
        await cluster.start_server(cluster.ports[0])
        assert (await agent.call("request_approval", GIVEN))["structuredContent"] == told


async def test_a_server_that_is_told_to_end_says_what_is_open(cluster: Cluster) -> None:
    agent = Agent(cluster)
    async with agent.http, person(cluster, server=1) as phone:
        call = asyncio.create_task(agent.call("request_approval", GIVEN))
        asked = await card(phone)
        cluster.servers[0].ask_to_end()
        told = (await call)["structuredContent"]
        assert (told["status"], told["approved"]) == ("open", False)
        assert await cluster.servers[0].wait_exit() == 0
        assert [one.id for one in await phone.inbox()] == [asked.id]


async def test_the_typescript_package(cluster: Cluster) -> None:
    await typescript_asks(cluster, f"http://127.0.0.1:{cluster.ports[0]}/mcp", agents_token(cluster))
