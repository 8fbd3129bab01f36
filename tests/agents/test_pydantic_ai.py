"""Agents of pydantic-ai as they are, with its own offline model: their deferred tools as our interrupts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ApprovalRequired, CallDeferred, DeferredToolRequests, ModelRetry, RunContext, ToolReturn
from pydantic_ai.exceptions import ToolFailed, UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelRequest, SystemPromptPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from pydantic_ai.usage import UsageLimits

from holdfast import App, Match, Policy, Rule, Turn, client_tool, tool
from holdfast.agents import from_pydantic_ai
from holdfast.commands import retrying
from holdfast.core.errors import BadInput
from holdfast.core.interrupts import Interrupt
from holdfast.testing import TestSession, harness, person, wait_until


class Order(BaseModel):
    day: date


class Scripted:
    """A model that says one response of its script after the other, and notes what it was asked."""

    def __init__(self, *script: list[Any]) -> None:
        self.script = list(script)
        self.asked: list[list[ModelMessage]] = []
        self.infos: list[AgentInfo] = []
        self.model = FunctionModel(stream_function=self._stream)

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        self.asked.append(list(messages))
        self.infos.append(info)
        for index, piece in enumerate(self.script[len(self.asked) - 1]):
            match piece:
                case str():
                    yield piece
                case Exception():
                    raise piece
                case asyncio.Event():
                    await piece.wait()
                case (name, arguments, call_id):
                    yield {index: DeltaToolCall(name, arguments, tool_call_id=call_id)}

    def returns(self, request: int = -1) -> list[tuple[str, Any]]:
        """What the last message of a request says of tools."""
        parts = self.asked[request][-1].parts
        return [(part.tool_call_id, part.content) for part in parts if isinstance(part, ToolReturnPart)]


class Shop:
    """An agent with tools of its own, and what they did."""

    def __init__(self, *script: list[Any], **options: Any) -> None:
        self.scripted = Scripted(*script)
        self.ran: list[Any] = []
        self.holds = asyncio.Event()
        self.holds.set()
        self.running = asyncio.Event()
        self.agent = Agent(self.scripted.model, name="shop", **options)
        self.agent.tool_plain(requires_approval=True)(self.refund)
        self.agent.tool_plain(self.lookup)

    async def refund(self, order: str, amount: float) -> str:
        """Refund an order.

        Args:
            order: its number
            amount: of money
        """
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
        app.add_agent("shop", from_pydantic_ai(self.agent, **options), tools=list(tools))
        return app


REFUND = ("refund", '{"order":"A-17","amount":200}', "c2")
LOOKUP = ("lookup", '{"order":"A-17"}', "c1")


async def parts(session: TestSession) -> list[dict[str, Any]]:
    said = [one.message for one in (await session.state()).messages.values() if one.message.role == "assistant"]
    return [part for message in said for part in message.parts]


async def calls(session: TestSession) -> dict[str, dict[str, Any]]:
    return {part["type"].removeprefix("tool-"): part for part in await parts(session) if "toolCallId" in part}


async def test_it_streams_and_its_output_is_the_turns_result(store_url: str) -> None:
    shop = Shop(["Hel", "lo."], instructions="Be kind.")
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Hi")
        assert (await session.wait_finished()).result == "Hello."
        assert await session.text() == "Hello."
    assert shop.scripted.asked[0][-1].parts[0].content == "Hi"  # type: ignore[union-attr]
    assert shop.scripted.infos[0].instructions == "Be kind."


async def test_a_gated_call_is_approved_elsewhere_and_ungated_ones_run_at_once_and_nothing_twice(
    store_url: str,
) -> None:
    shop = Shop(["I look. ", LOOKUP, REFUND], ["Refunded."])
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund A-17")
        ask = await session.wait_interrupt(kind="approval")
        await session.wait_waiting()
        assert (ask.toolName, ask.input, ask.message) == (
            "refund",
            {"order": "A-17", "amount": 200},
            "Refund an order.",
        )
        assert shop.ran == [("lookup", "A-17")]
        await h.kill_worker()
        await session.approve(ask, by="bob")
        assert (await session.wait_finished()).result == "Refunded."
        shown = await calls(session)
        assert {name: part["state"] for name, part in shown.items()} == {
            "lookup": "output-available",
            "refund": "output-available",
        }
        assert shown["refund"]["toolCallId"] == ask.toolCallId
        assert shown["refund"]["output"] == "200 of A-17 refunded"
        assert len([part for part in await parts(session) if "toolCallId" in part]) == 2
    assert shop.ran == [("lookup", "A-17"), ("refund", "A-17", 200)]
    assert len(shop.scripted.asked) == 2
    assert shop.scripted.returns()[-1] == ("c2", "200 of A-17 refunded")


async def test_a_denial_reaches_the_model_word_for_word(store_url: str) -> None:
    shop = Shop([REFUND], ["Not refunded."])
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.deny(await session.wait_interrupt(), reason="he had it already")
        await session.wait_finished()
        part = (await calls(session))["refund"]
        assert (part["state"], part["approval"]["reason"]) == ("output-denied", "he had it already")
    assert shop.ran == []
    assert shop.scripted.returns() == [("c2", "Denied, and not carried out. Reason: he had it already")]


async def test_nobodys_answer_is_no_denial(store_url: str) -> None:
    shop = Shop([REFUND], ["Later."])
    async with harness(shop.app(asks={"*": {"expires": "1h"}}), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.wait_waiting()
        await h.advance("2h")
        await session.wait_finished()
    [(_, words)] = shop.scripted.returns()
    assert "Nobody answered in time" in words


async def test_edited_arguments_override_and_fit_the_tools_own_schema(store_url: str) -> None:
    shop = Shop([REFUND], ["Done."])
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        ask = await session.wait_interrupt()
        assert ask.responseSchema is not None
        with pytest.raises(BadInput, match="amount"):
            await session.answer(ask, {"approved": True, "input": {"order": "A-17", "amount": "much"}})
        await session.answer(ask, {"approved": True, "input": {"order": "A-17", "amount": 50}})
        await session.wait_finished()
    assert shop.ran == [("refund", "A-17", 50)]


async def test_an_external_call_runs_on_a_device_and_a_tool_of_ours_goes_our_way(store_url: str) -> None:
    @client_tool
    async def location() -> str:
        """Where the device is."""

    @tool(approval=True)
    async def pay(amount: int) -> dict[str, int]:
        """Pay."""
        return {"paid": amount}

    shop = Shop([("location", "{}", "c1"), ("pay", '{"amount":5}', "c2")], ["Done."])
    async with harness(shop.app(location, pay), url=store_url) as h:
        session = await h.start("shop", message="Pay here")
        await session.answer(await session.wait_interrupt(kind="client_tool"), {"output": "Berlin"})
        ask = await session.wait_interrupt(kind="approval")
        await h.kill_worker()
        await session.approve(ask)
        await session.wait_finished()
        assert h.executions(pay) == 1
        shown = await calls(session)
        assert (shown["location"]["output"], shown["pay"]["output"]) == ("Berlin", {"paid": 5})
        assert len([part for part in await parts(session) if "toolCallId" in part]) == 2
    assert shop.scripted.returns() == [("c1", "Berlin"), ("c2", {"paid": 5})]


async def test_approvals_and_external_calls_of_one_response_are_given_back_together(store_url: str) -> None:
    @client_tool
    async def location() -> str: ...

    shop = Shop([("location", "{}", "c1"), REFUND], ["Done."])
    async with harness(shop.app(location), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.answer(await session.wait_interrupt(kind="client_tool"), {"error": "no signal"})
        await session.wait_waiting()
        assert len(shop.scripted.asked) == 1
        await session.approve(await session.wait_interrupt(kind="approval"))
        await session.wait_finished()
    assert dict(shop.scripted.returns()) == {"c1": "It failed: no signal", "c2": "200 of A-17 refunded"}


async def test_a_tool_that_asks_while_it_runs_is_asked_about_with_what_it_says(store_url: str) -> None:
    shop = Shop([("wipe", '{"path":"/"}', "c1")], ["Wiped."])

    @shop.agent.tool
    async def wipe(ctx: RunContext[None], path: str) -> str:
        if not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"files": 12})
        shop.ran.append(path)
        return "gone"

    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Wipe")
        ask = await session.wait_interrupt()
        assert (ask.toolName, ask.metadata) == ("wipe", {"files": 12})
        await session.approve(ask)
        assert (await session.wait_finished()).result == "Wiped."
    assert shop.ran == ["/"]


async def test_a_question_is_asked_in_words(store_url: str) -> None:
    shop = Shop([("ask_user", '{"question":"Which order?"}', "c1")], ["Thanks."])

    @shop.agent.tool_plain
    async def ask_user(question: str) -> str:
        raise CallDeferred(kind="question")

    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        ask = await session.wait_interrupt(kind="question")
        assert ask.message == "Which order?"
        await session.answer(ask, {"text": "A-17"})
        assert (await session.wait_finished()).result == "Thanks."
    assert shop.scripted.returns() == [("c1", "A-17")]


async def test_a_worker_that_dies_in_mid_stream_costs_no_second_response_and_no_second_effect(store_url: str) -> None:
    never = asyncio.Event()
    shop = Shop([LOOKUP], ["Half", never], ["Half", " and whole."])
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Look")
        await wait_until(lambda: len(shop.scripted.asked) == 2, "it streams")
        await h.kill_worker()
        assert (await session.wait_finished()).result == "Half and whole."
        assert await session.text() == "Half and whole."
        assert (await calls(session))["lookup"]["output"] == {"order": "A-17", "total": 200}
        assert (await session.state()).interrupts == {}
    assert shop.ran == [("lookup", "A-17")]
    assert len(shop.scripted.asked) == 3
    assert shop.scripted.returns() == [("c1", {"order": "A-17", "total": 200})]


async def test_a_tool_that_may_have_run_is_asked_about_and_the_operators_word_is_its_result(store_url: str) -> None:
    shop = Shop([REFUND], ["So."])
    shop.holds.clear()
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.approve(await session.wait_interrupt())
        await shop.running.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert (doubt.toolName, doubt.input) == ("refund", {"order": "A-17", "amount": 200.0})
        await session.answer(doubt, {"ran": True, "result": "by hand"}, roles=("operator",))
        assert (await session.wait_finished()).result == "So."
    assert len(shop.ran) == 1
    assert shop.scripted.returns() == [("c2", "by hand")]


async def test_what_tools_give_is_the_same_when_it_comes_from_the_record(store_url: str) -> None:
    never = asyncio.Event()
    names = ["order", "whole", "retry", "failed"]
    script = [(name, "{}", f"c{n}") for n, name in enumerate(names)]
    shop = Shop(script, [never], ["Done."])
    ran: list[str] = []

    @shop.agent.tool_plain
    async def order() -> Order:
        ran.append("order")
        return Order(day=date(2026, 11, 21))

    @shop.agent.tool_plain
    async def whole() -> ToolReturn:
        return ToolReturn("value", content="look at this", metadata={"a": 1})

    @shop.agent.tool_plain
    async def retry() -> str:
        raise ModelRetry("another order")

    @shop.agent.tool_plain
    async def failed() -> str:
        raise ToolFailed("no such order")

    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Go")
        await wait_until(lambda: len(shop.scripted.asked) == 2, "it asks again")
        await h.kill_worker()
        assert (await session.wait_finished()).result == "Done."
    assert ran == ["order"]
    first, again = (shop.scripted.asked[n][-1] for n in (1, 2))
    assert [_told(part) for part in first.parts] == [_told(part) for part in again.parts]
    assert "look at this" in [part.content for part in again.parts if isinstance(part, UserPromptPart)]


def _told(part: Any) -> tuple[str, str, Any]:
    return part.part_kind, getattr(part, "tool_name", ""), getattr(part, "content", None)


async def test_history_is_the_sessions_and_the_system_prompt_comes_each_time(store_url: str) -> None:
    shop = Shop([LOOKUP, "So. "], ["Two hundred."], ["As I said."], system_prompt="You sell.")
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="How much?")
        await session.wait_finished()
        await session.send("Again?")
        await wait_until(lambda: len(shop.scripted.asked) == 3, "the second turn asks")
    said = shop.scripted.asked[-1]
    prompts = [part.content for one in said for part in one.parts if isinstance(part, UserPromptPart)]
    system = [part.content for one in said for part in one.parts if isinstance(part, SystemPromptPart)]
    assert (prompts, system) == (["How much?", "Again?"], ["You sell."])
    assert any(isinstance(part, ToolReturnPart) for one in said if isinstance(one, ModelRequest) for part in one.parts)


async def test_an_output_type_is_the_turns_result_and_deps_are_made_of_the_turn(store_url: str) -> None:
    class Verdict(BaseModel):
        refund: bool

    scripted = Scripted([("who", "{}", "c1")], [("final_result", '{"refund":true}', "c2")])
    agent = Agent(scripted.model, deps_type=str, output_type=Verdict)

    @agent.tool
    async def who(ctx: RunContext[str]) -> str:
        return ctx.deps

    app = App()
    app.add_agent("shop", from_pydantic_ai(agent, deps=lambda turn: turn.principal.subject))
    async with harness(app, url=store_url) as h:
        session = await h.start("shop", message="Judge", by="carol")
        assert (await session.wait_finished()).result == {"refund": True}
    assert scripted.returns() == [("c1", "carol")]


async def test_limits_hold_for_the_turn_and_not_for_a_segment(store_url: str) -> None:
    shop = Shop([REFUND], ["Never said."])
    async with harness(shop.app(usage_limits=UsageLimits(request_limit=1)), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.approve(await session.wait_interrupt())
        turn = await session.wait_finished()
        assert turn.error is not None
        assert turn.error["message"].startswith(UsageLimitExceeded.__name__)


async def test_a_provider_that_fails_after_a_tool_ran_never_has_it_run_again(store_url: str) -> None:
    shop = Shop([REFUND], [RuntimeError("overloaded")], ["Refunded."])
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.approve(await session.wait_interrupt())
        turn = await session.wait_finished()
        assert turn.error is not None
        assert "overloaded" in turn.error["message"]
        await retrying.retry(h.backend, person("olga", ("operator",)), turn.id, "once-more", "test")
        await wait_until(lambda: len(shop.scripted.asked) == 3, "it goes on")
        assert (await session.wait_finished()).result == "Refunded."
    assert shop.ran == [("refund", "A-17", 200)]


async def test_a_cancel_closes_the_stream_and_keeps_what_was_said(store_url: str) -> None:
    never = asyncio.Event()
    shop = Shop(["Half a", never])
    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Talk")
        await wait_until(lambda: bool(shop.scripted.asked), "it talks")
        await session.cancel()
        turn = await session.wait_finished()
    assert msgspec.to_builtins(turn)["end"] == "cancelled"


async def test_rules_hold_for_tools_that_the_agent_would_not_ask_about(store_url: str) -> None:
    hidden = Rule(
        name="hidden", action="auto_deny", match=Match(tool="look*", input={"order": "A-0"}), reason="not that one"
    )
    asks = Rule(name="asks", action="require_approval", match=Match(tool="lookup", input={"order": "A-17"}))
    shop = Shop([("lookup", '{"order":"A-0"}', "c0"), LOOKUP, ("lookup", '{"order":"A-1"}', "c3")], ["So."])
    async with harness(shop.app(policy=Policy(rules=[hidden, asks])), url=store_url) as h:
        session = await h.start("shop", message="Look")
        ask = await session.wait_interrupt()
        assert (ask.toolName, ask.input) == ("lookup", {"order": "A-17"})
        await session.approve(ask)
        await session.wait_finished()
        states = [part["state"] for part in await parts(session) if "toolCallId" in part]
    assert states == ["output-denied", "output-available", "output-available"]
    assert sorted(shop.ran) == [("lookup", "A-1"), ("lookup", "A-17")]
    assert dict(shop.scripted.returns())["c0"] == "Denied, and not carried out. Reason: not that one"


async def test_an_agent_with_validators_names_what_it_defers_itself(store_url: str) -> None:
    shop = Shop([REFUND], ["Refunded."], output_type=[str, DeferredToolRequests])

    @shop.agent.output_validator
    async def loud(output: Any) -> Any:
        return output.upper() if isinstance(output, str) else output

    async with harness(shop.app(), url=store_url) as h:
        session = await h.start("shop", message="Refund")
        await session.approve(await session.wait_interrupt())
        assert (await session.wait_finished()).result == "REFUNDED."


async def test_it_does_something_for_another_agent_and_asks_in_its_session(store_url: str) -> None:
    shop = Shop([REFUND], [REFUND], ["One."], ["Two."])
    app = shop.app()

    @app.agent("desk")
    async def desk(turn: Turn) -> Any:
        return await turn.all(turn.agent("shop", input="Refund A-17"), turn.agent("shop", input="Again"))

    async with harness(app, url=store_url) as h:
        session = await h.start("desk", message="Refund both")
        await session.wait_waiting()
        asks = [one for one in (await session.state()).interrupts.values() if one["kind"] == "approval"]
        assert len({one["toolCallId"] for one in asks}) == 2  # the model gave both the same id
        for one in asks:
            await session.approve(msgspec.convert(one, Interrupt))
        await session.wait_finished()
    assert len(shop.ran) == 2


def test_rules_of_asking_that_are_none_are_refused_at_once() -> None:
    agent = Agent("test")
    with pytest.raises(TypeError, match="approver: not one of expires"):
        from_pydantic_ai(agent, asks={"refund": {"approver": "bob"}})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(ValueError, match="soon"):
        from_pydantic_ai(agent, asks={"refund": {"expires": "soon"}})
