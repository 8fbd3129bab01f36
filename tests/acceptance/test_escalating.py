"""Servers are killed by kill -9 between the rungs of a ladder, and while somebody goes away: each rung acts once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.cluster import PATIENCE_S, Cluster, free_port, listening, wait_until

NAMES = [f"gate-{number}" for number in range(12)]


async def ask(cluster: Cluster, server: int, method: str, path: str, body: Any = None, by: str = "alice") -> Any:
    headers = {"Authorization": f"Bearer {cluster.token(by, ('operator',) if by == 'alice' else ())}"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{cluster.ports[server]}", timeout=PATIENCE_S) as client:
        return (await client.request(method, path, json=body, headers=headers)).json()


async def open_gates(cluster: Cluster, server: int, ladder: list[dict[str, Any]]) -> None:
    """Gates that ask Fay, and others after a while."""
    for name in NAMES:
        body = {"id": name, "name": "deploy", "approvers": {"subjects": ["fay"]}, "escalate": ladder}
        assert (await ask(cluster, server, "POST", "/v1/gates", body))["status"] == "open"


async def done(cluster: Cluster, server: int) -> list[list[str]]:
    """What was done so far because nobody decided, gate by gate."""
    shown = [await ask(cluster, server, "GET", f"/v1/gates/{name}") for name in NAMES]
    return [[each["action"] for each in one["interrupt"].get("escalations", [])] for one in shown]


async def until(cluster: Cluster, server: int, wanted: list[str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await done(cluster, server) != [wanted] * len(NAMES):
            await asyncio.sleep(0.05)


async def told(cluster: Cluster, server: int, action: str) -> list[str]:
    """About which cards the trail says this."""
    shown = await ask(cluster, server, "GET", f"/v1/audit?action={action}&limit=200")
    return sorted(one["interrupt"] for one in shown["entries"])


async def test_a_server_that_is_killed_between_two_rungs(tmp_path: Path) -> None:
    async with Cluster(tmp_path, servers=2, workers=0) as cluster:
        ladder = [
            {"action": "remind", "after": "1 s"},
            {"action": "hand_over", "after": "4 s", "to": "role:manager"},
        ]
        await open_gates(cluster, 0, ladder)
        await until(cluster, 1, ["remind"])
        cluster.servers[0].kill()
        cluster.servers[1].kill()
        await cluster.start_server()
        await until(cluster, 2, ["remind", "hand_over"])
        for action in ("interrupt.reminded", "interrupt.escalated"):
            entries = await told(cluster, 2, action)
            assert len(entries) == len(set(entries)) == len(NAMES)


PLACES = ["after commit:foretell", "before commit:look", "after commit:reroute#5", "rerouted", "after commit:looked"]


@pytest.mark.parametrize("place", PLACES)
async def test_a_server_that_is_killed_while_somebody_goes_away(tmp_path: Path, place: str) -> None:
    async with Cluster(tmp_path, servers=1, workers=0) as cluster:
        await open_gates(cluster, 0, [{"action": "hand_over", "after": "1 h", "to": "role:manager"}])
        cluster.servers[0].signal(signal.SIGSTOP)  # so that the other one does it, and dies in the middle
        port = free_port()
        mortal = cluster._process("mortal", "serve", "--port", str(port), env={"HOLDFAST_FAILPOINT": place})
        cluster.servers.append(mortal)
        cluster.ports.append(port)
        mortal.start()
        await wait_until(lambda: listening(port), "the mortal one listens")
        away = {"until": int(time.time() * 1_000) + 3_600_000}
        with contextlib.suppress(httpx2.TransportError):  # it died before it could say so
            await ask(cluster, 1, "PUT", "/v1/me/away", away, by="fay")
        assert await mortal.wait_exit() == -signal.SIGKILL
        cluster.servers[0].signal(signal.SIGCONT)
        if place == "after commit:foretell":  # nothing was kept, and she was not told that it was: she says it again
            await ask(cluster, 0, "PUT", "/v1/me/away", away, by="fay")
        await until(cluster, 0, ["unroutable", "hand_over"])
        entries = await told(cluster, 0, "interrupt.escalated")
        assert len(entries) == len(set(entries)) == len(NAMES)
