"""Chats of the AI SDK that are bound to a session: what one device does, all others show, without being asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.acceptance.cluster import Cluster
from tests.ecosystem.chats import Chat, Chats, chats, text, tools

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path_factory.mktemp("ai-sdk-binding")) as made:
        await (await made.device()).start("streams", "1")  # until then a worker may not serve yet
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def many(cluster: Cluster) -> AsyncIterator[Chats]:
    async with chats(cluster) as found:
        yield found


async def both(many: Chats, agent: str, **more: Any) -> tuple[Chat, Chat]:
    """Two devices in one session, of which the first has just said something."""
    more = {"wire": "native", "auto": False, **more}
    first = await many.chat(agent, **more)
    await first.do("say", text="Go")
    await first.until(lambda shown: len(shown["messages"]) > 1, "the agent says something")
    return first, await many.chat(agent, **more)


async def everywhere(devices: tuple[Chat, ...], words: str) -> None:
    for chat in devices:
        await chat.until(lambda shown: shown["status"] == "ready" and text(shown) == words, f"it says {words}")


async def test_what_one_device_says_and_decides_all_show(many: Chats) -> None:
    first, second = await both(many, "refunds")
    part = tools(await second.ready("approval-requested"))[-1]
    await first.ready("approval-requested")
    before = len(many.cluster.ran())
    await second.do("approve", id=part["approval"]["id"], approved=True)
    await everywhere((first, second), "Looking. Done.")
    assert len(many.cluster.ran()) == before + 1
    assert [message["id"] for message in first.shown["messages"]] == [m["id"] for m in second.shown["messages"]]
    assert (first.shown["requests"], second.shown["requests"]) == (1, 0)


async def test_a_denial_with_its_reason_is_shown_on_all(many: Chats) -> None:
    first, second = await both(many, "refunds", auto=True)
    part = tools(await second.ready("approval-requested"))[-1]
    await second.do("approve", id=part["approval"]["id"], approved=False, reason="Too much.")
    await everywhere((first, second), "Looking. Not done: Too much.")
    assert {tools(chat.shown)[-1]["approval"]["reason"] for chat in (first, second)} == {"Too much."}
    assert max(chat.shown["requests"] for chat in (first, second)) <= 2  # what is sent automatically ends by itself


async def test_of_two_that_answer_at_once_both_show_the_one_that_stands(many: Chats) -> None:
    first, second = await both(many, "refunds")
    for chat in (first, second):
        await chat.ready("approval-requested")
    own_id = tools(first.shown)[-1]["approval"]["id"]
    before = len(many.cluster.ran())
    await first.do("approve", id=own_id, approved=True)
    await second.do("approve", id=own_id, approved=False, reason="No.")
    for chat in (first, second):
        await chat.until(lambda shown: shown["status"] == "ready" and len(text(shown)) > 10, "there is an end")
    assert tools(first.shown) == tools(second.shown)
    assert len(many.cluster.ran()) == before + tools(first.shown)[-1]["approval"]["approved"]


async def test_each_answer_is_submitted_at_once(many: Chats) -> None:
    first, second = await both(many, "pairs")
    for chat in (first, second):
        await chat.ready("approval-requested")
    one, two = tools(first.shown)
    await first.do("approve", id=one["approval"]["id"], approved=True)
    await second.until(
        lambda shown: tools(shown)[0]["state"] == "approval-responded", "the other sees the first answer"
    )
    await second.do("approve", id=two["approval"]["id"], approved=True)
    for chat in (first, second):
        await chat.until(
            lambda shown: [part["state"] for part in tools(shown)] == ["output-available"] * 2, "both have run"
        )


async def test_a_client_tool_runs_on_one_device(many: Chats) -> None:
    first, second = await both(many, "finds", gives="Paris")
    for chat in (first, second):
        await chat.ready("output-available")
        assert tools(chat.shown)[0]["output"] == "Paris"
    assert sorted([first.shown["calls"], second.shown["calls"]]) == [[], ["location"]]


async def test_another_device_joins_in_mid_stream(many: Chats) -> None:
    first = await many.chat("streams", wire="native")
    await first.do("say", text="400 0.2")
    await first.until(lambda shown: len(text(shown)) > 100, "it streams")
    second = await many.chat("streams", wire="native")
    await second.until(lambda shown: shown["status"] == "streaming" and len(text(shown)) > 100, "it streams there too")
    await everywhere((first, second), "".join(f"{number} " for number in range(400)))


async def test_a_message_is_edited_and_answered_anew(many: Chats) -> None:
    first = await many.chat("streams", wire="native")
    await first.do("say", text="3")
    await everywhere((first,), "0 1 2 ")
    second = await many.chat("streams", wire="native")
    await everywhere((first, second), "0 1 2 ")
    await first.do("say", text="5", messageId=first.shown["messages"][0]["id"])
    await everywhere((first, second), "0 1 2 3 4 ")
    answer = second.shown["messages"][1]["id"]
    await second.do("again")
    await first.until(lambda shown: shown["messages"][-1]["id"] != answer, "another answer")
    await everywhere((first, second), "0 1 2 3 4 ")
    assert [len(chat.shown["messages"]) for chat in (first, second)] == [2, 2]


async def test_a_device_cannot_write_what_a_tool_gives(many: Chats) -> None:
    first, second = await both(many, "asks")
    part = tools(await second.ready("approval-requested"))[-1]
    await second.do("output", tool="refund", toolCallId=part["toolCallId"], output="a million")
    await second.ready("approval-requested")
    await first.ready("approval-requested")


async def test_server_and_worker_die_while_it_waits(tmp_path: Path) -> None:
    async with Cluster(tmp_path) as cluster, chats(cluster) as many:
        await (await cluster.device()).start("asks", "1")
        first, second = await both(many, "refunds")
        part = tools(await second.ready("approval-requested"))[-1]
        for process in (*cluster.servers, *cluster.workers):
            process.kill()
        await second.do("approve", id=part["approval"]["id"], approved=True)
        cluster.start_worker()
        await cluster.start_server(cluster.ports[0])
        await everywhere((first, second), "Looking. Done.")
        assert len(cluster.ran()) == 2
