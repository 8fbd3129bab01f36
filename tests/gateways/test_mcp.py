"""`/mcp` on a server, asked by the protocol's own client in both of its generations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
import pytest
from mcp import Client as Agent
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from tests.gateways.rest import Web, token, web
from tests.gateways.test_streaming import Live, live
from tests.waiting import wait_until

from holdfast.core.errors import LimitReached
from holdfast.core.identity import Right
from holdfast.gateways.mcp import waiting
from holdfast.gateways.mcp.under_way import UnderWay

__all__ = ["live"]

ASKS: tuple[Right, ...] = ("read", "send", "cancel")  # what an agent's token is for: it never answers
BOTH = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
YES = {"status": "resolved", "payload": {"approved": True}}
PROMPT = {"tool_name": "Bash", "input": {"command": "ls"}, "tool_use_id": "toolu_01"}
SAID = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
async def rest(store_url: str) -> AsyncGenerator[Web]:
    async with web(store_url) as served:
        yield served


@asynccontextmanager
async def agent(live: Live, mode: str = "auto", query: str = "", sub: str = "alice") -> AsyncGenerator[Agent]:
    """An agent that has the server's address, and a token of this person's."""
    port = live.server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {token(sub, can=ASKS)}"}
    async with create_mcp_http_client(headers) as http:
        address = f"http://127.0.0.1:{port}/mcp{query}"
        async with Agent(streamable_http_client(address, http_client=http), mode=cast("Any", mode)) as asking:
            yield asking


async def card(live: Live, by: str = "alice", **who: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def shown() -> bool:
        headers = {"Authorization": f"Bearer {token(by, **who)}"}
        found[:] = (await live.web.get("/v1/interrupts", by=None, headers=headers)).json()["interrupts"]
        return bool(found)

    await wait_until(shown, "somebody is asked")
    return found[0]


async def nobody_asked(live: Live) -> None:
    async def empty() -> bool:
        return (await live.web.get("/v1/interrupts")).json()["interrupts"] == []

    await wait_until(empty, "the card is gone")


def spoken(result: Any) -> dict[str, Any]:
    [part] = result.content
    return json.loads(part.text)


@BOTH
async def test_approved_and_asked_again(live: Live, mode: str) -> None:
    given = {"action": "deploy", "details": {"to": "prod"}, "id": "deploy-42"}
    async with agent(live, mode) as asking:
        call = asyncio.create_task(asking.call_tool("request_approval", given))
        asked = await card(live)
        assert (asked["toolName"], asked["input"]) == ("deploy", {"to": "prod"})
        await live.web.post(f"/v1/interrupts/{asked['id']}/answer", YES)
        told = (await call).structured_content
        assert told is not None
        assert (told["approved"], told["by"]) == (True, "alice")
        assert (await asking.call_tool("request_approval", given)).structured_content == told
        assert (await asking.call_tool("request_approval", given | {"details": {}})).is_error


@BOTH
async def test_it_says_now_and_then_that_it_still_waits(live: Live, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients start their time limit anew with each word."""
    monkeypatch.setattr(waiting, "PROGRESS_S", 0.05)
    heard: list[float] = []

    async def hear(seconds: float, _total: float | None, _message: str | None) -> None:
        heard.append(seconds)

    async with agent(live, mode) as asking:
        call = asyncio.create_task(asking.call_tool("permission_prompt", PROMPT, progress_callback=hear))
        asked = await card(live)
        await wait_until(lambda: len(heard) >= 3, "it says so three times")
        await live.web.post(f"/v1/interrupts/{asked['id']}/answer", YES)
        assert spoken(await call)["behavior"] == "allow"
    assert heard == sorted(heard)


@BOTH
async def test_whoever_takes_a_call_back_takes_the_card_away(live: Live, mode: str) -> None:
    async with agent(live, mode) as asking:
        call = asyncio.create_task(asking.call_tool("permission_prompt", PROMPT))
        await card(live)
        call.cancel()
        await nobody_asked(live)
        told = (await asking.call_tool("cancel_request", {"id": "toolu_01"})).structured_content
        assert told is not None
        assert (told["status"], told["approved"]) == ("cancelled", False)


