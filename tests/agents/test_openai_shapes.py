"""The SDK's events as chunks, and the session's messages as its items. No run, no model."""

from __future__ import annotations

from typing import Any

from agents import Agent
from agents.items import MessageOutputItem, ReasoningItem, ToolCallItem
from agents.stream_events import RawResponsesStreamEvent, RunItemStreamEvent
from openai import AsyncOpenAI
from openai.types.responses import (
    ResponseFunctionWebSearch,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseReasoningItem,
)
from openai.types.responses.response_function_web_search import ActionSearch
from openai.types.responses.response_reasoning_item import Summary
from tests.agents.provider import Reply, openai, openai_call, openai_reasoning, openai_text, provider

from holdfast.agents.openai_agents import conversation
from holdfast.agents.openai_agents.streaming import Chunk, Streaming
from holdfast.core.messages import Message, fold_chunk

AGENT = Agent("a")


async def streamed(streaming: Streaming, *items: Any) -> list[Chunk]:
    """The chunks of a response with these items, through the provider's own package."""
    async with provider(Reply(openai(*items))) as at, AsyncOpenAI(api_key="none", base_url=f"{at.url}/v1") as client:
        events = await client.responses.create(model="gpt-5", input="Hi", stream=True)
        return [chunk async for event in events for chunk in streaming.chunks(RawResponsesStreamEvent(event))]


def item(streaming: Streaming, made: Any) -> list[Chunk]:
    return list(streaming.chunks(RunItemStreamEvent("message_output_created", made)))


def folded(chunks: list[Chunk]) -> list[dict[str, Any]]:
    message = Message("m", "assistant", [])
    for chunk in chunks:
        fold_chunk(message, chunk)
    return [part for part in message.parts if part["type"] != "step-start"]


def message_of(text: str) -> MessageOutputItem:
    made = ResponseOutputMessage.model_validate(openai_text(text))
    return MessageOutputItem(AGENT, made)


async def test_reasoning_text_and_a_call_stream_each_to_its_part() -> None:
    call = openai_call("refund", {"amount": 5}, "c1")
    parts = folded(await streamed(Streaming(), openai_reasoning("r", "I think.", "x"), openai_text("So."), call))
    assert [(part["type"], part.get("text"), part["state"]) for part in parts] == [
        ("reasoning", "I think.", "done"),
        ("text", "So.", "done"),
        ("tool-refund", None, "input-available"),
    ]
    assert parts[2]["input"] == {"amount": 5}


async def test_an_item_that_streamed_is_not_shown_again_and_one_that_did_not_is_shown_whole() -> None:
    streaming = Streaming()
    await streamed(streaming, openai_text("So."))
    assert item(streaming, message_of("So.")) == []
    assert [part["text"] for part in folded(item(streaming, message_of("Then.")))] == ["Then."]


def test_what_comes_whole_has_its_reasoning_and_its_refusal() -> None:
    thought = ResponseReasoningItem(id="r", summary=[Summary(text="I think.", type="summary_text")], type="reasoning")
    refusal = ResponseOutputRefusal(refusal="I will not.", type="refusal")
    said = ResponseOutputMessage(id="m", content=[refusal], role="assistant", status="completed", type="message")
    streaming = Streaming()
    chunks = item(streaming, ReasoningItem(AGENT, thought)) + item(streaming, MessageOutputItem(AGENT, said))
    assert [(part["type"], part["text"]) for part in folded(chunks)] == [
        ("reasoning", "I think."),
        ("text", "I will not."),
    ]


def test_what_the_provider_ran_is_shown_as_that() -> None:
    search = ResponseFunctionWebSearch(
        id="ws_1", action=ActionSearch(query="x", type="search"), status="completed", type="web_search_call"
    )
    [part] = folded(item(Streaming(), ToolCallItem(AGENT, search)))
    assert (part["type"], part["toolName"], part["state"], part["providerExecuted"]) == (
        "dynamic-tool",
        "web_search",
        "output-available",
        True,
    )
    assert part["input"]["action"]["query"] == "x"


def test_former_messages_are_told_with_what_became_of_their_calls() -> None:
    def call(nth: int, **state: Any) -> dict[str, Any]:
        return {"type": "tool-pay", "toolCallId": f"c{nth}", "input": {"n": nth}, **state}

    said: list[dict[str, Any]] = [
        {"type": "step-start"},
        {"type": "text", "text": "I pay.", "state": "done"},
        call(1, state="output-available", output={"paid": 1}),
        call(2, state="output-denied", approval={"id": "i", "approved": False, "reason": "no money"}),
        call(3, state="output-error", errorText="broken"),
        call(4, state="approval-requested", approval={"id": "i"}),
        {"type": "dynamic-tool", "toolName": "web_search", "toolCallId": "ws", "providerExecuted": True},
    ]
    items = conversation.told(
        [Message("u", "user", [{"type": "text", "text": "Pay"}]), Message("a", "assistant", said)]
    )
    assert items[:2] == [{"role": "user", "content": "Pay"}, {"role": "assistant", "content": "I pay."}]
    outputs = {one["call_id"]: one["output"] for one in items if one.get("type") == "function_call_output"}
    assert outputs == {
        "c1": '{"paid": 1}',
        "c2": "Denied, and not carried out. Reason: no money",
        "c3": "It failed: broken",
        "c4": "It was not carried out, and nobody said yes or no.",
    }
    assert next(one["arguments"] for one in items if one.get("type") == "function_call") == '{"n": 1}'


def test_a_persons_files_go_along() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "Look"},
        {"type": "file", "url": "https://example.com/a.png", "mediaType": "image/png"},
        {
            "type": "file",
            "url": "data:application/pdf;base64,AA==",
            "mediaType": "application/pdf",
            "filename": "a",
        },
        {"type": "data-order", "data": {"id": 1}},
    ]
    assert conversation.asked(Message("u", "user", parts))["content"] == [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a"},
        {"type": "input_text", "text": 'order: {"id": 1}'},
    ]
