"""A language model that has another one do something: what each of them is told, and what everybody is shown."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai.messages import ToolCallPart, UserPromptPart
from tests.agents.test_llm import Scripted, parts, refund

from holdfast import App, agent_tool
from holdfast.agents import llm
from holdfast.testing import harness, wait_for


@agent_tool
async def cashier(message: str) -> str:
    """Have the cashier do something."""


def app_of(desk: Scripted, inner: Scripted, tool: Any = cashier) -> App:
    app = App()
    app.add_agent("desk", llm(desk.model), tools=[tool])
    app.add_agent("cashier", llm(inner.model), tools=[refund])
    return app


ASKS = ("cashier", '{"message":"Refund A-17, all of it."}', "c1")
REFUNDS = ("refund", '{"order":"A-17","amount":200}', "c1")


async def test_a_model_is_given_another_as_a_tool_and_told_only_its_result(store_url: str) -> None:
    desk = Scripted(["I ask. ", ASKS], ["So."], ["Again."])
    inner = Scripted(["I refund. ", REFUNDS], ["All is refunded."])
    async with harness(app_of(desk, inner), url=store_url) as h:
        session = await h.start("desk", message="Refund A-17, please")
        ask = await session.wait_interrupt(tool=refund)
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(ask)
        assert (await session.wait_finished()).result == "So."
        await session.send("And now?")
        assert (await session.wait_turn("finished")).agent == "desk"
        shown = await parts(session)
        assert await session.text() == "I ask. So.Again."
    assert inner.asked[0][-1].parts[0].content == "Refund A-17, all of it."  # type: ignore[union-attr]
    assert [one.content for one in desk.returns(1)] == ["All is refunded."]
    assert [part["text"] for part in shown if part["type"] == "reasoning"] == ["I refund. ", "All is refunded."]
    assert [part["type"] for part in shown if part["type"].startswith("tool-")] == ["tool-cashier", "tool-refund"]
    # What the next turn is told: the call and its result, and not what the cashier called and said.
    told = [part for message in desk.asked[2] for part in message.parts]
    assert [part.tool_name for part in told if isinstance(part, ToolCallPart)] == ["cashier"]
    assert [part.content for part in told if isinstance(part, UserPromptPart)] == ["Refund A-17, please", "And now?"]
    assert (len(desk.asked), len(inner.asked)) == (3, 2)


async def test_two_of_one_response_stream_side_by_side(store_url: str) -> None:
    desk = Scripted([ASKS, ("cashier", '{"message":"And B-3."}', "c2")], ["So."])
    both = asyncio.Event()
    inner = Scripted(["one ", both, "two "], ["uno ", both, "dos "])

    async def thoughts() -> list[str]:
        return sorted(part["text"] for part in await parts(session) if part["type"] == "reasoning")

    async def begun() -> bool | None:
        return await thoughts() == ["one ", "uno "] or None

    async with harness(app_of(desk, inner), url=store_url) as h:
        session = await h.start("desk", message="Refund both")
        await wait_for(begun, "both have begun to speak")
        both.set()
        await session.wait_finished()
        assert await thoughts() == ["one two ", "uno dos "]
        outputs = sorted(part["output"] for part in await parts(session) if part["type"] == "tool-cashier")
    assert outputs == ["one two ", "uno dos "]


async def test_one_that_speaks_aloud_is_heard_by_all(store_url: str) -> None:
    @agent_tool(agent="cashier", aloud=True, history=True)
    async def to_cashier(message: str) -> str: ...

    desk = Scripted(["Hello."], [("to_cashier", '{"message":"Say hello."}', "c1")], ["I too."], ["So."])
    inner = Scripted(["I am the cashier. "])
    async with harness(app_of(desk, inner, to_cashier), url=store_url) as h:
        session = await h.start("desk", message="Hi")
        await session.wait_finished()
        await session.send("The cashier, please")
        await session.wait_turn("finished")
        assert await session.text() == "Hello.I am the cashier. I too."
        assert [one.parts[0].content for one in inner.asked[0]] == ["Hi", "Hello.", "Say hello."]  # type: ignore[union-attr]
