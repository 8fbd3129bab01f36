"""Who takes part where agents ask over MCP: an agent's token, and the people who answer on their devices."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.acceptance.cluster import Cluster
from tests.waiting import wait_until

from holdfast import client
from holdfast.core.interrupts import Interrupt

ECOSYSTEM = Path(__file__).parents[1] / "ecosystem"
ASKS = ("read", "send", "cancel")  # what an agent's token is for: it never answers


def agents_token(cluster: Cluster, subject: str = "alice") -> str:
    return cluster.token(subject, sessions=["mine"], can=list(ASKS))


def person(cluster: Cluster, subject: str = "alice", roles: tuple[str, ...] = (), server: int = 0) -> client.Client:
    token = cluster.token(subject, roles, sessions=["mine"])
    return client.connect(f"http://127.0.0.1:{cluster.ports[server]}", token=token)


async def card(device: client.Client) -> Interrupt:
    found: list[Interrupt] = []

    async def shown() -> bool:
        found[:] = await device.inbox()
        return bool(found)

    await wait_until(shown, "somebody is asked", 20)
    return found[0]


async def nobody_asked(device: client.Client) -> bool:
    return await device.inbox() == []


def spoken(result: Any) -> dict[str, Any]:
    """What a permission prompt says: the text of its only part, as JSON."""
    [part] = result.content
    return json.loads(part.text)


async def typescript_asks(cluster: Cluster, *where: str) -> None:
    """An agent on the official TypeScript package asks: first it is told no, then it gives up itself."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        "node", str(ECOSYSTEM / "mcp_agent.mjs"), *where, stdin=pipe, stdout=pipe
    )
    assert child.stdin is not None
    assert child.stdout is not None
    async with person(cluster) as phone:
        first = await card(phone)
        await phone.gate(first.id).decide(False, reason="No.")
        await wait_until(lambda: _asked_other(phone, first), "the second card", 20)
        child.stdin.write(b"\n")
        await wait_until(lambda: nobody_asked(phone), "the card is gone", 20)
        child.stdin.write(b"\n")
        out = await asyncio.wait_for(child.stdout.read(), 30)
    listed, said, given_up = (json.loads(line) for line in out.splitlines())
    assert "permission_prompt" in listed["tools"]
    assert said["behavior"] == "deny"
    assert "No." in said["message"]
    assert "given_up" in given_up
    assert await child.wait() == 0


async def typescript_calls(cluster: Cluster, tool: str, given: dict[str, Any], server: int = 1) -> dict[str, Any]:
    """What a tool gives to an agent on the official TypeScript package."""
    where = f"http://127.0.0.1:{cluster.ports[server]}/mcp", agents_token(cluster)
    child = await asyncio.create_subprocess_exec(
        "node", str(ECOSYSTEM / "mcp_call.mjs"), *where, tool, json.dumps(given), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(child.communicate(), 30)
    return json.loads(out)


async def _asked_other(device: client.Client, than: Interrupt) -> bool:
    return any(one.id != than.id for one in await device.inbox())
