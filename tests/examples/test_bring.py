"""The examples of agents of other frameworks, with a provider on this machine."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from agents import set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI
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
