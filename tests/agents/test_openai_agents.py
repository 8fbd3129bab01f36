"""Agents of the OpenAI Agents SDK as they are, with its own testing model: what needs approval as our interrupts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from agents import (
    Agent,
    FunctionTool,
    OpenAIProvider,
    RunConfig,
    RunContextWrapper,
    function_tool,
    handoff,
    set_tracing_disabled,
)
from agents.mcp import MCPServerStdio
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from agents.tool import ToolOutputText
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent
from pydantic import BaseModel
from tests.agents.provider import Reply, openai, openai_call, openai_reasoning, openai_text, provider

from holdfast import App, Budget, Match, Policy, Rule, client_tool, tool
from holdfast.agents import from_openai_agents
from holdfast.agents.openai_agents.adapter import OpenAIAgent
from holdfast.commands import retrying
from holdfast.testing import TestSession, harness, person, wait_until

MCP_SERVER = Path(__file__).with_name("mcp_server.py")
REFUND = function_call("refund", {"order": "A-17", "amount": 200}, call_id="c2")
LOOKUP = function_call("lookup", {"order": "A-17"}, call_id="c1")


@pytest.fixture(autouse=True)
def _no_traces() -> None:
    set_tracing_disabled(True)


def scripted(*script: Any) -> ScriptedModel:
    return ScriptedModel([one if isinstance(one, list | ModelStep) else [one] for one in script])


class Shop:
    """An agent with tools of its own, and what they did."""

    def __init__(self, *script: Any, **options: Any) -> None:
        self.model = scripted(*script)
        self.ran: list[Any] = []
        self.holds = asyncio.Event()
        self.holds.set()
        self.running = asyncio.Event()
        tools = [function_tool(self.refund, needs_approval=True), function_tool(self.lookup)]
        self.agent: Agent[Any] = Agent("shop", model=self.model, tools=[*tools, *options.pop("tools", [])], **options)

    async def refund(self, order: str, amount: float) -> str:
        """Refund an order."""
        self.ran.append(("refund", order, amount))
        self.running.set()
        await self.holds.wait()
        return f"{amount:g} of {order} refunded"

    async def lookup(self, order: str) -> dict[str, Any]:
        """Look an order up."""
        self.ran.append(("lookup", order))
        return {"order": order, "total": 200}

    def app(self, *tools: Any, policy: Policy | None = None, **options: Any) -> App:
        app = App(policy=policy)
        app.add_agent("shop", from_openai_agents(self.agent, **options), tools=list(tools))
        return app

    def outputs(self, call: int = -1) -> dict[str, Any]:
        """What the model was told of its calls."""
        given = self.model.calls[call].input
        assert isinstance(given, list)
        items: list[Any] = [one for one in given if isinstance(one, dict)]
        return {one["call_id"]: one["output"] for one in items if one.get("type") == "function_call_output"}


def half(model_reached: asyncio.Event) -> ModelStep:
    """A response that begins and never ends."""

    async def stream(_: Any) -> AsyncIterator[Any]:
        yield ResponseTextDeltaEvent(
            content_index=0,
            delta="Half",
            item_id="m",
            logprobs=[],
            output_index=0,
            sequence_number=0,
            type="response.output_text.delta",
        )
        model_reached.set()
        await asyncio.Event().wait()

    return ModelStep.stream(stream)


async def parts(session: TestSession) -> list[dict[str, Any]]:
    said = [one.message for one in (await session.state()).messages.values() if one.message.role == "assistant"]
    return [part for message in said for part in message.parts]


async def calls(session: TestSession) -> dict[str, dict[str, Any]]:
    return {part["type"].removeprefix("tool-"): part for part in await parts(session) if "toolCallId" in part}


async def test_it_streams_and_its_output_is_the_turns_result(store_url: str) -> None:
    shop = Shop(assistant_message("Hello."), instructions="Be kind.")
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Hi")
        assert (await session.wait_finished()).result == "Hello."
        assert await session.text() == "Hello."
    assert shop.model.calls[0].system_instructions == "Be kind."
    assert shop.model.calls[0].input == [{"role": "user", "content": "Hi"}]


async def test_a_gated_call_is_approved_elsewhere_and_ungated_ones_run_at_once_and_nothing_twice(
    store_url: str,
) -> None:
    shop = Shop([LOOKUP, REFUND], assistant_message("Refunded."))
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund A-17")
        ask = await session.wait_interrupt(kind="approval")
        await session.wait_waiting()
        assert (ask.toolName, ask.input, ask.message) == (
            "refund",
            {"order": "A-17", "amount": 200},
            "Refund an order.",
        )
        assert not ask.editable
        await h.kill_worker()
        await session.approve(ask, by="bob")
        assert (await session.wait_finished()).result == "Refunded."
        shown = await calls(session)
        assert {name: part["state"] for name, part in shown.items()} == {
            "lookup": "output-available",
            "refund": "output-available",
        }
        assert (shown["refund"]["toolCallId"], shown["refund"]["output"]) == (ask.toolCallId, "200 of A-17 refunded")
        assert len([part for part in await parts(session) if "toolCallId" in part]) == 2
    assert sorted(shop.ran) == [("lookup", "A-17"), ("refund", "A-17", 200)]
    assert len(shop.model.calls) == 2
    assert shop.outputs()["c2"] == "200 of A-17 refunded"


async def test_a_denial_reaches_the_model_word_for_word(store_url: str) -> None:
    shop = Shop(REFUND, assistant_message("Not refunded."))
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.deny(await session.wait_interrupt(), reason="he had it already")
        await session.wait_finished()
        part = (await calls(session))["refund"]
        assert (part["state"], part["approval"]["reason"]) == ("output-denied", "he had it already")
    assert shop.ran == []
    assert shop.outputs() == {"c2": "Denied, and not carried out. Reason: he had it already"}


async def test_nobodys_answer_is_no_denial(store_url: str) -> None:
    shop = Shop(REFUND, assistant_message("Later."))
    async with harness(shop.app(asks={"*": {"expires": "1h"}}), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.wait_waiting()
        await h.advance("2h")
        await session.wait_finished()
    assert "Nobody answered in time" in shop.outputs()["c2"]


async def test_tools_given_to_add_agent_are_its_tools_and_go_our_way(store_url: str) -> None:
    @client_tool
    async def location() -> str:
        """Where the device is."""

    @tool(approval=True, editable=True)
    async def pay(amount: int) -> dict[str, int]:
        """Pay."""
        return {"paid": amount}

    both = [function_call("location", {}, call_id="c1"), function_call("pay", {"amount": 5}, call_id="c2")]
    shop = Shop(both, assistant_message("Done."))
    async with harness(shop.app(location, pay), url=store_url) as h:
        session = await h.start("shop", message="Pay here")
        await session.answer(await session.wait_interrupt(kind="client_tool"), {"output": "Berlin"})
        ask = await session.wait_interrupt(kind="approval")
        await h.kill_worker()
        await session.answer(ask, {"approved": True, "input": {"amount": 3}})
        await session.wait_finished()
        assert h.executions(pay) == 1
        shown = await calls(session)
        assert (shown["location"]["output"], shown["pay"]["output"]) == ("Berlin", {"paid": 3})
        assert len([part for part in await parts(session) if "toolCallId" in part]) == 2
    assert shop.outputs() == {"c1": "Berlin", "c2": '{"paid": 3}'}


async def test_a_tool_of_ours_that_was_denied_is_told_as_that(store_url: str) -> None:
    @tool(approval=True)
    async def pay(amount: int) -> str: ...

    shop = Shop(function_call("pay", {"amount": 5}, call_id="c1"), assistant_message("So."))
    async with harness(shop.app(pay), url=store_url) as h:
        session = await h.start("shop", message="Pay")
        await session.deny(await session.wait_interrupt(), reason="no money")
        await session.wait_finished()
        assert h.executions(pay) == 0
    assert shop.outputs() == {"c1": "Denied, and not carried out. Reason: no money"}


async def test_a_worker_that_dies_in_mid_stream_costs_no_second_response_and_no_second_effect(store_url: str) -> None:
    reached = asyncio.Event()
    shop = Shop(LOOKUP, half(reached), assistant_message("Half and whole."))
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Look")
        await reached.wait()
        await h.kill_worker()
        assert (await session.wait_finished()).result == "Half and whole."
        assert await session.text() == "Half and whole."
        assert (await calls(session))["lookup"]["state"] == "output-available"
        assert (await session.state()).interrupts == {}
    assert shop.ran == [("lookup", "A-17")]
    assert len(shop.model.calls) == 3
    assert list(shop.outputs()) == ["c1"]


async def test_a_tool_that_may_have_run_is_asked_about_and_the_operators_word_is_its_result(store_url: str) -> None:
    shop = Shop(REFUND, assistant_message("So."))
    shop.holds.clear()
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.approve(await session.wait_interrupt())
        await shop.running.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert (doubt.toolName, doubt.input) == ("refund", {"order": "A-17", "amount": 200})
        await session.answer(doubt, {"ran": True, "result": "by hand"}, roles=("operator",))
        assert (await session.wait_finished()).result == "So."
    assert len(shop.ran) == 1
    assert shop.outputs() == {"c2": "by hand"}


async def test_a_response_of_a_provider_comes_back_from_the_record_as_it_came(store_url: str) -> None:
    half_of_it = [event for event in openai(openai_text("Half")) if event["type"] != "response.completed"]
    look = Reply(openai(openai_reasoning("rs", "I look.", "a signature"), openai_call("lookup", {"order": "A"}, "c1")))
    replies = look, Reply(half_of_it, then="hold"), Reply(openai(openai_text("Whole.")))
    async with provider(*replies) as at, AsyncOpenAI(api_key="none", base_url=f"{at.url}/v1") as client:
        shop = Shop()
        shop.agent.model = "gpt-5"
        config = RunConfig(model_provider=OpenAIProvider(openai_client=client))
        async with harness(shop.app(run_config=config), url=store_url) as h:
            session = await h.start("shop", message="Look")
            await at.holding.wait()
            await h.kill_worker()
            assert (await session.wait_finished()).result == "Whole."
            shown = [(part["type"], part.get("text")) for part in await parts(session) if part["type"] != "step-start"]
    assert shop.ran == [("lookup", "A")]
    assert shown == [("reasoning", "I look."), ("tool-lookup", None), ("text", "Whole.")]
    assert at.requests[1].body["input"] == at.requests[2].body["input"]
    assert "a signature" in str(at.requests[2].body["input"])


async def test_it_hands_over_and_the_other_agents_tools_are_ours_to_gate_too(store_url: str) -> None:
    shop = Shop(REFUND, assistant_message("Refunded by the shop."))
    model = scripted(function_call("transfer_to_shop", {}, call_id="c0"))
    desk = Agent("desk", model=model, handoffs=[handoff(shop.agent)])
    app = App()
    app.add_agent("desk", from_openai_agents(desk))
    async with harness(app, url=store_url) as h:
        session = await h.start("desk", message="Refund A-17")
        ask = await session.wait_interrupt()
        assert ask.message == "Refund an order."
        await h.kill_worker()
        await session.approve(ask)
        assert (await session.wait_finished()).result == "Refunded by the shop."
        assert (await calls(session))["transfer_to_shop"]["state"] == "output-available"
    assert (len(model.calls), len(shop.model.calls)) == (1, 2)
    assert shop.ran == [("refund", "A-17", 200)]


async def test_an_agent_used_as_a_tool_stops_for_its_own_tools(store_url: str) -> None:
    inner = Shop(REFUND, assistant_message("It is refunded."))
    asks = function_call("ask_shop", {"input": "Refund A-17"}, call_id="c0")
    model = scripted(asks, assistant_message("All done."))
    desk = Agent("desk", model=model, tools=[inner.agent.as_tool("ask_shop", "Ask the shop.")])
    app = App()
    app.add_agent("desk", from_openai_agents(desk))
    async with harness(app, url=store_url) as h:
        session = await h.start("desk", message="Refund A-17")
        ask = await session.wait_interrupt()
        assert (ask.toolName, ask.input) == ("refund", {"order": "A-17", "amount": 200})
        await session.approve(ask)
        assert (await session.wait_finished()).result == "All done."
    assert inner.ran == [("refund", "A-17", 200)]


async def test_what_an_agent_used_as_a_tool_did_is_recorded_too(store_url: str) -> None:
    reached = asyncio.Event()

    async def never(_: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    inner = Shop(LOOKUP, ModelStep.respond(never), assistant_message("Two hundred."))
    model = scripted(function_call("ask_shop", {"input": "Look"}, call_id="c0"), assistant_message("All done."))
    desk = Agent("desk", model=model, tools=[inner.agent.as_tool("ask_shop", "Ask the shop.")])
    app = App()
    app.add_agent("desk", from_openai_agents(desk))
    async with harness(app, url=store_url) as h:
        session = await h.start("desk", message="How much?")
        await reached.wait()
        await h.kill_worker()
        assert (await session.wait_finished()).result == "All done."
        assert (await session.state()).interrupts == {}
    assert inner.ran == [("lookup", "A-17")]
    assert (len(model.calls), len(inner.model.calls)) == (2, 3)


async def test_a_tool_that_cannot_be_recorded_is_asked_about_before_all_is_done_again(
    store_url: str, tmp_path: Path
) -> None:
    reached, effects = asyncio.Event(), tmp_path / "effects"
    effects.touch()
    things = MCPServerStdio(
        {"command": sys.executable, "args": [str(MCP_SERVER)], "env": {**os.environ, "EFFECTS": str(effects)}},
        client_session_timeout_seconds=30,
    )
    remove = function_call("remove", {"thing": "chair"}, call_id="c1")
    async with things:
        model = scripted(remove, half(reached), assistant_message("Gone."))
        app = App()
        app.add_agent("tidy", from_openai_agents(Agent("tidy", model=model, mcp_servers=[things])))
        async with harness(app, url=store_url) as h:
            session = await h.start("tidy", message="Tidy up")
            await reached.wait()
            await h.kill_worker()
            doubt = await session.wait_interrupt(kind="in_doubt")
            assert doubt.input == {"calls": [{"tool": "remove", "input": {"thing": "chair"}}]}
            assert effects.read_text() == "remove chair\n"
            await session.answer(doubt, {"ran": False}, roles=("operator",))
            assert (await session.wait_finished()).result == "Gone."
    assert effects.read_text() == "remove chair\n" * 2  # as the operator wanted


async def test_rules_and_budgets_hold_for_tools_that_the_agent_would_not_ask_about(store_url: str) -> None:
    hidden = Rule(
        name="hidden", action="auto_deny", match=Match(tool="look*", input={"order": "A-0"}), reason="not that one"
    )
    asks = Rule(name="asks", action="require_approval", match=Match(tool="lookup", input={"order": "A-17"}))
    three = [function_call("lookup", {"order": order}, call_id=f"c-{order}") for order in ("A-0", "A-17", "A-1")]
    shop = Shop(three, assistant_message("So."))
    async with harness(shop.app(policy=Policy(rules=[hidden, asks])), url=store_url) as h:
        session = await h.start("shop", message="Look")
        ask = await session.wait_interrupt()
        assert (ask.toolName, ask.input) == ("lookup", {"order": "A-17"})
        await session.approve(ask)
        await session.wait_finished()
    assert sorted(shop.ran) == [("lookup", "A-1"), ("lookup", "A-17")]
    assert shop.outputs()["c-A-0"] == "Denied, and not carried out. Reason: not that one"


async def test_a_budget_counts_calls_that_nobody_is_asked_about_until_it_is_spent(store_url: str) -> None:
    twice = [function_call("lookup", {"order": order}, call_id=f"c-{order}") for order in ("A-1", "A-2")]
    shop = Shop(twice, assistant_message("So."))
    policy = Policy(budgets=[Budget(name="looks", tool="lookup", calls=1, per="session")])
    async with harness(shop.app(policy=policy), url=store_url) as h:
        session = await h.start("shop", message="Look")
        ask = await session.wait_interrupt()
        assert ask.input == {"order": "A-2"}
        await session.deny(ask)
        await session.wait_finished()
    assert shop.ran == [("lookup", "A-1")]


async def test_history_is_the_sessions(store_url: str) -> None:
    shop = Shop(LOOKUP, assistant_message("Two hundred."), assistant_message("As I said."))
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="How much?")
        await session.wait_finished()
        await session.send("Again?")
        await wait_until(lambda: len(shop.model.calls) == 3, "the second turn asks")
    given: Any = shop.model.calls[-1].input
    assert [one.get("role") or one["type"] for one in given] == [
        "user",
        "function_call",
        "function_call_output",
        "assistant",
        "user",
    ]


async def test_an_output_type_is_the_turns_result_and_the_context_is_made_of_the_turn(store_url: str) -> None:
    class Verdict(BaseModel):
        refund: bool

    @function_tool
    async def who(context: RunContextWrapper[str]) -> str:
        return context.context

    model = scripted(function_call("who", {}, call_id="c1"), assistant_message('{"refund":true}'))
    app = App()
    judge: Agent[str] = Agent("judge", model=model, tools=[who], output_type=Verdict)
    app.add_agent("judge", from_openai_agents(judge, context=lambda turn: turn.principal.subject))
    async with harness(app, url=store_url) as h:
        session = await h.start("judge", message="Judge", by="carol")
        assert (await session.wait_finished()).result == {"refund": True}
        assert (await calls(session))["who"]["output"] == "carol"


async def test_a_provider_that_fails_after_a_tool_ran_never_has_it_run_again(store_url: str) -> None:
    shop = Shop(REFUND, ModelStep.raise_error(RuntimeError("overloaded")), assistant_message("Refunded."))
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.approve(await session.wait_interrupt())
        turn = await session.wait_finished()
        assert turn.error is not None
        assert "overloaded" in turn.error["message"]
        await retrying.retry(h.backend, person("olga", ("operator",)), turn.id, "once-more", "test")
        await wait_until(lambda: len(shop.model.calls) == 3, "it goes on")
        assert (await session.wait_finished()).result == "Refunded."
    assert shop.ran == [("refund", "A-17", 200)]


async def test_a_cancel_closes_the_stream_and_keeps_what_was_said(store_url: str) -> None:
    reached = asyncio.Event()
    shop = Shop(half(reached))
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Talk")
        await reached.wait()
        await session.cancel()
        assert (await session.wait_finished()).end == "cancelled"
        assert await session.text() == "Half"


async def test_outside_of_a_turn_the_agent_is_what_it_was(store_url: str) -> None:
    from agents import Runner

    shop = Shop(LOOKUP, assistant_message("Two hundred."))
    assert isinstance(from_openai_agents(shop.agent), OpenAIAgent)
    assert (await Runner.run(shop.agent, "How much?")).final_output == "Two hundred."
    assert shop.ran == [("lookup", "A-17")]


async def test_what_a_tool_gives_in_the_sdks_own_form_comes_back_from_the_record(store_url: str) -> None:
    @function_tool
    async def page() -> ToolOutputText:
        return ToolOutputText(text="a page")

    reached = asyncio.Event()
    shop = Shop(function_call("page", {}, call_id="c1"), half(reached), assistant_message("So."), tools=[page])
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Read")
        await reached.wait()
        await h.kill_worker()
        await session.wait_finished()
    assert shop.outputs(1) == shop.outputs(2) == {"c1": [{"type": "input_text", "text": "a page"}]}
    assert isinstance(page, FunctionTool)
