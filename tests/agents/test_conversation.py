"""What a model reads of former messages: whose words, what tools gave, and what was never done."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import (
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from holdfast.agents.models import condensing, conversation
from holdfast.core.messages import Message

CALL = {"type": "tool-refund", "toolCallId": "call_1", "input": {"order": "A-17"}}


def agent(*parts: dict[str, Any]) -> Message:
    return Message("m", "assistant", list(parts))


def test_a_call_and_what_it_gave_come_before_what_was_said_of_it() -> None:
    done = CALL | {"state": "output-available", "output": "refunded"}
    made = conversation.told([agent({"type": "text", "text": "I do it."}, done, {"type": "text", "text": "Done."})])
    first, results, last = made
    assert isinstance(first, ModelResponse)
    assert isinstance(last, ModelResponse)
    assert [type(part) for part in first.parts] == [TextPart, ToolCallPart]
    assert [part.content for part in results.parts if isinstance(part, ToolReturnPart)] == ["refunded"]
    assert last.text == "Done."


@pytest.mark.parametrize(
    ("state", "outcome", "word"),
    [
        ({"state": "output-error", "errorText": "no money"}, "failed", "no money"),
        ({"state": "output-denied", "approval": {"reason": "too much"}}, "denied", "too much"),
        ({"state": "output-denied"}, "denied", "not carried out"),
        ({"state": "approval-requested"}, "interrupted", "nobody said yes or no"),
        ({"state": "approval-responded", "approval": {"approved": False}}, "denied", "not carried out"),
        ({"state": "approval-responded", "approval": {"approved": True}}, "interrupted", "not carried out"),
        ({"state": "input-streaming"}, "interrupted", "not carried out"),
    ],
)
def test_what_was_not_done_never_reads_as_done(state: dict[str, Any], outcome: str, word: str) -> None:
    _, results = conversation.told([agent(CALL | state)])
    assert isinstance(results, ModelRequest)
    (told,) = results.parts
    assert isinstance(told, ToolReturnPart)
    assert told.outcome == outcome
    assert word in str(told.content)


def test_steps_are_responses_of_their_own() -> None:
    step, text = {"type": "step-start"}, {"type": "text", "text": "x"}
    assert len(conversation.told([agent(step, text, step, text)])) == 2


def test_files_go_in_by_their_bytes_or_by_their_address() -> None:
    files = [
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,aGk="},
        {"type": "file", "mediaType": "image/png", "url": "https://example.com/a.png"},
        {"type": "file", "mediaType": "application/pdf", "url": "https://example.com/a.pdf"},
        {"type": "file", "mediaType": "image/png", "url": "data:nonsense"},
    ]
    asked = conversation.asked(Message("m", "user", [{"type": "text", "text": "Look."}, *files]))
    assert isinstance(asked, UserPromptPart)
    text, image, linked, document, broken = asked.content
    assert text == "Look."
    assert isinstance(image, BinaryContent)
    assert image.data == b"hi"
    assert isinstance(linked, ImageUrl)
    assert isinstance(document, DocumentUrl)
    assert "cannot be read" in str(broken)


def test_what_another_branch_condensed_is_not_found() -> None:
    given = {"condensed": {"through": "elsewhere", "summary": "x"}}
    history = [Message("a", "user", []), Message("b", "assistant", [], given)]
    assert condensing.found(history) == (None, history)
