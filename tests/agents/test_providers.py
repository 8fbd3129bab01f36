"""The wires of OpenAI, Anthropic and Google, through their own packages: what they are sent, and what they must not be.

Each provider speaks its documented event stream on this machine; see provider.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.agents.provider import (
    Event,
    Provider,
    Reply,
    anthropic,
    anthropic_call,
    anthropic_text,
    anthropic_thinking,
    google,
    openai,
    openai_call,
    openai_image,
    openai_reasoning,
    openai_text,
    provider,
)

from holdfast import App, tool
from holdfast.agents import llm
from holdfast.agents.models import retrying
from holdfast.testing import Harness, TestSession, harness, wait_for

SIGNATURE = "EqQBCkYIBxgCKkBsaWtlIGEgcmVhbCBzaWduYXR1cmU="


@tool(approval=True, expires="30 days")
async def refund(order: str, amount: float) -> str:
    """Refund an order."""
    return f"{amount:g} of {order} refunded"


@tool(approval=False)
async def lookup(order: str) -> dict[str, Any]:
    """Look an order up."""
    return {"order": order, "total": 200}


ASKED = {"order": "A-17", "amount": 200.0}
CALLS: dict[str, list[Event]] = {
    "openai": openai(
        openai_reasoning("rs_1", "They want a refund.", SIGNATURE),
        openai_call("lookup", {"order": "A-17"}, "call_a"),
        openai_call("refund", ASKED, "call_b"),
    ),
    "anthropic": anthropic(
        anthropic_thinking("They want a refund.", SIGNATURE),
        anthropic_text("I look."),
        anthropic_call("lookup", {"order": "A-17"}, "call_a"),
        anthropic_call("refund", ASKED, "call_b"),
    ),
    "google": google(
        {"text": "They want a refund.", "thought": True},
        {"functionCall": {"id": "call_a", "name": "lookup", "args": {"order": "A-17"}}, "thoughtSignature": SIGNATURE},
        {"functionCall": {"id": "call_b", "name": "refund", "args": ASKED}},
    ),
}
TEXT: dict[str, Callable[[str], list[Event]]] = {
    "openai": lambda text: openai(openai_text(text)),
    "anthropic": lambda text: anthropic(anthropic_text(text)),
    "google": lambda text: google({"text": text}),
}
MODELS = {"openai": "openai:gpt-5", "anthropic": "anthropic:claude-sonnet-5-5", "google": "google:gemini-3-pro"}
ALL = pytest.mark.parametrize("name", ["openai", "anthropic", "google"])


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.001)


@pytest.fixture
def said_where(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Sets what a provider's package reads from the environment."""

    def say(name: str, url: str) -> None:
        variables = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL", "google": "GOOGLE_GEMINI_BASE_URL"}
        monkeypatch.setenv(variables[name], f"{url}/v1" if name == "openai" else url)
        monkeypatch.setenv(f"{name.upper()}_API_KEY", "no key")

    return say


@pytest.fixture
def desk(store_url: str, said_where: Callable[[str, str], None]) -> Callable[..., Any]:
    """A harness with an agent on this provider, which replies so."""

    @asynccontextmanager
    async def opened(name: str, *replies: Reply) -> AsyncGenerator[tuple[Harness, Provider]]:
        async with provider(*replies) as at:
            said_where(name, at.url)
            agent, app = llm(MODELS[name], instructions="Be kind."), App()
            app.add_agent("a", agent, tools=[lookup, refund])
            async with harness(app, url=store_url) as h:
                yield h, at

    return opened


async def parts(session: TestSession) -> list[dict[str, Any]]:
    state = await session.state()
    said = [entry.message for entry in state.messages.values() if entry.message.role == "assistant"]
    return [part for message in said for part in message.parts]


