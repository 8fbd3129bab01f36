"""Agents of other frameworks in real processes, on a provider's real wire: killed, raced for, refused, come back to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.cluster import Cluster, Device, wait_until
from tests.agents.provider import Provider, Reply, openai, openai_call, openai_text, provider

FOLDER = Path(__file__).parent / "bring"  # beside `agents.py`, the SDK of that name could not be imported
CALL = openai_call("refund", {"order_id": "A-17", "amount": 200.0}, "call_a")
SAID = openai(openai_text("So."))

pytestmark = pytest.mark.parametrize(
    "app", [FOLDER / "pydantic_agent.py", FOLDER / "openai_agent.py"], ids=["pydantic-ai", "openai-agents"]
)


def env(at: Provider) -> dict[str, str]:
    return {"OPENAI_API_KEY": "no key", "OPENAI_BASE_URL": f"{at.url}/v1"}


async def test_two_devices_race_after_server_and_worker_were_killed(app: Path, tmp_path: Path) -> None:
    async with provider(Reply(openai(CALL)), Reply(SAID)) as at, Cluster(tmp_path, workers=0, env=env(at)) as cluster:
        cluster.start_worker(app=app)
        phone = await cluster.device("alice")
        session = await phone.start("theirs", "Refund A-17, please")
        shown = await phone.interrupt()
        await phone.event("turn.waiting")
        cluster.workers[0].kill()
        cluster.servers[0].kill()

        await cluster.start_server()
        cluster.start_worker(app=app)
        devices = [await cluster.device("alice", server=1), await cluster.device("bob", server=1)]
        for device in devices:
            await device.attach(session, {"epoch": "", "seq": 0})
        answers = [{"approved": True}, {"approved": False, "reason": "too much"}]
        pairs = zip(devices, answers, strict=True)
        outcomes = await asyncio.gather(*(device.answer(shown, answer) for device, answer in pairs))
        ended = [await device.event("turn.finished") for device in devices]
        approved = answers[[reply["outcome"] for reply in outcomes].index("won")]["approved"]

        assert (shown["toolName"], shown["input"]) == ("refund", {"order_id": "A-17", "amount": 200.0})
        assert sorted(reply["outcome"] for reply in outcomes) == ["lost", "won"]
        assert [(event["status"], event["result"]) for event in ended] == [("completed", "So.")] * 2
        assert cluster.ran() == ([["refund", "A-17", "200.0"]] if approved else [])
    assert len(at.requests) == 2
    assert ("refunded 200.0" if approved else "too much") in json.dumps(at.requests[1].body)


async def test_a_denial_from_another_device_reaches_the_model_with_its_reason(app: Path, tmp_path: Path) -> None:
    async with provider(Reply(openai(CALL)), Reply(SAID)) as at, Cluster(tmp_path, workers=0, env=env(at)) as cluster:
        cluster.start_worker(app=app)
        phone, desk = await cluster.device("alice"), await cluster.device("bob")
        session = await phone.start("theirs", "Refund A-17, please")
        shown = await phone.interrupt()
        await desk.attach(session)
        reply = await desk.answer(shown, {"approved": False, "reason": "he had it already"})
        ended = await phone.event("turn.finished")
        chunks = [event["chunk"] for event in phone.events("chunk")]

    assert (reply["outcome"], ended["status"]) == ("won", "completed")
    assert cluster.ran() == []
    assert "he had it already" in json.dumps(at.requests[1].body)
    denied = [chunk for chunk in chunks if chunk["type"] == "tool-output-denied"]
    assert [(one["toolCallId"], one["reason"]) for one in denied] == [(shown["toolCallId"], "he had it already")]


async def test_a_device_that_comes_back_in_mid_stream_has_every_word_once(app: Path, tmp_path: Path) -> None:
    half = [event for event in openai(openai_text("Half")) if event["type"] != "response.completed"]
    replies = [Reply(half, then="hold"), Reply(openai(openai_text("Half and whole.")))]
    async with provider(*replies) as at, Cluster(tmp_path, workers=0, env=env(at)) as cluster:
        cluster.start_worker(app=app)
        phone = await cluster.device("alice")
        session = await phone.start("theirs", "Talk")
        await at.holding.wait()
        await wait_until(lambda: "".join(deltas(phone)) == "Half", "half a sentence")
        phone.drop()
        again = await cluster.device("alice")
        attached = await again.attach(session)
        cluster.workers[0].kill()
        cluster.start_worker(app=app)
        ended = await again.event("turn.finished")
        last = await cluster.device("alice")
        whole = await last.attach(session)

    assert [part["text"] for part in texts(attached)] == ["Half"]
    assert ended["result"] == "Half and whole."
    assert "".join(part["text"] for part in texts(whole)) == "Half and whole."


async def test_a_tool_that_was_running_when_its_worker_died_is_run_again_only_if_an_operator_says_so(
    app: Path, tmp_path: Path
) -> None:
    async with provider(Reply(openai(CALL)), Reply(SAID)) as at, Cluster(tmp_path, workers=0, env=env(at)) as cluster:
        cluster.start_worker(app=app, env={"HOLDFAST_FAILPOINT": "after execute"})
        phone = await cluster.device("alice")
        await phone.start("theirs", "Refund A-17, please")
        shown = await phone.interrupt()
        await phone.event("turn.waiting")
        await phone.answer(shown, {"approved": True})
        await wait_until(lambda: not cluster.workers[0].alive, "the worker has died")
        cluster.start_worker(app=app)
        doubt = await phone.interrupt(kind="in_doubt")
        operator = await cluster.device("olga", roles=("operator",))
        await operator.answer(doubt, {"ran": True, "result": "refunded by hand"})
        ended = await phone.event("turn.finished")

        assert doubt["toolName"] == "refund"
        assert ended["status"] == "completed"
        assert len(cluster.ran()) == 1
    assert len(at.requests) == 2
    assert "refunded by hand" in json.dumps(at.requests[1].body)


def deltas(device: Device) -> list[str]:
    return [event["chunk"]["delta"] for event in device.events("chunk") if event["chunk"]["type"] == "text-delta"]


def texts(attached: dict[str, Any]) -> list[dict[str, Any]]:
    """The agent's words, as a snapshot shows them."""
    said = [one for one in attached["snapshot"]["messages"] if one["role"] == "assistant"]
    return [part for message in said for part in message["parts"] if part["type"] == "text"]
