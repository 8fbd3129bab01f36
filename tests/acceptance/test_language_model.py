"""A language model as the agent, in real processes: killed while a human thinks, answered by two devices at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.acceptance.cluster import Cluster, Device
from tests.agents.provider import Reply, openai, openai_call, openai_reasoning, openai_text, provider

MODEL_AGENT = Path(__file__).with_name("model_agent.py")
SIGNATURE = "a signature that only the provider reads"


async def test_two_devices_race_after_server_and_worker_were_killed_and_the_model_is_asked_once(tmp_path: Path) -> None:
    call = openai_call("refund", {"order_id": "A-17", "amount": 200.0}, "call_a")
    replies = [Reply(openai(openai_reasoning("rs_1", "A refund.", SIGNATURE), call)), Reply(openai(openai_text("So.")))]
    async with provider(*replies) as at:
        env = {"OPENAI_API_KEY": "no key", "OPENAI_BASE_URL": f"{at.url}/v1"}
        async with Cluster(tmp_path, workers=0, env=env) as cluster:
            cluster.start_worker(app=MODEL_AGENT)
            phone = await cluster.device("alice")
            session = await phone.start("model", "Refund A-17, please")
            shown = await phone.interrupt()
            await phone.event("turn.waiting")
            cluster.workers[0].kill()
            cluster.servers[0].kill()

            await cluster.start_server()
            cluster.start_worker(app=MODEL_AGENT)
            devices = [await cluster.device("alice", server=1), await cluster.device("alice", server=1)]
            for device in devices:
                await device.attach(session, {"epoch": "", "seq": 0})
            answers = [{"approved": True}, {"approved": False, "reason": "too much"}]
            pairs = zip(devices, answers, strict=True)
            outcomes = await asyncio.gather(*(device.answer(shown, answer) for device, answer in pairs))
            ended = [await device.event("turn.finished") for device in devices]
            won = answers[[reply["outcome"] for reply in outcomes].index("won")]

            assert sorted(reply["outcome"] for reply in outcomes) == ["lost", "won"]
            assert [(event["status"], event["result"]) for event in ended] == [("completed", "So.")] * 2
            assert len(cluster.ran(shown["turn"])) == int(won["approved"])
    assert len(at.requests) == 2
    sent = json.dumps(at.requests[1].body)
    assert SIGNATURE in sent
    assert ("refunded 200.0" if won["approved"] else "too much") in sent


def is_token(frame: dict[str, Any]) -> bool:
    return "delta" in frame.get("event", {}).get("chunk", {})


def tokens(device: Device) -> list[tuple[int, str]]:
    """What a device was streamed: position and piece."""
    return [(frame["seq"], frame["event"]["chunk"]["delta"]) for frame in device.frames if is_token(frame)]


async def test_a_device_that_drops_in_mid_stream_has_the_same_text_to_the_token(tmp_path: Path) -> None:
    text, second_half = "One two three four five six seven eight nine ten.", asyncio.Event()
    async with provider(Reply(openai(openai_text(text)), pause=second_half)) as at:
        env = {"OPENAI_API_KEY": "no key", "OPENAI_BASE_URL": f"{at.url}/v1"}
        async with Cluster(tmp_path, workers=0, env=env) as cluster:
            cluster.start_worker(app=MODEL_AGENT)
            phone = await cluster.device("alice")
            session = await phone.start("model", "Count")
            desk = await cluster.device("alice")
            attached = await desk.attach(session, {"epoch": "", "seq": 0})
            first = await phone.wait(is_token, "the first token")
            phone.drop()
            again = await cluster.device("alice")
            await again.attach(session, {"epoch": attached["epoch"], "seq": first["seq"]})
            second_half.set()
            ended: list[Any] = [await device.event("turn.finished") for device in (desk, again)]
    assert [event["result"] for event in ended] == [text, text]
    assert "".join(piece for _, piece in tokens(desk)) == text
    assert tokens(phone)[:1] + tokens(again) == tokens(desk)
