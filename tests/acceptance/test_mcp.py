"""Holdfast as an MCP server on stdio: `holdfast mcp` in a process of its own, and the protocol's own clients."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client as Agent
from mcp.client.stdio import StdioServerParameters
from tests.acceptance.cluster import Cluster
from tests.acceptance.mcp_people import agents_token, card, nobody_asked, person, spoken, typescript_asks
from tests.waiting import wait_until

from holdfast import client
from holdfast.core.errors import Forbidden


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path, servers=2, workers=0) as running:
        yield running


def command(cluster: Cluster, *flags: str) -> list[str]:
    url = f"http://127.0.0.1:{cluster.ports[0]}"
    return [sys.executable, "-m", "holdfast", "mcp", "--url", url, "--token", agents_token(cluster), *flags]


def agent(cluster: Cluster, *flags: str, mode: str = "auto") -> Agent:
    program, *args = command(cluster, *flags)
    environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return Agent(StdioServerParameters(command=program, args=args, env=environment), mode=mode)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_approved_on_a_phone(cluster: Cluster, mode: str) -> None:
    async with agent(cluster, mode=mode) as asking, person(cluster, server=1) as phone:
        names = {tool.name for tool in (await asking.list_tools()).tools}
        assert names == {"request_approval", "ask_human", "notify", "cancel_request", "permission_prompt"}
        call = asyncio.create_task(
            asking.call_tool("request_approval", {"action": "deploy", "details": {"to": "prod"}, "id": "deploy-42"})
        )
        asked = await card(phone)
        assert (asked.toolName, asked.input) == ("deploy", {"to": "prod"})
        await phone.gate(asked.id).decide(True, reason="go")
        told = (await call).structured_content
        assert told["approved"] is True
        assert (told["status"], told["by"], told["reason"]) == ("resolved", "alice", "go")
        again = await asking.call_tool(
            "request_approval", {"action": "deploy", "details": {"to": "prod"}, "id": "deploy-42"}
        )
        assert again.structured_content == told
        other = await asking.call_tool("request_approval", {"action": "deploy", "details": {}, "id": "deploy-42"})
        assert other.is_error
        assert "gate_reused" in other.content[0].text  # type: ignore[union-attr]


async def test_a_question_with_options(cluster: Cluster) -> None:
    async with agent(cluster, "--ask", "role:ops") as asking, person(cluster, "olga", ("ops",)) as phone:
        call = asyncio.create_task(
            asking.call_tool("ask_human", {"question": "Which one?", "options": ["blue", "green"]})
        )
        asked = await card(phone)
        assert (asked.kind, asked.message, asked.input["options"]) == ("question", "Which one?", ["blue", "green"])
        await phone.session(asked.session).answer(asked.id, payload={"selected": ["green"], "text": "please"})
        result = await call
        assert result.structured_content["selected"] == ["green"]
        assert "green, please" in result.content[0].text  # type: ignore[union-attr]


async def test_told_to_a_phone(cluster: Cluster) -> None:
    async with agent(cluster) as telling, person(cluster, server=1) as phone:
        for _ in range(2):
            told = (
                await telling.call_tool("notify", {"text": "The build is done.", "id": "build-7"})
            ).structured_content
            assert told["status"] == "told"
        board = (await phone.notify("And this.")).session
        assert board is not None
        session = phone.session(board)
        await session.attach()
        assert [placed.message.text for placed in session.state.ordered] == ["The build is done.", "And this."]
        assert await phone.inbox() == []


async def test_two_devices_race_for_a_permission(cluster: Cluster) -> None:
    flags = ("--ask", "role:ops")
    async with (
        agent(cluster, *flags) as asking,
        person(cluster, "olga", ("ops",)) as first,
        person(cluster, "otto", ("ops",), server=1) as second,
    ):
        given = {"tool_name": "Bash", "input": {"command": "rm -rf build"}, "tool_use_id": "toolu_01"}
        call = asyncio.create_task(asking.call_tool("permission_prompt", given))
        asked = await card(second)
        answers = await asyncio.gather(
            first.gate(asked.id).decide(True), second.gate(asked.id).decide(False, reason="Not that one.")
        )
        assert sorted(answer.outcome for answer in answers) == ["lost", "won"]
        said = spoken(await call)
        if answers[0].outcome == "won":
            assert said == {"behavior": "allow", "updatedInput": given["input"]}
        else:
            assert said["behavior"] == "deny"
            assert "Not that one." in said["message"]


async def test_the_permission_of_another_input_is_not_taken_for_this_one(cluster: Cluster) -> None:
    async with agent(cluster) as asking, person(cluster) as phone:
        given = {"tool_name": "Bash", "input": {"command": "ls"}, "tool_use_id": "toolu_01"}
        call = asyncio.create_task(asking.call_tool("permission_prompt", given))
        await phone.gate((await card(phone)).id).decide(True)
        assert spoken(await call)["behavior"] == "allow"
        said = spoken(await asking.call_tool("permission_prompt", {**given, "input": {"command": "rm -rf /"}}))
        assert said["behavior"] == "deny"


async def test_what_waits_too_long_is_asked_for_again(cluster: Cluster) -> None:
    async with agent(cluster, "--wait", "1 s") as asking, person(cluster) as phone:
        given = {"action": "deploy", "id": "deploy-42"}
        told = (await asking.call_tool("request_approval", given)).structured_content
        assert (told["status"], told["approved"]) == ("open", False)
        await phone.gate((await card(phone)).id).decide(False, reason="Not today.")
        told = (await asking.call_tool("request_approval", given)).structured_content
        assert (told["status"], told["approved"], told["reason"]) == ("resolved", False, "Not today.")


async def test_taken_back_by_the_agent(cluster: Cluster) -> None:
    async with agent(cluster, "--wait", "1 s") as asking, person(cluster) as phone:
        await asking.call_tool("ask_human", {"question": "Why?", "id": "why"})
        assert (await asking.call_tool("cancel_request", {"id": "why"})).structured_content["status"] == "cancelled"
        assert await phone.inbox() == []


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_an_agent_that_gives_up_takes_its_permission_prompt_back(cluster: Cluster, mode: str) -> None:
    async with agent(cluster, mode=mode) as asking, person(cluster) as phone:
        call = asyncio.create_task(asking.call_tool("permission_prompt", {"tool_name": "Bash", "input": {}}))
        await card(phone)
        call.cancel()
        await wait_until(lambda: nobody_asked(phone), "the card is gone", 20)


async def test_killed_while_it_waits_and_asked_again(cluster: Cluster) -> None:
    """kill -9 of `holdfast mcp`; the answer comes meanwhile; whoever asks again under the same id has it."""
    child = await asyncio.create_subprocess_exec(
        *command(cluster), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    given = {"action": "deploy", "id": "deploy-42"}
    assert child.stdin is not None
    for message in handshake(given):
        child.stdin.write(json.dumps(message).encode() + b"\n")
    async with person(cluster) as phone:
        asked = await card(phone)
        child.kill()
        await child.wait()
        assert [one.id for one in await phone.inbox()] == [asked.id]
        await phone.gate(asked.id).decide(True)
    async with agent(cluster) as asking:
        assert (await asking.call_tool("request_approval", given)).structured_content["approved"] is True


async def test_a_server_is_killed_while_the_agent_waits(cluster: Cluster) -> None:
    async with agent(cluster) as asking, person(cluster, server=1) as phone:
        call = asyncio.create_task(asking.call_tool("permission_prompt", {"tool_name": "Bash", "input": {"a": 1}}))
        asked = await card(phone)
        cluster.servers[0].kill()
        await phone.gate(asked.id).decide(True)
        await cluster.start_server(cluster.ports[0])
        async with asyncio.timeout(30):
            assert spoken(await call) == {"behavior": "allow", "updatedInput": {"a": 1}}


async def test_an_agent_cannot_approve_itself(cluster: Cluster) -> None:
    async with agent(cluster, "--wait", "1 s") as asking, person(cluster) as phone:
        await asking.call_tool("request_approval", {"action": "deploy", "id": "deploy-42"})
        async with client.connect(f"http://127.0.0.1:{cluster.ports[0]}", token=agents_token(cluster)) as itself:
            with pytest.raises(Forbidden):
                await itself.gate("deploy-42").decide(True)
        assert len(await phone.inbox()) == 1


async def test_the_typescript_package(cluster: Cluster) -> None:
    await typescript_asks(cluster, *command(cluster))


def handshake(given: dict[str, Any]) -> list[dict[str, Any]]:
    """What a client of the older protocol says, up to a call of `request_approval`."""
    client_info = {"name": "test", "version": "1"}
    opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client_info}
    return [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "request_approval", "arguments": given},
        },
    ]