@ALL
async def test_parallel_calls_and_signed_reasoning_survive_a_week(name: str, desk: Callable[..., Any]) -> None:
    async with desk(name, Reply(CALLS[name]), Reply(TEXT[name]("Refunded."))) as (h, at):
        session = await h.start("a", message="Refund A-17")
        ask = await session.wait_interrupt(tool=refund)
        await session.wait_waiting()
        await h.kill_worker()
        await h.advance("7 days")
        await session.approve(ask, by="bob")
        assert (await session.wait_finished()).result == "Refunded."
        assert h.executions(refund) == h.executions(lookup) == 1
        shown = await parts(session)
    assert len(at.requests) == 2
    sent = json.dumps(at.requests[1].body)
    assert SIGNATURE in sent
    assert "200 of A-17 refunded" in sent
    assert [part["text"] for part in shown if part["type"] == "reasoning"] == ["They want a refund."]
    assert [(part["type"], part["state"]) for part in shown if "toolCallId" in part] == [
        ("tool-lookup", "output-available"),
        ("tool-refund", "output-available"),
    ]


async def test_openai_is_sent_its_items_as_they_came(desk: Callable[..., Any]) -> None:
    async with desk("openai", Reply(CALLS["openai"]), Reply(TEXT["openai"]("Refunded."))) as (h, at):
        session = await h.start("a", message="Refund A-17")
        await session.approve(await session.wait_interrupt(tool=refund))
        await session.wait_finished()
    assert at.requests[0].path == "/v1/responses"
    _, reasoning, first, second, *outputs = at.requests[1].body["input"]
    assert (reasoning["id"], reasoning["encrypted_content"]) == ("rs_1", SIGNATURE)
    assert [(one["call_id"], one["name"]) for one in (first, second)] == [("call_a", "lookup"), ("call_b", "refund")]
    assert [(one["call_id"], one["type"]) for one in outputs] == [
        ("call_a", "function_call_output"),
        ("call_b", "function_call_output"),
    ]


async def test_anthropic_is_sent_its_blocks_as_they_came(desk: Callable[..., Any]) -> None:
    async with desk("anthropic", Reply(CALLS["anthropic"]), Reply(TEXT["anthropic"]("Refunded."))) as (h, at):
        session = await h.start("a", message="Refund A-17")
        await session.approve(await session.wait_interrupt(tool=refund))
        await session.wait_finished()
    _, said, results = at.requests[1].body["messages"]
    assert said["content"][0] == {"type": "thinking", "thinking": "They want a refund.", "signature": SIGNATURE}
    assert [block["id"] for block in said["content"] if block["type"] == "tool_use"] == ["call_a", "call_b"]
    assert [block["tool_use_id"] for block in results["content"]] == ["call_a", "call_b"]


FAILURES = {
    "openai": {"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}},
    "anthropic": {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}},
    "google": {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}},
}

BAD_KEYS = {
    "openai": {"error": {"message": "no", "type": "invalid_request_error", "code": "invalid_api_key"}},
    "anthropic": {"type": "error", "error": {"type": "authentication_error", "message": "no"}},
    "google": {"error": {"code": 401, "message": "no", "status": "UNAUTHENTICATED"}},
}


@ALL
async def test_too_many_requests_are_waited_for(name: str, desk: Callable[..., Any]) -> None:
    refusal = Reply(status=429, headers={"retry-after": "0"}, body=FAILURES[name])
    async with desk(name, refusal, refusal, Reply(TEXT[name]("Well."))) as (h, at):
        session = await h.start("a", message="Hi")
        assert (await session.wait_finished()).result == "Well."
    assert len(at.requests) == 3


