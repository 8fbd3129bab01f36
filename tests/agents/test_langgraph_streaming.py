"""LangChain's messages as chunks: no graph, no store."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage

from holdfast.agents.langgraph.conversation import Place, asked, place, said
from holdfast.agents.langgraph.streaming import Streaming
from holdfast.core.messages import Message, fold_chunk


def folded(streaming: Streaming, *messages: Any, at: str = "model:1") -> list[dict[str, Any]]:
    chunks = [chunk for message in messages for chunk in streaming.piece(message, at)]
    message = Message("m", "assistant", [])
    for chunk in [*chunks, *streaming.end()]:
        fold_chunk(message, chunk)
    return message.parts


def call(name: str | None, args: str, id: str | None, index: int = 0) -> AIMessageChunk:
    piece: Any = {"name": name, "args": args, "id": id, "index": index, "type": "tool_call_chunk"}
    return AIMessageChunk("", tool_call_chunks=[piece])


def test_pieces_make_a_text_a_reasoning_and_calls_side_by_side() -> None:
    made = folded(
        Streaming(),
        AIMessageChunk([{"type": "reasoning", "reasoning": "Hm"}], id="a"),
        AIMessageChunk([{"type": "text", "text": "On"}]),
        AIMessageChunk([{"type": "text", "text": "e."}]),
        call("look", '{"a"', "c1"),
        call("pay", "{", "c2", 1),
        call(None, ": 1}", None),
        call(None, "}", None, 1),
        AIMessageChunk("", chunk_position="last"),
    )
    assert [(part["type"], part.get("text") or part.get("input"), part["state"]) for part in made] == [
        ("reasoning", "Hm", "done"),
        ("text", "One.", "done"),
        ("tool-look", {"a": 1}, "input-available"),
        ("tool-pay", {}, "input-available"),
    ]


def test_two_nodes_that_speak_at_once_are_two_texts() -> None:
    streaming = Streaming()
    pieces = [("a", "A1"), ("b", "B1"), ("a", "A2"), ("b", "B2")]
    chunks = [chunk for at, text in pieces for chunk in streaming.piece(AIMessageChunk(text, id=at), at)]
    message = Message("m", "assistant", [])
    for chunk in [*chunks, *streaming.end()]:
        fold_chunk(message, chunk)
    assert [part["text"] for part in message.parts] == ["A1A2", "B1B2"]


def test_a_message_that_was_streamed_is_not_told_twice() -> None:
    streaming = Streaming()
    made = folded(streaming, AIMessageChunk("Hi.", id="a", chunk_position="last"), AIMessage("Hi.", id="a"))
    assert [part["text"] for part in made] == ["Hi."]


def test_whole_messages_and_results() -> None:
    streaming = Streaming()
    calls: Any = [{"name": "look", "args": {"a": 1}, "id": "c1"}, {"name": "pay", "args": {}, "id": "c2"}]
    made = folded(
        streaming,
        HumanMessage("Hi", id="h"),
        SystemMessage("Be kind.", id="s"),
        AIMessage("I look.", id="a", tool_calls=calls),
        ToolMessage('{"found": true}', tool_call_id="c1", id="t1"),
        ToolMessage("no money", tool_call_id="c2", id="t2", status="error"),
    )
    assert [(part["type"], part.get("output", part.get("errorText"))) for part in made] == [
        ("text", None),
        ("tool-look", {"found": True}),
        ("tool-pay", "no money"),
    ]
    assert not streaming.unfinished


def test_arguments_that_are_no_json_say_so() -> None:
    [made] = folded(Streaming(), call("look", "{oh", "c1"), AIMessageChunk("", chunk_position="last"))
    assert made["state"] == "output-error"
    assert "no JSON" in made["errorText"]


def test_a_graph_goes_on_from_where_the_last_turn_left_it() -> None:
    left = {"langgraph": {"thread": "t", "checkpoint": "c"}}
    history = [
        Message("u1", "user", [{"type": "text", "text": "Hi"}]),
        Message("a1", "assistant", [{"type": "text", "text": "Hello."}], left),
        Message("u2", "user", [{"type": "text", "text": "Never mind"}]),
        Message("a2", "assistant", [{"type": "text", "text": "I was cut"}]),
    ]
    at, since = place("turn", history)
    assert at == Place("t", "c")
    assert [(one.type, one.text) for one in said(since)] == [("human", "Never mind"), ("ai", "I was cut")]
    assert place("turn", history[:1])[0] == Place("turn")


def test_files_of_people_are_passed_on() -> None:
    parts = [
        {"type": "text", "text": "See:"},
        {"type": "file", "url": "data:image/png;base64,AAAA", "mediaType": "image/png"},
        {"type": "file", "url": "https://example.com/a.pdf", "mediaType": "application/pdf"},
    ]
    content: Any = asked(Message("m", "user", parts)).content
    assert [(block["type"], "base64" in block) for block in content] == [
        ("text", False),
        ("image", True),
        ("file", False),
    ]
