"""Generators of the AI SDK's chunks as agents: they ask and end, and are called again with the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.waiting import wait_until

from holdfast import App, Turn, client_tool, tool
from holdfast.agents import from_chunks
from holdfast.testing import TestSession, harness


@client_tool
async def location(accuracy: str) -> str:
    """Where the device is."""


@tool(approval=False)
async def look(order: str) -> str:
    """Look up an order."""
    return f"{order}: paid"


def app_of(generator: Any, **options: Any) -> App:
    app = App()
    app.add_agent("a", from_chunks(generator, **options), tools=[look])
    return app


async def parts(session: TestSession) -> list[dict[str, Any]]:
    state = await session.state()
    return [part for one in state.ordered if one.message.role == "assistant" for part in one.message.parts]


def called(name: str, input: Any, call: str = "c1") -> dict[str, Any]:
    return {"type": "tool-input-available", "toolCallId": call, "toolName": name, "input": input}


def asks(call: str = "c1", approval: str = "a1") -> dict[str, Any]:
    return {"type": "tool-approval-request", "toolCallId": call, "approvalId": approval, "reason": "It is much."}


class Refunds:
    """Asks whether it may refund, and does; notes with what it was called."""

    def __init__(self) -> None:
        self.given: list[list[dict[str, Any]]] = []

    async def __call__(self, turn: Turn, messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
        self.given.append(messages)
        if messages[-1]["role"] == "user":
            yield "Let me "
            yield "see."
            yield called("refund", {"amount": 200})
            yield asks()
            return
        [part] = [part for part in messages[-1]["parts"] if part["type"] == "tool-refund"]
        if part["approval"]["approved"]:
            yield {"type": "tool-output-available", "toolCallId": "c1", "output": part["input"]["amount"]}
        yield f"{part['approval']['approved']}"


@pytest.mark.parametrize(
    ("answer", "state", "text"),
    [
        ({"approved": True}, "output-available", "Let me see.True"),
        ({"approved": False, "reason": "no"}, "output-denied", "Let me see.False"),
    ],
)
async def test_it_asks_and_is_called_again_with_the_answer(
    answer: dict[str, Any], state: str, text: str, store_url: str
) -> None:
    refunds = Refunds()
    async with harness(app_of(refunds), url=store_url) as h:
        session = await h.start("a", message="Refund")
        ask = await session.wait_interrupt()
        assert (ask.kind, ask.toolName, ask.input) == ("approval", "refund", {"amount": 200})
        await session.wait_waiting()
        await h.kill_worker()
        await session.answer(ask, answer, by="bob")
        ended = await session.wait_finished()
        [part] = [part for part in await parts(session) if part["type"] == "tool-refund"]
    assert (part["state"], part["toolCallId"], ended.result) == (state, ask.toolCallId, text)
    assert len(refunds.given) == 2
    told = refunds.given[1][-1]["parts"]
    assert [one["text"] for one in told if one["type"] == "text"] == ["Let me see."]
    assert told[-1]["approval"] == {"id": "a1", "requestReason": "It is much.", **answer}


async def test_edited_arguments_are_what_it_is_given(store_url: str) -> None:
    async with harness(app_of(Refunds()), url=store_url) as h:
        session = await h.start("a", message="Refund")
        await session.approve(await session.wait_interrupt(), input={"amount": 50})
        await session.wait_finished()
        [part] = [part for part in await parts(session) if part["type"] == "tool-refund"]
    assert part["output"] == 50


async def test_calls_without_output_are_ours_or_a_devices(store_url: str) -> None:
    async def generator(turn: Turn, messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
        outputs = [part["output"] for part in messages[-1]["parts"] if part.get("state") == "output-available"]
        if outputs:
            yield " and ".join(outputs)
            return
        yield called("look", {"order": "A-17"}, "c1")
        yield called("location", {"accuracy": "street"}, "c2")

    async with harness(app_of(generator), url=store_url) as h:
        session = await h.start("a", message="Hi")
        where = await session.wait_interrupt(kind="client_tool")
        await session.update(where, output="Bern")
        ended = await session.wait_finished()
    assert ended.result == "A-17: paid and Bern"
    assert h.executions(look) == 1


async def test_it_is_told_what_was_said_before(store_url: str) -> None:
    async def generator(turn: Turn, messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
        yield ", ".join(one["role"] for one in messages)

    async with harness(app_of(generator), url=store_url) as h:
        session = await h.start("a", message="Hi")
        await session.wait_finished()
        await session.send("Again")

        async def says() -> bool:
            return "user, assistant, user" in await session.text()

        await wait_until(says, "it was told all")


async def test_after_a_crash_in_a_call_of_its_own_an_operator_is_asked(store_url: str) -> None:
    begun = asyncio.Event()
    calls = 0

    async def generator(turn: Turn, messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
        nonlocal calls
        calls += 1
        yield called("pay", {"amount": 7})
        begun.set()
        if calls == 1:
            await asyncio.Event().wait()
        yield {"type": "tool-output-available", "toolCallId": "c1", "output": "paid"}

    async with harness(app_of(generator), url=store_url) as h:
        session = await h.start("a", message="Pay")
        await begun.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert calls == 1
        await session.answer(doubt, {"ran": False}, by="olga", roles=("operator",))
        await session.wait_finished()
        [part] = [part for part in await parts(session) if part["type"] == "tool-pay"]
    assert (part["state"], calls) == ("output-available", 2)


async def test_an_error_chunk_fails_the_turn_and_its_end_is_its_end(store_url: str) -> None:
    closed: list[bool] = []

    async def generator(turn: Turn, messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
        try:
            yield {"type": "error", "errorText": "no more credit"}
        finally:
            closed.append(True)

    async with harness(app_of(generator), url=store_url) as h:
        session = await h.start("a", message="Hi")
        ended = await session.wait_finished()
    assert ended.error is not None
    assert "no more credit" in ended.error["message"]
    assert closed == [True]