@ALL
async def test_a_stream_that_breaks_off_is_asked_for_again_and_shown_once(name: str, desk: Callable[..., Any]) -> None:
    whole = (
        TEXT[name]("All of it is well.") if name != "google" else google({"text": "All of it "}, {"text": "is well."})
    )
    async with desk(name, Reply(whole[: len(whole) // 2], then="break"), Reply(whole)) as (h, at):
        session = await h.start("a", message="Hi")
        assert (await session.wait_finished()).result == "All of it is well."
        assert await session.text() == "All of it is well."
    assert len(at.requests) == 2


@ALL
async def test_a_bad_key_is_said_at_once(name: str, desk: Callable[..., Any]) -> None:
    async with desk(name, Reply(status=401, body=BAD_KEYS[name])) as (h, at):
        ended = await (await h.start("a", message="Hi")).wait_finished()
    assert (ended.end, len(at.requests)) == ("failed", 1)
    assert "401" in str(ended.error)


async def _shown(session: TestSession, text: str) -> bool | None:
    return text in await session.text() or None


@ALL
async def test_cancelling_hangs_up_within_a_second_and_keeps_the_text(name: str, desk: Callable[..., Any]) -> None:
    whole = TEXT[name]("So far so good.") if name != "google" else google({"text": "So far "}, {"text": "so good."})
    async with desk(name, Reply(whole[:-3] if name != "google" else whole[:1], then="hold")) as (h, at):
        session = await h.start("a", message="Hi")
        await at.holding.wait()
        await wait_for(lambda: _shown(session, "So far"), "the first words")
        await session.cancel()
        async with asyncio.timeout(1):
            await at.left.wait()
        assert (await session.wait_finished()).end == "cancelled"
        assert (await session.text()).startswith("So far")


WEB, FILE = "https://example.com/refunds", "Refund policy"
SAID = "Refunds take a week."
CITED = {
    "openai": openai(
        openai_text(
            SAID,
            {"type": "url_citation", "url": WEB, "title": "Refunds", "start_index": 0, "end_index": 7},
            {"type": "url_citation", "url": WEB, "title": "Refunds", "start_index": 8, "end_index": 12},
            {"type": "file_citation", "file_id": "file_1", "filename": FILE, "index": 3},
        )
    ),
    "anthropic": anthropic(
        anthropic_text(
            SAID,
            {
                "type": "web_search_result_location",
                "url": WEB,
                "title": "Refunds",
                "encrypted_index": "x",
                "cited_text": "a week",
            },
            {
                "type": "char_location",
                "document_index": 0,
                "document_title": FILE,
                "cited_text": "a week",
                "start_char_index": 0,
                "end_char_index": 6,
            },
        )
    ),
    "google": google({"text": SAID}),
}
CITED["google"][-1]["candidates"][0]["groundingMetadata"] = {
    "groundingChunks": [
        {"web": {"uri": WEB, "title": "Refunds"}},
        {"retrievedContext": {"title": FILE, "text": "a week"}},
    ],
    "groundingSupports": [
        {"segment": {"startIndex": 0, "endIndex": 20, "text": SAID}, "groundingChunkIndices": [0, 1]},
    ],
}


@ALL
async def test_what_is_cited_is_shown_once_beside_the_text(name: str, desk: Callable[..., Any]) -> None:
    async with desk(name, Reply(CITED[name])) as (h, _):
        session = await h.start("a", message="How long?")
        assert (await session.wait_finished()).result == SAID
        shown = [part for part in await parts(session) if part["type"].startswith("source-")]
    assert [(part["type"], part["title"], part.get("url")) for part in shown] == [
        ("source-url", "Refunds", WEB),
        ("source-document", FILE, None),
    ]
    assert len({part["sourceId"] for part in shown}) == 2


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LOOKS = {"order": "A-17"}
MADE = {
    "openai": openai(openai_image(PIXEL), openai_call("lookup", LOOKS, "call_a")),
    "google": google(
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
        {"functionCall": {"id": "call_a", "name": "lookup", "args": LOOKS}},
    ),
}


@pytest.mark.parametrize("name", sorted(MADE))
async def test_a_file_that_the_model_makes_is_shown_and_sent_back_to_it(name: str, desk: Callable[..., Any]) -> None:
    async with desk(name, Reply(MADE[name]), Reply(TEXT[name]("Here."))) as (h, at):
        session = await h.start("a", message="Paint it")
        assert (await session.wait_finished()).result == "Here."
        told = await parts(session)
    [shown] = [part for part in told if part["type"] == "file"]
    assert (shown["mediaType"], shown["url"]) == ("image/png", f"data:image/png;base64,{PIXEL}")
    run = [(part["type"], part["state"]) for part in told if part.get("providerExecuted")]
    assert run == ([("dynamic-tool", "output-available")] if name == "openai" else [])
    assert ("ig_1" if name == "openai" else PIXEL[:40]) in json.dumps(at.requests[1].body)
