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
from tests.acceptance.mcp_people import agents_token, card, person, typescript_asks, typescript_calls
from tests.waiting import wait_until

PUBLISHED = Path(__file__).with_name("published.py")
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

    async def knows(self, tool: str) -> bool:
        return tool in {one["name"] for one in (await self._ask("tools/list", {}, 0))["tools"]}

    async def call(
        self, tool: str, arguments: dict[str, Any], server: int = 0, meta: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        said = {"name": tool, "arguments": arguments, "_meta": {"progressToken": 1, **(meta or {})}}
        return await self._ask("tools/call", said, server)

    async def _ask(self, method: str, params: dict[str, Any], server: int) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
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


async def test_all_are_killed_while_a_published_tool_waits_for_a_person(cluster: Cluster) -> None:
    """kill -9 of server and worker; approved by another server; called once, and the agent learns it by the other."""
    worker = cluster.start_worker(app=PUBLISHED)
    agent = Agent(cluster)
    async with agent.http, person(cluster, server=1) as phone:
        await wait_until(lambda: agent.knows("refund"), "the worker has come", 30)
        call = asyncio.create_task(agent.call("refund", {"order": "A-17"}, meta={"holdfast/ref": "r1"}))
        asked = await card(phone)
        cluster.servers[0].kill()
        worker.kill()
        with pytest.raises(httpx2.TransportError):
            await call
        await phone.session(asked.session).approve(asked.id)
        cluster.start_worker(app=PUBLISHED)
        again = await agent.call("refund", {"order": "A-17"}, server=1, meta={"holdfast/ref": "r1"})
        assert again["structuredContent"]["value"] == "A-17 is refunded."
        in_typescript = await typescript_calls(cluster, "wait_for", {"id": again["structuredContent"]["id"]})
        assert in_typescript == again["structuredContent"]
    assert [line[2] for line in cluster.ran()] == ["A-17"]


async def test_the_typescript_package(cluster: Cluster) -> None:
    await typescript_asks(cluster, f"http://127.0.0.1:{cluster.ports[0]}/mcp", agents_token(cluster))
