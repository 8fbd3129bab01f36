"""Events of AG-UI as chunks: no HTTP, no store; each event is one that AG-UI's own models accept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from ag_ui.core import Event
from pydantic import TypeAdapter

from holdfast.agents.ag_ui import conversation
from holdfast.agents.ag_ui.asking import Shape, shape
from holdfast.agents.ag_ui.posting import parse
from holdfast.agents.ag_ui.streaming import STATE_MAX_BYTES, Streaming
from holdfast.agents.foreign.shown import AgentFailed
from holdfast.core.messages import Message, fold_chunk

EVENT: TypeAdapter[Any] = TypeAdapter(Event)
BEGIN = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
END = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}


def chunks(events: Sequence[dict[str, Any]], streaming: Streaming | None = None) -> list[dict[str, Any]]:
    streaming = streaming or Streaming()
    return [chunk for event in [BEGIN, *events] for chunk in streaming.chunks(EVENT.validate_python(event))]


def folded(made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    message = Message("m", "assistant", [])
    for chunk in made:
        fold_chunk(message, chunk)
    return message.parts


def start(message: str, role: str = "assistant") -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_START", "messageId": message, "role": role}


def content(message: str, text: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": message, "delta": text}


def end(message: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_END", "messageId": message}


def test_texts_that_overlap_are_two_parts() -> None:
    made = folded(chunks([start("a"), start("b"), content("a", "A"), content("b", "B"), end("a"), end("b")]))
    assert [(part["text"], part["state"]) for part in made] == [("A", "done"), ("B", "done")]


def test_pieces_of_text_reasoning_and_a_call_end_each_other() -> None:
    pieces = [
        {"type": "REASONING_MESSAGE_CHUNK", "messageId": "r", "delta": "Hm"},
        {"type": "REASONING_MESSAGE_CHUNK", "delta": "m."},
        {"type": "TEXT_MESSAGE_CHUNK", "messageId": "a", "delta": "One"},
        {"type": "TEXT_MESSAGE_CHUNK", "messageId": "b", "delta": "Two"},
        {"type": "TOOL_CALL_CHUNK", "toolCallId": "c", "toolCallName": "look", "delta": '{"a"'},
        {"type": "TOOL_CALL_CHUNK", "delta": ": 1}"},
        END,
    ]
    made = folded(chunks(pieces))
    assert [(part["type"], part.get("text"), part.get("input")) for part in made] == [
        ("reasoning", "Hmm.", None),
        ("text", "One", None),
        ("text", "Two", None),
        ("tool-look", None, {"a": 1}),
    ]
    assert [part["state"] for part in made] == ["done", "done", "done", "input-available"]


def test_what_users_and_systems_say_is_kept_and_not_shown() -> None:
    streaming = Streaming()
    assert chunks([start("s", "system"), content("s", "Be kind."), end("s")], streaming) == []
    assert streaming.messages == [{"id": "s", "role": "system", "content": "Be kind."}]


def test_what_is_left_open_ends_with_its_run() -> None:
    call = {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "look"}
    text, made = folded(chunks([start("a"), content("a", "A"), call, END]))
    assert (text["state"], made["state"], made["input"]) == ("done", "input-available", {})


def test_a_result_is_an_object_where_it_is_one() -> None:
    def call(id: str, result: str) -> list[dict[str, Any]]:
        return [
            {"type": "TOOL_CALL_START", "toolCallId": id, "toolCallName": "look"},
            {"type": "TOOL_CALL_RESULT", "messageId": f"r{id}", "toolCallId": id, "content": result},
        ]

    made = folded(chunks([*call("1", '{"a": 1}'), *call("2", "[no json"), *call("3", "7")]))
    assert [part["output"] for part in made] == [{"a": 1}, "[no json", "7"]


def test_a_snapshot_shows_what_was_not_streamed() -> None:
    called = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"id": "old", "role": "assistant", "content": "Before"},
        {"id": "u", "role": "user", "content": "Hi"},
        {
            "id": "a",
            "role": "assistant",
            "content": "Hm",
            "toolCalls": [called],
        },
        {"id": "r", "role": "tool", "toolCallId": "c", "content": "found"},
    ]
    snapshot = {"type": "MESSAGES_SNAPSHOT", "messages": messages}
    made = folded(chunks([snapshot, END]))
    assert [(part["type"], part.get("text") or part.get("output")) for part in made] == [
        ("text", "Hm"),
        ("tool-look", "found"),
    ]
    streamed = folded(chunks([start("x"), content("x", "Hm"), end("x"), snapshot, END]))
    assert [part["type"] for part in streamed] == ["text"]


def test_a_snapshot_is_the_conversation_from_then_on() -> None:
    streaming = Streaming()
    chunks([{"type": "MESSAGES_SNAPSHOT", "messages": [{"id": "u", "role": "user", "content": "Hi"}]}], streaming)
    assert streaming.conversation == [{"id": "u", "role": "user", "content": "Hi"}]
    for event in (start("a"), content("a", "A"), end("a")):
        list(streaming.chunks(EVENT.validate_python(event)))
    assert [one["id"] for one in streaming.conversation or []] == ["u", "a"]


def test_a_call_that_was_carried_over_is_not_said_twice() -> None:
    repeated = [
        {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "look"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": "{}"},
        {"type": "TOOL_CALL_END", "toolCallId": "c"},
        {"type": "TOOL_CALL_RESULT", "messageId": "r", "toolCallId": "c", "content": "found"},
    ]
    streaming = Streaming(carried=["c"])
    assert streaming.waiting
    chunks(repeated, streaming)
    assert [one["role"] for one in streaming.messages] == ["tool"]
    assert not streaming.unanswered
    assert not streaming.waiting


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([content("a", "A")], "a message that is not open"),
        ([start("a"), end("a"), content("a", "A")], "a message that is not open"),
        ([{"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": ""}], "a call that is not there"),
        ([{"type": "TEXT_MESSAGE_CHUNK", "delta": "A"}], "names no messageId"),
        ([{"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "x"}] * 2, "two calls with one id"),
        ([{"type": "STATE_DELTA", "delta": [{"op": "remove", "path": "/a"}]}], "cannot be applied"),
        ([{"type": "STATE_DELTA", "delta": [{"op": "copy", "from": "/a", "path": "/b"}]}], "cannot be applied"),
        ([{"type": "RUN_ERROR", "message": "Oh no."}], "Oh no."),
    ],
)
def test_what_the_protocol_forbids_fails(events: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(AgentFailed, match=words):
        chunks(events)


def test_calls_of_one_run_are_bounded() -> None:
    calls = [{"type": "TOOL_CALL_START", "toolCallId": str(n), "toolCallName": "x"} for n in range(201)]
    with pytest.raises(AgentFailed, match="more than 200 calls"):
        chunks(calls)


def test_events_of_later_versions_are_passed_over() -> None:
    assert parse('{"type": "SOMETHING_NEW", "x": 1}') is None
    assert parse('{"type": "RAW", "event": 1, "later": true}') is not None
    for bad in ("[]", "{", '{"type": 7}'):
        with pytest.raises(AgentFailed):
            parse(bad)


def test_a_message_is_told_as_those_of_which_it_was_made() -> None:
    said = [
        start("a"),
        content("a", "I look."),
        end("a"),
        {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "look", "parentMessageId": "a"},
        {"type": "TOOL_CALL_RESULT", "messageId": "r", "toolCallId": "c", "content": "found"},
        start("b"),
        content("b", "Found."),
        end("b"),
    ]
    streaming = Streaming()
    parts = folded(chunks(said, streaming))
    told = conversation.told([Message("m", "assistant", parts)])
    assert [(one["role"], one["id"]) for one in told] == [("assistant", "a"), ("tool", "result-c"), ("assistant", "b")]
    assert told[0] == streaming.messages[0]


def test_files_and_data_of_people_are_told() -> None:
    parts = [
        {"type": "text", "text": "See:"},
        {"type": "file", "url": "data:image/png;base64,AAAA", "mediaType": "image/png"},
        {"type": "file", "url": "https://example.com/a.pdf", "mediaType": "application/pdf"},
        {"type": "data-order", "data": {"id": 7}},
    ]
    told = conversation.asked(Message("m", "user", parts))
    assert [(part["type"], part.get("source", {}).get("type")) for part in told["content"]] == [
        ("text", None),
        ("image", "data"),
        ("document", "url"),
        ("text", None),
    ]


def test_nothing_that_nobody_approved_reads_as_done() -> None:
    part = {"type": "tool-pay", "toolCallId": "c", "input": {}}
    states = [
        {"state": "approval-requested", "approval": {"id": "1"}},
        {"state": "output-denied", "approval": {"id": "1", "approved": False, "reason": "too much"}},
        {"state": "output-error", "errorText": "Interrupted."},
        {"state": "input-available"},
    ]
    told = [conversation.told([Message("m", "assistant", [part | state])])[1] for state in states]
    assert all("error" in one for one in told)
    assert "too much" in told[1]["content"]


def fields(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


APPROVED = {"type": "boolean"}


@pytest.mark.parametrize(
    ("reason", "schema", "expected"),
    [
        ("confirmation", None, Shape("verdict")),
        ("input_required", None, Shape("text")),
        ("x", {"type": "boolean"}, Shape("boolean")),
        ("x", {"type": "string"}, Shape("text")),
        ("x", {**fields(approved=APPROVED), "required": ["approved"]}, Shape("verdict")),
        ("x", fields(approved=APPROVED, editedArgs={"type": "object"}), Shape("verdict", "editedArgs")),
        ("x", fields(approved=APPROVED, input={"type": "object"}), Shape("verdict", "input")),
        ("x", fields(selected={"type": "array"}, text={"type": "string"}), Shape("reply")),
        ("x", fields(day={"type": "string"}), Shape("content")),
        ("x", fields(action={"enum": ["accept"]}, content=fields(day={"type": "string"})), Shape("filled")),
    ],
)
def test_what_an_answer_must_look_like(reason: str, schema: dict[str, Any] | None, expected: Shape) -> None:
    assert shape(reason, schema) == expected


def test_a_form_that_no_device_can_show_fails() -> None:
    with pytest.raises(AgentFailed, match="no device can show"):
        shape("x", fields(nested=fields(day={"type": "string"})))


@pytest.mark.parametrize("deltas", [[40], [1] * 40])
def test_a_patch_that_copies_cannot_make_the_state_huge(deltas: list[int]) -> None:
    """40 copies in a few bytes would be a terabyte: the first piece of it that is too large ends the run."""
    doubled = {"op": "copy", "from": "/a", "path": "/a/-"}
    told = [{"type": "STATE_DELTA", "delta": [doubled] * times} for times in deltas]
    streaming = Streaming(state={"a": ["x" * 1_000]})
    with pytest.raises(AgentFailed, match="grows larger"):
        chunks(told, streaming)
    assert len(msgspec.json.encode(streaming.state)) <= STATE_MAX_BYTES


def test_a_patch_copies() -> None:
    streaming = Streaming(state={"a": [1]})
    chunks([{"type": "STATE_DELTA", "delta": [{"op": "copy", "from": "/a", "path": "/b"}]}], streaming)
    assert streaming.state == {"a": [1], "b": [1]}