async def test_an_agent_whose_connection_ends_takes_its_card_away(live: Live) -> None:
    """Of the older protocol too: without its connection, it could never hear the answer."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "permission_prompt"}}
    body["params"]["arguments"] = PROMPT  # type: ignore[index]
    port = live.server.servers[0].sockets[0].getsockname()[1]
    headers = {**SAID, "Authorization": f"Bearer {token('alice', can=ASKS)}"}
    async with (
        httpx2.AsyncClient() as http,
        http.stream("POST", f"http://127.0.0.1:{port}/mcp", json=body, headers=headers),
    ):
        await card(live)
    await nobody_asked(live)


async def test_nobody_takes_back_the_call_of_another(live: Live) -> None:
    async with agent(live, "legacy") as asking, agent(live, "legacy") as other, agent(live, sub="bob") as bob:
        call = asyncio.create_task(asking.call_tool("permission_prompt", PROMPT))
        asked = await card(live)
        for stranger in (other, bob):
            for number in range(5):
                await stranger.session.send_notification(_cancelled(number))
        await live.web.post(f"/v1/interrupts/{asked['id']}/answer", YES)
        assert spoken(await call) == {"behavior": "allow", "updatedInput": PROMPT["input"]}


async def test_the_address_says_who_may_answer_and_how_long_a_call_waits(live: Live) -> None:
    async with agent(live, query="?ask=role:ops&wait=100+ms&expires=1+hour") as asking:
        told = (await asking.call_tool("ask_human", {"question": "Why?", "id": "why"})).structured_content
    assert told is not None
    assert told["status"] == "open"
    asked = await card(live, "olga", roles=("ops",))
    assert asked["approvers"]["roles"] == ["ops"]
    assert asked["expiresAt"] - asked["openedAt"] == 3_600_000


@BOTH
async def test_told_and_nobody_is_asked(live: Live, mode: str) -> None:
    given = {"text": "The build is done.", "id": "build-7"}
    async with agent(live, mode) as telling:
        for _ in range(2):
            assert (await telling.call_tool("notify", given)).structured_content["status"] == "told"  # type: ignore[index]
        refused = await telling.call_tool("notify", given | {"text": "It failed."})
        assert refused.is_error
        assert refused.content[0].text.endswith("(ref_reused)")  # type: ignore[union-attr]
    await nobody_asked(live)
    [board] = (await live.web.get("/v1/sessions")).json()["sessions"]
    shown = (await live.web.get(f"/v1/sessions/{board['session']['id']}")).json()
    assert [one["parts"][0]["text"] for one in shown["snapshot"]["messages"]] == ["The build is done."]


async def test_a_server_that_goes_away_says_what_stays(live: Live) -> None:
    """A question stays, to be asked again elsewhere; a prompt knows no "later", so it is a no, and its card goes."""
    async with agent(live) as asking:
        question = asyncio.create_task(asking.call_tool("ask_human", {"question": "Why?", "id": "why"}))
        prompt = asyncio.create_task(asking.call_tool("permission_prompt", PROMPT))
        await wait_until(lambda: len(live.web.server.drain) == 2, "both wait")
        live.server.should_exit = True
        told = (await question).structured_content
        assert told is not None
        assert told["status"] == "open"
        assert spoken(await prompt)["behavior"] == "deny"
    assert [one["message"] for one in (await live.web.get("/v1/interrupts")).json()["interrupts"]] == ["Why?"]


async def test_who_may_not_come_in(rest: Web) -> None:
    for more, status, code in (
        ({"by": None}, 401, "unauthenticated"),
        ({"headers": {"Origin": "https://evil.example"}}, 403, "forbidden"),
    ):
        response = await rest.post("/mcp", {}, **cast("Any", more))
        assert (response.status_code, response.json()["code"]) == (status, code)
    assert (await rest.post("/mcp?wait=soon", {})).json()["code"] == "bad_request"
    assert (await rest.get("/mcp")).status_code == 405
    large = await rest.post("/mcp", {"params": "x" * 2_000_000})
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


async def test_what_is_no_message_is_said_to_be_none(rest: Web) -> None:
    for body in ([], {"jsonrpc": "2.0"}, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": []}):
        assert (await rest.post("/mcp", body, headers=SAID)).status_code == 400


async def test_a_page_that_is_named_may_come_in(store_url: str) -> None:
    async with web(store_url, origins=("https://app.example",)) as served:
        asked = {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type, mcp-protocol-version, mcp-session-id",
        }
        assert (await served.ask("OPTIONS", "/mcp", by=None, headers=asked)).status_code == 200
        opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening}
        begun = await served.post("/mcp", body, headers={**SAID, "Origin": "https://app.example"})
    assert begun.headers["mcp-session-id"]
    assert begun.headers["access-control-expose-headers"] == "mcp-session-id"


async def test_so_many_calls_wait_at_once_and_no_more() -> None:
    calls = UnderWay(calls_max=3, of_one_max=2)
    with calls.one("alice", None), calls.one("alice", None):
        with pytest.raises(LimitReached), calls.one("alice", None):
            pass
        with calls.one("bob", None), pytest.raises(LimitReached), calls.one("carol", None):
            pass
    with calls.one("alice", None):
        pass


def _cancelled(number: int) -> Any:
    from mcp import types

    return types.CancelledNotification(params=types.CancelledNotificationParams(request_id=number))
