"""The fold of a message: shared cases, and promise 9 for one message (any split gives the same)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.messages import Message, fold_chunk, interrupted

CASES = json.loads((Path(__file__).parents[2] / "conformance" / "messages.json").read_text("utf-8"))


def fresh() -> Message:
    return Message(id="", role="assistant", parts=[])


def through_json(message: Message) -> Message:
    return msgspec.json.decode(msgspec.json.encode(message), type=Message)


def folded(message: Message, chunks: list[dict[str, Any]]) -> Message:
    for chunk in chunks:
        fold_chunk(message, chunk)
    return message


def exact(message: Message) -> str:
    """Tells apart what Python calls equal: 1, 1.0 and True."""
    return json.dumps(msgspec.to_builtins(message), sort_keys=True)


# ---------------------------------------------------------------- shared cases


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_shared_case(case: dict[str, Any]) -> None:
    message = msgspec.convert(case.get("start", msgspec.to_builtins(fresh())), Message)
    folded(message, case["chunks"])
    if case.get("then") == "interrupted":
        interrupted(message)
    assert json.loads(msgspec.json.encode(message)) == case["message"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_shared_case_with_a_snapshot_after_every_chunk(case: dict[str, Any]) -> None:
    message = msgspec.convert(case.get("start", msgspec.to_builtins(fresh())), Message)
    for chunk in case["chunks"]:
        message = through_json(message)
        fold_chunk(message, chunk)
    if case.get("then") == "interrupted":
        interrupted(message)
    assert json.loads(msgspec.json.encode(message)) == case["message"]


# ---------------------------------------------------------------- properties

IDS = st.sampled_from(["0", "1"])
TEXTS = st.sampled_from(["", "a", "é😀", '{"a":', "1}"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", 0.5]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "__proto__"]), VALUES, max_size=3)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": IDS,
    "delta": TEXTS,
    "toolCallId": IDS,
    "toolName": st.sampled_from(["refund", "search"]),
    "inputTextDelta": TEXTS,
    "inputEncoding": st.sampled_from(["json", "text"]),
    "dynamic": st.booleans(),
    "title": TEXTS,
    "input": VALUES,
    "output": VALUES,
    "preliminary": st.booleans(),
    "errorText": TEXTS,
    "approvalId": IDS,
    "approved": st.booleans(),
    "reason": st.none() | TEXTS,
    "isAutomatic": st.booleans(),
    "inputSchemaInput": VALUES,
    "providerExecuted": st.booleans(),
    "providerMetadata": OBJECTS,
    "toolMetadata": OBJECTS,
    "messageMetadata": OBJECTS,
    "messageId": IDS,
    "data": VALUES,
    "transient": st.booleans(),
    "url": TEXTS,
}
META = ("providerMetadata",)
TOOL = ("toolMetadata", "providerExecuted", *META)
#: type → what it always has, what it may have
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "start": ((), ("messageId", "messageMetadata")),
    "start-step": ((), ()),
    "finish-step": ((), ()),
    "reset-step": ((), ()),
    **{f"{kind}-start": (("id",), META) for kind in ("text", "reasoning")},
    **{f"{kind}-delta": (("id", "delta"), META) for kind in ("text", "reasoning")},
    **{f"{kind}-end": (("id",), META) for kind in ("text", "reasoning")},
    "tool-input-start": (("toolCallId", "toolName"), ("dynamic", "title", "inputEncoding", *TOOL)),
    "tool-input-delta": (("toolCallId", "inputTextDelta"), ()),
    "tool-input-available": (("toolCallId", "toolName", "input"), ("dynamic", "title", *TOOL)),
    "tool-input-error": (("toolCallId", "toolName", "input", "errorText"), ("dynamic", *TOOL)),
    "tool-approval-request": (("toolCallId", "approvalId"), ("reason", "isAutomatic", "inputSchemaInput")),
    "tool-approval-response": (("approvalId", "approved"), ("reason", "toolCallId", "providerExecuted")),
    "tool-output-available": (("toolCallId", "output"), ("preliminary", *TOOL)),
    "tool-output-error": (("toolCallId", "errorText"), TOOL),
    "tool-output-denied": (("toolCallId",), ("reason",)),
    "file": (("url",), META),
    "source-url": (("url",), ("title", *META)),
    "data-a": (("data",), ("id", "transient")),
    "data-b": (("data",), ("id", "transient")),
    "message-metadata": (("messageMetadata",), ()),
    "finish": ((), ("messageMetadata",)),
    "abort": ((), ("reason",)),
}


@st.composite
def chunks_of_the_protocol(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    always, maybe = KINDS[kind]
    fields = {key: FIELDS[key] for key in always}
    optional = {key: FIELDS[key] for key in maybe}
    return {"type": kind} | draw(st.fixed_dictionaries(fields, optional=optional))


STREAMS = st.lists(chunks_of_the_protocol(), max_size=40)
GARBAGE = st.dictionaries(st.sampled_from(["type", *FIELDS]), st.sampled_from(sorted(KINDS)) | VALUES, max_size=6)


@given(STREAMS, st.sets(st.integers(0, 40)))
def test_snapshots_at_any_places_change_nothing(chunks: list[dict[str, Any]], places: set[int]) -> None:
    """Promise 9: folded from the whole log, or from a snapshot and the replay since."""
    message = fresh()
    for place, chunk in enumerate(chunks):
        if place in places:
            message = through_json(message)
        fold_chunk(message, chunk)
    assert exact(message) == exact(folded(fresh(), chunks))


@given(STREAMS)
def test_a_fold_does_not_change_the_chunks(chunks: list[dict[str, Any]]) -> None:
    """The same chunk objects are folded by many: the hub must not see its log change under it."""
    before = json.dumps(chunks)
    interrupted(folded(fresh(), chunks))
    assert json.dumps(chunks) == before


@given(st.lists(GARBAGE | chunks_of_the_protocol(), max_size=20))
def test_no_chunk_makes_a_fold_fail_or_unencodable(chunks: list[dict[str, Any]]) -> None:
    message = folded(fresh(), chunks)
    assert exact(through_json(message)) == exact(message)


@given(STREAMS)
def test_an_interrupted_message_streams_no_more(chunks: list[dict[str, Any]]) -> None:
    message = folded(fresh(), chunks)
    interrupted(message)
    states = [part.get("state") for part in message.parts]
    assert "streaming" not in states
    assert "input-streaming" not in states
    again = through_json(message)
    interrupted(again)
    assert exact(again) == exact(message)


# ---------------------------------------------------------------- the message itself


def test_a_message_without_metadata_does_not_name_it() -> None:
    assert msgspec.json.encode(fresh()) == b'{"id":"","role":"assistant","parts":[]}'


def test_text_and_files_are_found_among_the_parts() -> None:
    file = {"type": "file", "mediaType": "image/png", "url": "https://example.com/a.png"}
    parts = [
        {"type": "text", "text": "What is "},
        file,
        {"type": "reasoning", "text": "no"},
        {"type": "text", "text": "this?"},
    ]
    message = Message(id="m1", role="user", parts=parts)
    assert message.text == "What is this?"
    assert message.files == [file]


def test_a_snapshot_taken_earlier_stays_as_it_was() -> None:
    first = {"type": "start", "messageId": "m1", "messageMetadata": {"a": {"b": 1}}}
    message = folded(fresh(), [first])
    fold_chunk(message, {"type": "message-metadata", "messageMetadata": {"a": {"c": 2}}})
    assert message.metadata == {"a": {"b": 1, "c": 2}}
    assert first["messageMetadata"] == {"a": {"b": 1}}
