"""The demo: a language model's agent, with a model that needs no key, or with the one that HOLDFAST_MODEL names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.agents.provider import Reply, openai, openai_call, openai_text, provider

from holdfast import App
from holdfast.core.interrupts import Interrupt
from holdfast.runtime.loading import load_app
from holdfast.testing import TestSession, harness

AGENT = Path(__file__).parents[2] / "docs/examples/support/agent.py"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.delenv("HOLDFAST_MODEL", raising=False)
    return load_app(f"{AGENT}:app")


async def last_text(session: TestSession) -> str:
    """All that the agent said since the last message of a person."""
    messages = [entry.message for entry in (await session.state()).messages.values()]
    return "\n".join(part["text"] for part in messages[-1].parts if part["type"] == "text")


async def calls(session: TestSession) -> list[tuple[str, str, Any]]:
    messages = [entry.message for entry in (await session.state()).messages.values()]
    tools = [part for part in messages[-1].parts if part["type"].startswith("tool-")]
    return [(part["type"].removeprefix("tool-"), part["state"], part["input"]) for part in tools]


async def test_it_refunds_once_after_a_yes_that_it_does_not_live_to_see(app: App, store_url: str) -> None:
    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="please give me €120.50 back for order number e 46")
        ask = await session.wait_interrupt()
        assert (ask.toolName, ask.input) == ("refund", {"order_id": "E-46", "amount": 120.5})
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(ask, by="bob")
        await session.wait_finished()
        said = await last_text(session)
        assert said.startswith("Let me look at E-46.")
        assert said.count("I am refunding €120.50 for E-46.") == 1
        assert said.endswith("Done: €120.50 for **E-46** is on its way back. It arrives in two or three days.")
        assert await calls(session) == [
            ("lookup", "output-available", {"order_id": "E-46"}),
            ("refund", "output-available", {"order_id": "E-46", "amount": 120.5}),
        ]


async def test_refunds_are_asked_for_side_by_side_and_a_no_stops_no_other(app: App, store_url: str) -> None:
    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="refund E-46 and F-60")
        await session.wait_waiting()
        shown = (await session.state()).interrupts.values()
        first, second = [msgspec.convert(one, Interrupt) for one in shown]
        await session.deny(first, reason="It was opened")
        await session.approve(second)
        await session.wait_finished()
        said = await last_text(session)
    assert "Not refunded: E-46. The answer was no: It was opened" in said
    assert "for **F-60** is on its way back" in said


async def test_nobody_in_time_is_told_as_that(app: App, store_url: str) -> None:
    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="cancel C-30")
        await session.wait_interrupt()
        await h.advance("61 minutes")
        await session.wait_finished()
        assert "Nobody answered in time. Ask me again" in await last_text(session)


async def test_it_knows_what_was_said_before_and_to_whom_it_speaks(app: App, store_url: str) -> None:
    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="Hello", by="mara")
        await session.wait_finished()
        assert (await last_text(session)).startswith("Hello, Mara!")
        await session.send("where is A-17?", by="mara")
        await session.wait_turn("finished")
        await session.send("refund 20 euros of it", by="mara")
        await session.wait_finished()
        assert "Done: €20.00 for **A-17**" in await last_text(session)


async def test_what_is_said_in_between_is_answered_after_what_is_under_way(app: App, store_url: str) -> None:
    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="refund all of E-46")
        ask = await session.wait_interrupt()
        await session.wait_waiting()
        await session.send("and where is A-17?", mode="steer")
        await session.approve(ask)
        await session.wait_finished()
        said = await last_text(session)
    assert said.index("for **E-46** is on its way back") < said.index("**A-17**")


async def test_a_model_with_a_key_takes_its_place(monkeypatch: pytest.MonkeyPatch, store_url: str) -> None:
    replies = [openai(openai_call("lookup", {"order_id": "A-17"}, "call_a")), openai(openai_text("It is on its way."))]
    async with provider(Reply(replies[0]), Reply(replies[1])) as there:
        monkeypatch.setenv("HOLDFAST_MODEL", "openai:gpt-5")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("OPENAI_BASE_URL", there.url)
        async with harness(load_app(f"{AGENT}:app"), url=store_url) as h:
            session = await h.start("support", message="where is A-17?", by="mara")
            await session.wait_finished()
            assert await last_text(session) == "It is on its way."
    asked = there.requests[0].body
    assert {one["name"] for one in asked["tools"]} >= {"lookup", "refund", "cancel_order"}
    assert "You speak with: " in asked["instructions"]
