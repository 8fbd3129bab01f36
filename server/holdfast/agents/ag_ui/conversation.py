"""The session's messages as an AG-UI agent reads them. Pure.

Ids are the agent's own, where it gave some (they are kept beside the parts): an agent with a memory knows its messages
by them. What nobody approved, what expired or was cut off reads as such: an agent must never take it for done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from holdfast.agents.outcomes import NOT_DONE, denied
from holdfast.core.messages import Message, Part

Wire = dict[str, Any]  # a message of AG-UI, as it is sent

_KINDS = {"image": "image", "audio": "audio", "video": "video"}


def asked(message: Message) -> Wire:
    """What a person said, with its files."""
    return {"id": message.id, "role": "user", "content": _contents(message.parts)}


def started(turn: str, given: Any) -> Wire:
    """What a turn was started with where nobody said anything."""
    return {"id": f"input-{turn}", "role": "user", "content": given if isinstance(given, str) else json.dumps(given)}


def told(messages: Iterable[Message]) -> list[Wire]:
    """Former messages, oldest first."""
    made: list[Wire] = []
    for message in messages:
        match message.role:
            case "user" if message.parts:
                made.append(asked(message))
            case "system":
                made.append({"id": message.id, "role": "system", "content": message.text})
            case "assistant":
                made.extend(_Teller(message.id).all(message.parts))
            case _:
                pass
    return made


def answered(call: str, value: Any) -> Wire:
    """What one of our tools gave."""
    content = value if isinstance(value, str) else json.dumps(value)
    return {"id": f"result-{call}", "role": "tool", "toolCallId": call, "content": content}


def not_answered(call: str, error: str) -> Wire:
    """Why one of our tools gave nothing."""
    return {**answered(call, error), "error": error}


class _Teller:
    """An agent's message as those of which it was made: texts, the calls of each, and then what these gave."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._made: dict[str, Wire] = {}
        self._results: list[Wire] = []
        self._last: str | None = None

    def all(self, parts: list[Part]) -> list[Wire]:
        for part in parts:
            kind = str(part["type"])
            if kind == "step-start":
                self._settle()
            elif kind == "text" and part["text"]:
                self._text(part)
            elif (kind == "dynamic-tool" or kind.startswith("tool-")) and not part.get("providerExecuted"):
                self._call(part, part.get("toolName") or kind.removeprefix("tool-"))
        self._settle()
        return list(self._made.values())

    def _text(self, part: Part) -> None:
        if self._results:  # what is said after a call has its result in mind
            self._settle()
        self._assistant(_theirs(part, "messageId", "providerMetadata"))["content"] = part["text"]

    def _call(self, part: Part, name: str) -> None:
        call = _theirs(part, "toolCallId", "callProviderMetadata") or str(part["toolCallId"])
        made = {"name": name, "arguments": json.dumps(part.get("input") or {})}
        parent = _theirs(part, "messageId", "callProviderMetadata") or self._last
        calls = self._assistant(parent).setdefault("toolCalls", [])
        calls.append({"id": call, "type": "function", "function": made})
        self._results.append(_former(call, part))

    def _assistant(self, message: str | None) -> Wire:
        own_id = message or f"{self._message}-{len(self._made)}"
        self._last = own_id
        return self._made.setdefault(own_id, {"id": own_id, "role": "assistant"})

    def _settle(self) -> None:
        """What is said next comes after these results."""
        self._made.update((result["id"], result) for result in self._results)
        self._results, self._last = [], None


def _theirs(part: Part, name: str, field: str) -> str | None:
    kept = cast("dict[str, Any]", part.get(field) or {}).get("agui")
    value = cast("dict[str, Any]", kept).get(name) if isinstance(kept, dict) else None
    return value if isinstance(value, str) else None


def _former(call: str, part: Part) -> Wire:
    approval: dict[str, Any] = part.get("approval") or {}
    match part.get("state"):
        case "output-available":
            return answered(call, part.get("output"))
        case "output-error":
            return not_answered(call, str(part.get("errorText")))
        case "output-denied" | "approval-responded" if approval.get("approved") is False:
            return not_answered(call, denied(approval.get("reason")))
        case _:
            return not_answered(call, NOT_DONE)


def _contents(parts: list[Part]) -> str | list[Wire]:
    contents: list[Wire] = []
    for part in parts:
        kind = str(part["type"])
        if kind == "text":
            contents.append({"type": "text", "text": part["text"]})
        elif kind == "file":
            contents.append(_file(part))
        elif kind.startswith("data-"):
            said = f"{kind.removeprefix('data-')}: {json.dumps(part.get('data'))}"
            contents.append({"type": "text", "text": said})
    texts = [content["text"] for content in contents if content["type"] == "text"]
    return "\n\n".join(texts) if len(texts) == len(contents) else contents


def _file(part: Part) -> Wire:
    url, media_type = str(part["url"]), str(part.get("mediaType") or "application/octet-stream")
    kind = _KINDS.get(media_type.partition("/")[0], "document")
    head, comma, data = url.partition(",")
    if url.startswith("data:") and comma and head.endswith(";base64"):
        return {"type": kind, "source": {"type": "data", "value": data, "mimeType": media_type}}
    return {"type": kind, "source": {"type": "url", "value": url, "mimeType": media_type}}
