"""A generator of chunks as the agent, in real processes: killed while a human thinks, raced for, seen in mid-stream."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.acceptance.cluster import Cluster

APP = Path(__file__).with_name("chunk_agent.py")


async def test_two_devices_race_after_server_and_worker_were_killed(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env={"GENERATOR": str(tmp_path)}) as cluster:
        cluster.start_worker(app=APP)
        phone = await cluster.device("alice")
        session = await phone.start("desk", "refund")
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
    assert [event["result"] for event in ended] == ["Paid." if approved else "Not paid: too much."] * 2
    assert happened == (["called", "called", "refunded"] if approved else ["called", "called"])


async def test_a_device_that_comes_back_in_mid_stream_has_every_word_once(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env={"GENERATOR": str(tmp_path)}) as cluster:
        cluster.start_worker(app=APP)
        phone = await cluster.device("alice")
        session = await phone.start("desk", "slow")
        await phone.wait(lambda frame: delta_of(frame) == "Let me s", "half a word")
        phone.drop()
        again = await cluster.device("alice")
        attached = await again.attach(session)
        (tmp_path / "go").touch()
        ended = await again.event("turn.finished")
    assert ended["result"] == "Let me see."
    assert attached["snapshot"]["messages"][-1]["parts"][-1]["text"] == "Let me s"
    assert [delta for frame in again.frames if (delta := delta_of(frame))] == ["ee."]


def delta_of(frame: dict[str, Any]) -> str | None:
    return frame.get("event", {}).get("chunk", {}).get("delta")
