"""Reviews across crashes: one for each call, whenever its worker dies; and one verdict, whenever the server does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.cluster import Cluster, Device, wait_until
from tests.acceptance.test_crash import repeated

APP = Path(__file__).parent / "sampled.py"
LEASE = {"HOLDFAST_LEASE_MS": "1200"}
WRONG = {"selected": ["wrong"], "text": "That was 7."}


async def feedback(cluster: Cluster, session: str) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {cluster.token('alice')}"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{cluster.ports[0]}", headers=headers) as client:
        return (await client.get(f"/v1/sessions/{session}/feedback")).json()["feedback"]


def asked(device: Device) -> list[dict[str, Any]]:
    return [event["interrupt"] for event in device.events("interrupt.opened")]


@pytest.mark.timeout(180)
async def test_a_worker_dies_around_the_end_of_the_call(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env=LEASE) as cluster:
        for number, place in enumerate(("before commit:record", "after commit:record", "before commit:finish")):
            mine = {"HOLDFAST_TEST_SUFFIX": f"-{number}"}
            victim = cluster.start_worker(app=APP, env={**mine, "HOLDFAST_FAILPOINT": place})
            device = await cluster.device("alice")
            session = await device.start(f"sampled-{number}")
            await wait_until(lambda victim=victim: not victim.alive, f"the worker dies {place}")
            heir = cluster.start_worker(app=APP, env=mine)
            end = await device.event("turn.finished")
            assert end["result"] == "done", place
            [shown] = asked(device)
            assert shown["reason"] == "holdfast:review", place
            assert (await device.answer(shown, WRONG))["outcome"] == "won", place
            [said] = await feedback(cluster, session)
            assert (said["target"]["operation"], said["score"]) == (f"{end['turn']}/tool:spend:1", -1), place
            heir.end()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", ["before commit:decide", "after commit:decide"])
async def test_a_server_dies_around_the_verdict(tmp_path: Path, place: str) -> None:
    """The device repeats what it said, with the same ref, on another server: it is said once."""
    async with Cluster(tmp_path, workers=0, env=LEASE) as cluster:
        cluster.start_worker(app=APP)
        other = await cluster.device("alice")
        session = await other.start("sampled")
        await other.event("turn.finished")
        [shown] = asked(other)
        victim = await cluster.start_server(env={"HOLDFAST_FAILPOINT": place})
        doomed = await cluster.device("alice", server=1)
        answer = {"type": "answer", "session": session, "interrupt": shown["id"], "status": "resolved"}
        answered = await repeated(doomed, other, victim, {**answer, "payload": WRONG, "ref": "answer-1"})
        assert answered["outcome"] == "won"
        assert not victim.alive
        [said] = await feedback(cluster, session)
        assert (said["score"], said["comment"]) == (-1, "That was 7.")
