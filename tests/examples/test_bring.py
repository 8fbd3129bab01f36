"""The examples of agents of other frameworks, with a provider on this machine."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from agents import set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI
from tests.agents.graphs import RuledModel
from tests.agents.provider import Reply, openai, openai_call, openai_text, provider

from holdfast.runtime.loading import load_app
from holdfast.testing import harness

EXAMPLES = Path(__file__).parents[2] / "docs/examples/bring"


@pytest.mark.parametrize("name", ["with_pydantic_ai", "with_openai_agents"])
async def test_its_refund_is_for_finance_and_our_location_for_a_device(
    name: str, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_tracing_disabled(True)
    calls = [
        openai_call("refund", {"order_id": "A-17", "amount": 5.0}, "call_a"),
        openai_call("location", {"accuracy": "city"}, "call_b"),
    ]
    replies = Reply(openai(*calls)), Reply(openai(openai_text("Done.")))
    async with provider(*replies) as at, AsyncExitStack() as stack:
        monkeypatch.setenv("OPENAI_API_KEY", "no key")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{at.url}/v1")
        # Of the SDK's own client there is one for the life of a process: nobody would close it.
        client = await stack.enter_async_context(AsyncOpenAI())
        set_default_openai_client(client)
        async with harness(load_app(f"{EXAMPLES / name}.py:app"), url=store_url) as h:
            session = await h.start("support", message="Refund my order.")
            refund = await session.wait_interrupt(kind="approval")
            where = await session.wait_interrupt(kind="client_tool")
            assert (refund.toolName, where.toolName) == ("refund", "location")
            await session.update(where, output="Bern")
            await session.answer(refund, {"approved": True}, by="bob", roles=("finance",))
            ended = await session.wait_finished()
            shown = {part["type"]: part.get("output") for part in (await session.state()).ordered[-1].message.parts}
    assert (ended.end, ended.result) == ("completed", "Done.")
    assert shown["tool-location"] == "Bern"
    assert shown["tool-refund"] == "5.0 paid back for A-17"


async def test_a_graph(store_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHECKPOINTS", str(tmp_path / "checkpoints.db"))
    app = load_app(f"{EXAMPLES / 'with_langgraph'}.py:app")
    agent: Any = next(iter(app.agents.values())).function
    monkeypatch.setitem(agent.graph.__globals__, "model", RuledModel(folder=str(tmp_path)))
    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="refund A-17 200")
        await session.approve(await session.wait_interrupt())
        assert (await session.wait_finished()).result == "refund: 200.00 paid back for A-17."


async def test_a_generator_of_chunks(store_url: str) -> None:
    async with harness(load_app(f"{EXAMPLES / 'with_chunks'}.py:app"), url=store_url) as h:
        session = await h.start("support", message="A-17 200")
        await session.approve(await session.wait_interrupt())
        await session.wait_finished()
        assert await session.text() == "Let me see. Done: 200.0 paid back for A-17."
        await session.send("B-3 50")
        ask = await session.wait_interrupt()
        await session.deny(ask, reason="too late")
        await session.wait_turn("finished")
        assert (await session.text()).endswith("Not refunded: too late.")
