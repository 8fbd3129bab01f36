"""The session's messages as a model reads them. Pure.

What a former turn's tools did is told from the message's own parts. A call that nobody approved, that expired or that
was cut off reads as such: a model must never take it for done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

import msgspec
from pydantic_ai.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
    VideoUrl,
)

from holdfast.agents.outcomes import NOT_DONE, denied, not_done
from holdfast.core.messages import Message, Part, speaker
from holdfast.runtime.results import Result

ToolOutcome = Literal["success", "failed", "denied", "interrupted"]


def asked(message: Message) -> UserPromptPart:
    """What a person said, with its files."""
    return UserPromptPart(_contents(message.parts))


def started(given: Any) -> UserPromptPart:
    """What a turn was started with where nobody said anything."""
    return UserPromptPart(given if isinstance(given, str) else json.dumps(given))


def asked_for_result() -> UserPromptPart:
    """For a model that ended without the result that it owes."""
    return UserPromptPart("Give the final result now, by its tool.")


def told(messages: Iterable[Message]) -> list[ModelMessage]:
    """Former messages, oldest first."""
    made: list[ModelMessage] = []
    for message in messages:
        match message.role:
            case "user" if message.parts:
                made.append(ModelRequest([asked(message)]))
            case "system":
                made.append(ModelRequest([SystemPromptPart(message.text)]))
            case "assistant":
                made.extend(_said(message.parts))
            case _:
                pass
    return made


def outcome(name: str, call_id: str, result: Result[Any]) -> ToolReturnPart:
    """What became of a call in this turn."""
    match result.status:
        case "done":
            value = msgspec.to_builtins(result.returned, enc_hook=str)
            if result.edited:
                value = {"result": value, "note": "A human changed the arguments first.", "arguments": result.input}
            return ToolReturnPart(name, value, call_id)
        case "denied":
            return _returned(name, call_id, denied(result.reason), "denied")
        case "failed":
            return _returned(name, call_id, f"It failed: {result.reason}", "failed")
        case _:
            return _returned(name, call_id, not_done(result), "interrupted")


def refused(name: str, call_id: str, error: str) -> ToolReturnPart:
    """A call that could not even be made."""
    return _returned(name, call_id, f"{error} Nothing was carried out: mend the call, or do without it.", "failed")


def tell_apart(response: ModelResponse, used: set[str], own_ids: Sequence[str]) -> None:
    """Give the calls whose ids were used before ids of our own, in place; `own_ids` are by part.

    Providers refuse a conversation with one id twice, and yet some give it twice.
    """
    for part, own_id in zip(response.parts, own_ids, strict=True):
        if isinstance(part, ToolCallPart):
            if part.tool_call_id in used or not part.tool_call_id:
                part.tool_call_id = own_id
            used.add(part.tool_call_id)


def ids_used(messages: Iterable[ModelMessage]) -> set[str]:
    """The ids of all calls in a conversation."""
    responses = (message for message in messages if isinstance(message, ModelResponse))
    return {part.tool_call_id for one in responses for part in one.parts if isinstance(part, ToolCallPart)}


def _said(parts: list[Part]) -> list[ModelMessage]:
    """An agent's message: each step is a response, and what its calls gave is the next request."""
    teller = _Teller()
    for part in parts:
        teller.add(part)
    teller.flush()
    return teller.made


class _Teller:
    def __init__(self) -> None:
        self.made: list[ModelMessage] = []
        self._response: list[ModelResponsePart] = []
        self._request: list[ModelRequestPart] = []

    def add(self, part: Part) -> None:
        kind = str(part["type"])
        if kind == "step-start":
            self.flush()
        elif kind == "text" and part["text"]:
            if self._request:  # what is said after a call has its result in mind
                self.flush()
            self._response.append(TextPart(part["text"]))
        elif kind == "steering-message":
            self._request.append(UserPromptPart(_contents(part.get("parts", []))))
        elif speaker(part) is not None:
            pass  # of an agent that this one had do something: its result is told
        elif (kind == "dynamic-tool" or kind.startswith("tool-")) and not part.get("providerExecuted"):
            self._tool(part, part.get("toolName") or kind.removeprefix("tool-"))

    def _tool(self, part: Part, name: str) -> None:
        given = part.get("input")
        arguments = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        self._response.append(ToolCallPart(name, arguments, part["toolCallId"]))
        self._request.append(_former(name, part))

    def flush(self) -> None:
        if self._response:
            self.made.append(ModelResponse(self._response))
        if self._request:
            self.made.append(ModelRequest(self._request))
        self._response, self._request = [], []


def _former(name: str, part: Part) -> ToolReturnPart:
    call_id: str = part["toolCallId"]
    approval: dict[str, Any] = part.get("approval") or {}
    match part.get("state"):
        case "output-available":
            return ToolReturnPart(name, part.get("output"), call_id)
        case "output-error":
            return _returned(name, call_id, f"It failed: {part.get('errorText')}", "failed")
        case "output-denied":
            return _returned(name, call_id, denied(approval.get("reason")), "denied")
        case "approval-responded" if approval.get("approved") is False:
            return _returned(name, call_id, denied(approval.get("reason")), "denied")
        case _:
            return _returned(name, call_id, NOT_DONE, "interrupted")


def _returned(name: str, call_id: str, words: str, how: ToolOutcome) -> ToolReturnPart:
    return ToolReturnPart(name, words, call_id, outcome=how)


def _contents(parts: list[Part]) -> str | list[UserContent]:
    contents: list[UserContent] = []
    for part in parts:
        kind = str(part["type"])
        if kind == "text":
            contents.append(part["text"])
        elif kind == "file":
            contents.append(_file(part))
        elif kind.startswith("data-"):
            contents.append(f"{kind.removeprefix('data-')}: {json.dumps(part.get('data'))}")
    texts = [content for content in contents if isinstance(content, str)]
    return "\n\n".join(texts) if len(texts) == len(contents) else contents


def _file(part: Part) -> UserContent:
    url, media_type = str(part["url"]), str(part.get("mediaType") or "application/octet-stream")
    if url.startswith("data:"):
        try:
            return BinaryContent.from_data_uri(url)
        except ValueError as error:
            return f"[a file that cannot be read: {error}]"
    kinds = {"image": ImageUrl, "audio": AudioUrl, "video": VideoUrl}
    return kinds.get(media_type.partition("/")[0], DocumentUrl)(url, media_type=media_type)
