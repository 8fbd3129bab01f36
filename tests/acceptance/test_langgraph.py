"""A graph as the agent, in real processes: killed while a human thinks, answered by two devices, seen in mid-stream."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.cluster import Cluster, wait_until

APP = Path(__file__).with_name("graph_agent.py")


@pytest.mark.parametrize("agent", ["batched", "per_call"])
async def test_two_devices_race_after_server_and_worker_were_killed(agent: str, tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env={"GRAPHS": str(tmp_path)}) as cluster:
        cluster.start_worker(app=APP)
        phone = await cluster.device("alice")
        session = await phone.start(agent, "refund A-17 200")
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

    happened = (tmp_path / "effects").read_text().splitlines()
    assert sorted(reply["outcome"] for reply in outcomes) == ["lost", "won"]
    assert [event["status"] for event in ended] == ["completed"] * 2
    assert happened == (["model", "refund A-17 200", "model"] if approved else ["model", "model"])
    assert ended[0]["result"] == ended[1]["result"]
    assert ("200 for A-17" if approved else "too much") in ended[0]["result"]


async def test_a_device_that_comes_back_in_mid_stream_has_every_word_once(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env={"GRAPHS": str(tmp_path)}) as cluster:
        cluster.start_worker(app=APP)
        phone = await cluster.device("alice")
        session = await phone.start("batched", "slow")
        await phone.wait(lambda frame: delta_of(frame) == "Let me s", "half a word")
        phone.drop()
        again = await cluster.device("alice")
        attached = await again.attach(session)
        (tmp_path / "go").touch()
        ended = await again.event("turn.finished")
    assert ended["result"] == "Let me see."
    assert attached["snapshot"]["messages"][-1]["parts"][-1]["text"] == "Let me s"
    assert [delta for frame in again.frames if (delta := delta_of(frame))] == ["ee."]


async def test_a_worker_killed_in_a_tool_leaves_a_question_and_no_second_refund(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env={"GRAPHS": str(tmp_path), "HOLDFAST_LEASE_MS": "1000"}) as cluster:
        cluster.start_worker(app=APP)
        phone = await cluster.device("alice")
        await phone.start("free", "refund DIE 200")
        await wait_until(lambda: "refund DIE 200" in read(tmp_path / "effects"), "the refund runs")
        cluster.workers[0].kill()
        cluster.start_worker(app=APP)
        shown = await phone.interrupt(kind="in_doubt")
        operator = await cluster.device("olga", roles=("operator",))
        assert (await operator.answer(shown, {"ran": True, "result": "200 by hand"}))["outcome"] == "won"
        ended = await phone.event("turn.finished")
    assert ended["result"] == "refund: 200 by hand."
    assert read(tmp_path / "effects").count("refund DIE 200") == 1


def delta_of(frame: dict[str, Any]) -> str | None:
    return frame.get("event", {}).get("chunk", {}).get("delta")


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
