"""An agent by URL, in real processes: killed while a human thinks, answered by two devices, seen in mid-stream."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.cluster import Cluster, free_port, listening
from tests.waiting import wait_until

APP = Path(__file__).with_name("agui_agent.py")
INNER = Path(__file__).with_name("inner_agent.py")
SERVER = Path(__file__).parents[1] / "agents/agui_server.py"


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[str]:
    """The agent's own process: nobody kills it."""
    port = free_port()
    server = subprocess.Popen([sys.executable, str(SERVER), str(port), str(tmp_path / "theirs")])
    try:
        asyncio.run(wait_until(lambda: listening(port), "the agent's server listens", timeout=45))
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.kill()
        server.wait()


async def test_two_devices_race_after_server_and_worker_were_killed(theirs: str, tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env={"AGENT_URL": theirs}) as cluster:
        cluster.start_worker(app=APP)
        phone = await cluster.device("alice")
        session = await phone.start("theirs", "refund A-17 200")
        shown = await phone.interrupt()
        await phone.event("turn.waiting")
        cluster.workers[0].kill()
        cluster.servers[0].kill()

        await cluster.start_server()
        cluster.start_worker(app=APP)
        devices = [await cluster.device("alice", server=1), await cluster.device("bob", server=1)]
        for device in devices:
            await device.attach(session, {"epoch": "", "seq": 0})
        answers = [{"approved": True}, {"approved": False, "reason": "too much"}]
        pairs = zip(devices, answers, strict=True)
        outcomes = await asyncio.gather(*(device.answer(shown, answer) for device, answer in pairs))
        ended = [await device.event("turn.finished") for device in devices]
        approved = answers[[reply["outcome"] for reply in outcomes].index("won")]["approved"]

    happened = (tmp_path / "theirs").read_text().splitlines()
    assert sorted(reply["outcome"] for reply in outcomes) == ["lost", "won"]
    assert [event["status"] for event in ended] == ["completed"] * 2
    assert happened == (["model", "refund A-17 200.0", "model"] if approved else ["model", "model"])
    assert ended[0]["result"] == ended[1]["result"]
    assert ("200.0 for A-17" if approved else "too much") in ended[0]["result"]


async def test_a_device_that_comes_back_in_mid_stream_has_every_word_once(theirs: str, tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env={"AGENT_URL": theirs}) as cluster:
        cluster.start_worker(app=APP)
        phone = await cluster.device("alice")
        session = await phone.start("theirs", "slow")
        await phone.wait(
            lambda frame: frame.get("event", {}).get("chunk", {}).get("delta") == "Let me s", "half a word"
        )
        phone.drop()
        again = await cluster.device("alice")
        attached = await again.attach(session)
        async with httpx2.AsyncClient() as client:
            await client.post(f"{theirs}go")
        ended = await again.event("turn.finished")
        said = attached["snapshot"]["messages"][-1]
    assert ended["result"] == "Let me see. "
    assert said["parts"][-1]["text"] == "Let me s"
    assert [delta for frame in again.frames if (delta := delta_of(frame))] == ["ee. "]


async def test_another_holdfast_is_such_an_agent(tmp_path: Path) -> None:
    """Its people's card is ours: a question, a form and an approval with edited arguments, over both edges."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "outer").mkdir()
    async with Cluster(tmp_path / "inner", workers=0) as inner, Cluster(tmp_path / "outer", workers=0) as outer:
        inner.start_worker(app=INNER)
        await (await inner.device("service")).start("desk")  # until a worker is there
        env = {"AGENT_URL": f"http://127.0.0.1:{inner.ports[0]}/agui/desk", "AGENT_TOKEN": inner.token("service")}
        outer.start_worker(app=APP, env=env)
        phone = await outer.device("alice")
        await phone.start("theirs", "A-17")
        name = await phone.interrupt(kind="question")
        assert (name["message"], (await phone.answer(name, {"text": "Ada"}))["outcome"]) == ("Who asks?", "won")
        day = await phone.interrupt(kind="form")
        await phone.answer(day, {"action": "accept", "content": {"day": "2026-11-21"}})
        refund = await phone.interrupt(kind="approval")
        assert (refund["toolName"], refund["input"]) == ("refund", {"order_id": "A-17", "amount": 200.0})
        edited = {"order_id": "A-17", "amount": 50.0}
        await phone.answer(refund, {"approved": True, "input": edited})
        ended = await phone.event("turn.finished")
        [ran] = inner.ran()
    assert ended["result"] == "50.0 on 2026-11-21 for Ada"
    assert ran[0] == "refund"


def delta_of(frame: dict[str, Any]) -> str | None:
    return frame.get("event", {}).get("chunk", {}).get("delta")
