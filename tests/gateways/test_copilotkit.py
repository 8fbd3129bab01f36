"""CopilotKit's runtime: what its front end asks first, the thread as it is, and stopping."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.gateways.rest import Web, web

from holdfast.commands.reading import folded

BODY = {"threadId": "c1", "runId": "r1", "messages": [], "state": {}, "tools": [], "context": [], "forwardedProps": {}}
AGENT = "/copilotkit/agent/support"


@pytest.fixture
async def served(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as server:
        yield server


def told(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


async def test_it_says_which_agents_there_are(served: Web) -> None:
    assert (await served.get("/copilotkit/info", by=None)).status_code == 401
    info = (await served.get("/copilotkit/info")).json()
    assert info["agents"] == {"support": {"name": "support", "description": "", "className": "Holdfast"}}
    assert (info["mode"], info["telemetryDisabled"]) == ("sse", True)


async def test_a_thread_that_is_new_is_empty_and_made_by_nobody(served: Web) -> None:
    events = told((await served.post(f"{AGENT}/connect", BODY)).text)
    assert [event["type"] for event in events] == ["RUN_STARTED", "RUN_FINISHED"]
    assert (await served.get("/v1/sessions/c1")).status_code == 404


async def test_a_thread_comes_with_what_is_asked_in_it(served: Web) -> None:
    scene = await served.scene()
    shown = await scene.ask_and_wait()
    events = told((await served.post(f"{AGENT}/connect", {**BODY, "threadId": scene.session})).text)
    assert [event["type"] for event in events] == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert [one["content"] for one in events[1]["messages"] if one["role"] == "user"] == ["Refund A-17"]
    assert [one["id"] for one in events[-1]["outcome"]["interrupts"]] == [shown.id]


async def test_connecting_says_nothing_and_answers_nothing(served: Web) -> None:
    scene = await served.scene()
    shown = await scene.ask_and_wait()
    words = {"id": "u1", "role": "user", "content": "And me?"}
    answer = {"interruptId": shown.id, "status": "resolved", "payload": {"approved": True}}
    before = await scene.fingerprint()
    await served.post(f"{AGENT}/connect", {**BODY, "threadId": scene.session, "messages": [words], "resume": [answer]})
    assert await scene.fingerprint() == before


async def test_what_waits_is_stopped(served: Web) -> None:
    scene = await served.scene()
    await scene.ask_and_wait()
    assert (await served.post(f"{AGENT}/stop/{scene.session}")).json() == {"stopped": True}
    assert (await folded(served.backend, scene.session)).turns[scene.turn_id].end == "cancelled"
    assert (await served.post(f"{AGENT}/stop/{scene.session}")).json() == {"stopped": False}
    assert (await served.post(f"{AGENT}/stop/elsewhere")).status_code == 404


async def test_stopping_a_run_that_is_over_stops_no_other(served: Web) -> None:
    words = {"id": "u1", "role": "user", "content": "Refund A-17"}
    scene = await served.scene()
    await scene.ask_and_wait()
    await served.post(f"{AGENT}/run", {**BODY, "threadId": scene.session, "runId": "r2", "messages": [words]})
    queued = next(turn for turn in (await folded(served.backend, scene.session)).turns if turn != scene.turn_id)
    assert (await served.post(f"{AGENT}/stop/{scene.session}", {"runId": "r2"})).json() == {"stopped": True}
    turns = (await folded(served.backend, scene.session)).turns
    assert (turns[queued].end, turns[scene.turn_id].status) == ("cancelled", "waiting")
    await served.post(f"{AGENT}/stop/{scene.session}", {"runId": "r2"})
    assert (await folded(served.backend, scene.session)).turns[scene.turn_id].status == "waiting"


async def test_a_stranger_stops_nothing(served: Web) -> None:
    scene = await served.scene()
    await scene.ask_and_wait()
    refused = await served.post(f"{AGENT}/stop/{scene.session}", by="mallory")
    assert refused.status_code == 404
    assert (await folded(served.backend, scene.session)).turns[scene.turn_id].status == "waiting"


async def test_a_run_brings_so_many_answers_and_no_more(served: Web) -> None:
    scene = await served.scene()
    answer = {"interruptId": "int_none", "status": "resolved", "payload": {"approved": True}}
    body = {**BODY, "threadId": scene.session, "resume": [answer] * 101}
    for path in ("/agui/support", f"{AGENT}/run", f"{AGENT}/connect"):
        assert (await served.post(path, body)).status_code == 400
