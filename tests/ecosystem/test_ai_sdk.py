"""The AI SDK's own chats and transports, versions 7 and 6, on a server and a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.acceptance.cluster import Cluster
from tests.ecosystem.chats import Chat, Chats, chats, text, tools

#: What can be spoken: 6 has no WebSocket.
WIRES = [{"wire": "http"}, {"wire": "websocket"}, {"wire": "http", "version": 6}]
NAMES = ["7-http", "7-websocket", "6-http"]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path_factory.mktemp("ai-sdk")) as made:
        device = await made.device()
        await device.start("streams", "1")  # until then a worker may not serve yet
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def many(cluster: Cluster) -> AsyncIterator[Chats]:
    async with chats(cluster) as found:
        yield found


@pytest.fixture(params=WIRES, ids=NAMES)
def wire(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


async def asked(chat: Chat) -> dict[str, Any]:
    """Say something, and be asked about a call."""
    await chat.do("say", text="Refund A-17")
    return tools(await chat.ready("approval-requested"))[-1]


async def respond(chat: Chat, part: dict[str, Any], *, approved: bool, **more: Any) -> None:
    await chat.do("approve", id=part["approval"]["id"], approved=approved, **more)


def said(words: str) -> Callable[[dict[str, Any]], bool]:
    return lambda shown: shown["status"] == "ready" and text(shown) == words


async def test_a_call_is_approved_and_runs_once(many: Chats, wire: dict[str, Any]) -> None:
    chat = await many.chat("refunds", **wire)
    part = await asked(chat)
    assert part["input"] == {"order_id": "A-17", "amount": 200}
    assert chat.shown["finished"] == ["tool-calls"]
    before = len(many.cluster.ran())
    await respond(chat, part, approved=True)
    shown = await chat.until(said("Looking. Done."), "the agent is done")
    assert tools(shown)[-1]["state"] == "output-available"
    assert shown["requests"] == 2
    assert len(many.cluster.ran()) == before + 1


async def test_a_denial_keeps_its_reason(many: Chats, wire: dict[str, Any]) -> None:
    chat = await many.chat("refunds", **wire)
    await respond(chat, await asked(chat), approved=False, reason="Too much.")
    shown = await chat.until(said("Looking. Not done: Too much."), "the agent is done")
    assert tools(shown)[-1]["state"] == "output-denied"
    assert tools(shown)[-1]["approval"]["reason"] == "Too much."


async def test_another_device_finds_what_is_asked_and_answers(many: Chats, wire: dict[str, Any]) -> None:
    first = await many.chat("refunds", **wire)
    await asked(first)
    second = await many.chat("refunds", **wire)
    await second.do("resume")
    part = tools(await second.ready("approval-requested"))[-1]
    assert second.shown["calls"] == []  # it fires for calls that are to be run, not on a replay of those that were
    await respond(second, part, approved=True)
    await second.until(said("Looking. Done."), "the second device sees the end")
    await first.do("resume")
    shown = await first.until(said("Looking. Done."), "the first device sees the end")
    assert len(shown["messages"]) == 2


async def test_of_two_devices_one_decides_and_the_other_is_told_so(many: Chats, wire: dict[str, Any]) -> None:
    first = await many.chat("refunds", **wire)
    part = await asked(first)
    second = await many.chat("refunds", **wire)
    await second.do("resume")
    await second.ready("approval-requested")
    before = len(many.cluster.ran())
    await respond(first, part, approved=True)
    await respond(second, part, approved=False, reason="No.")
    for chat in (first, second):
        await chat.until(lambda shown: shown["status"] == "ready" and len(text(shown)) > 10, "there is an end")
    assert text(first.shown) == text(second.shown)
    won = text(first.shown) == "Looking. Done."
    assert len(many.cluster.ran()) == before + won
    state = "output-available" if won else "output-denied"
    assert {tools(chat.shown)[-1]["state"] for chat in (first, second)} == {state}
    if wire.get("version") != 6:  # which cannot be told: its chunks know no response
        assert {tools(chat.shown)[-1]["approval"]["approved"] for chat in (first, second)} == {won}


async def test_a_late_answer_shows_the_one_that_stands(many: Chats, wire: dict[str, Any]) -> None:
    first = await many.chat("refunds", **wire)
    part = await asked(first)
    second = await many.chat("refunds", **wire)
    await second.do("resume")
    await second.ready("approval-requested")
    await respond(first, part, approved=True)
    await first.until(said("Looking. Done."), "the agent is done")
    await respond(second, part, approved=False, reason="No.")
    shown = await second.until(said("Looking. Done."), "the second device sees what was done")
    assert tools(shown)[-1]["state"] == "output-available"
    assert shown["requests"] == 1


async def test_answers_of_two_devices_add_up(many: Chats, wire: dict[str, Any]) -> None:
    first = await many.chat("pairs", **wire, auto=False)
    await asked(first)
    second = await many.chat("pairs", **wire, auto=False)
    await second.do("resume")
    one, two = tools(await second.ready("approval-requested"))
    await respond(first, one, approved=True)
    await first.do("go")
    await first.until(lambda shown: len(shown["finished"]) == 2 and shown["status"] == "ready", "it is kept")
    assert [part["state"] for part in tools(first.shown)] == ["approval-responded", "approval-requested"]
    await respond(second, two, approved=True)
    await second.do("go")
    shown = await second.until(lambda shown: shown["finished"][-1:] == ["stop"], "the turn is done")
    assert [part["state"] for part in tools(shown)] == ["output-available"] * 2


async def test_a_reply_without_a_word_is_not_asked_for_again(many: Chats, wire: dict[str, Any]) -> None:
    chat = await many.chat("finds", **wire)
    await chat.do("say", text="Where am I?")
    part = tools(await chat.ready("input-available"))[0]
    assert chat.shown["calls"] == ["location"]
    await chat.do("output", tool="location", toolCallId=part["toolCallId"], output="Paris")
    await chat.until(lambda shown: shown["finished"] == ["tool-calls", "stop"], "the turn is done")
    await chat.do("resume")
    shown = await chat.until(lambda shown: len(shown["finished"]) == 3 and shown["status"] == "ready", "it resumes")
    assert (shown["requests"], shown["calls"]) == (2, ["location"])
    assert tools(shown)[0]["output"] == "Paris"


async def test_a_device_cannot_write_what_a_tool_gives(many: Chats, wire: dict[str, Any]) -> None:
    chat = await many.chat("asks", **wire)
    part = await asked(chat)
    before = len(many.cluster.ran())
    await chat.do("output", tool="refund", toolCallId=part["toolCallId"], output="refunded a million")
    shown = await chat.until(lambda shown: shown["status"] == "error", "it is refused")
    assert tools(shown)[-1]["state"] == "approval-requested"
    assert len(many.cluster.ran()) == before


async def test_a_stream_is_taken_up_in_its_middle_and_after_its_end(many: Chats, wire: dict[str, Any]) -> None:
    chat = await many.chat("streams", **wire)
    await chat.do("say", text="400 0.2")
    await chat.until(lambda shown: len(text(shown)) > 100, "it streams")
    await chat.do("stop")
    await chat.ready()
    assert len(text(chat.shown)) < 1400
    late = await many.chat("streams", **wire)
    for one in (chat, late):
        await one.do("resume")
    whole = "".join(f"{number} " for number in range(400))
    for one in (chat, late):
        await one.until(said(whole), "it has all of it")
    await chat.do("resume")
    await chat.until(lambda shown: len(shown["finished"]) == 3 and said(whole)(shown), "it has it once")


async def test_what_is_said_again_is_said_once(many: Chats, wire: dict[str, Any]) -> None:
    chat = await many.chat("streams", **wire)
    await chat.do("say", text="3")
    await chat.until(said("0 1 2 "), "it answers")
    await chat.do("say", text="5", messageId=chat.shown["messages"][0]["id"])
    await chat.until(said("0 1 2 3 4 "), "what was edited is answered")
    await chat.do("again")
    shown = await chat.until(lambda shown: len(shown["finished"]) == 3 and said("0 1 2 3 4 ")(shown), "and anew")
    assert len(shown["messages"]) == 2


async def test_nothing_to_resume_is_no_error(many: Chats, wire: dict[str, Any]) -> None:
    chat = await many.chat("streams", **wire)
    await chat.do("resume")
    await chat.do("say", text="1")
    shown = await chat.until(said("0 "), "it answers")
    assert "error" not in shown


async def test_a_stranger_sees_nothing_and_changes_nothing(many: Chats, wire: dict[str, Any]) -> None:
    alice = await many.chat("asks", **wire)
    part = await asked(alice)
    mallory = await many.chat("asks", "mallory", sessions=["mine"], messages=alice.shown["messages"], **wire)
    before = len(many.cluster.ran())
    await respond(mallory, part, approved=True)
    await mallory.until(lambda shown: shown["status"] == "error", "it is refused")
    assert len(many.cluster.ran()) == before


@pytest.mark.parametrize("wire", WIRES[:2], ids=NAMES[:2])
async def test_server_and_worker_die_while_it_waits(tmp_path: Path, wire: dict[str, Any]) -> None:
    async with Cluster(tmp_path) as cluster, chats(cluster) as many:
        await (await cluster.device()).start("asks", "1")
        chat = await many.chat("refunds", **wire)
        part = await asked(chat)
        for process in (*cluster.servers, *cluster.workers):
            process.kill()
        cluster.start_worker()
        await cluster.start_server(cluster.ports[0])
        await respond(chat, part, approved=True)
        await chat.until(said("Looking. Done."), "the agent is done")
        assert len(cluster.ran()) == 2
