"""The session's messages as the SDK's input items. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, cast

from holdfast.agents.outcomes import NOT_DONE, denied
from holdfast.core.messages import Message, Part

Item = dict[str, Any]


def told(messages: Iterable[Message]) -> list[Item]:
    """Former messages, oldest first. What nobody approved, or was cut off, reads as such."""
    made: list[Item] = []
    for message in messages:
        match message.role:
            case "user" if message.parts:
                made.append(asked(message))
            case "system":
                made.append({"role": "system", "content": message.text})
            case "assistant":
                made.extend(item for part in message.parts for item in _said(part))
            case _:
                pass
    return made


def asked(message: Message) -> Item:
    """What a person said, with its files."""
    contents = [one for part in message.parts for one in _contents(part)]
    if all(one["type"] == "input_text" for one in contents):
        return {"role": "user", "content": "\n\n".join(one["text"] for one in contents)}
    return {"role": "user", "content": contents}


def started(given: Any) -> Item:
    """What a turn was started with where nobody said anything."""
    return {"role": "user", "content": given if isinstance(given, str) else json.dumps(given)}


def _said(part: Part) -> Iterator[Item]:
    kind = str(part["type"])
    if kind == "text" and part["text"]:
        yield {"role": "assistant", "content": part["text"]}
    elif (kind == "dynamic-tool" or kind.startswith("tool-")) and not part.get("providerExecuted"):
        call = part["toolCallId"]
        name, given = part.get("toolName") or kind.removeprefix("tool-"), json.dumps(part.get("input") or {})
        yield {"type": "function_call", "call_id": call, "name": name, "arguments": given}
        yield {"type": "function_call_output", "call_id": call, "output": _outcome(part)}


def _outcome(part: Part) -> str:
    approval: dict[str, Any] = part.get("approval") or {}
    match part.get("state"):
        case "output-available":
            output = part.get("output")
            return output if isinstance(output, str) else json.dumps(output)
        case "output-error":
            return f"It failed: {part.get('errorText')}"
        case "output-denied":
            return denied(approval.get("reason"))
        case "approval-responded" if approval.get("approved") is False:
            return denied(approval.get("reason"))
        case _:
            return NOT_DONE


def _contents(part: Part) -> Iterator[Item]:
    kind = str(part["type"])
    if kind == "text":
        yield {"type": "input_text", "text": part["text"]}
    elif kind == "file" and str(part.get("mediaType", "")).startswith("image/"):
        yield {"type": "input_image", "image_url": part["url"], "detail": "auto"}
    elif kind == "file":
        url, name = str(part["url"]), {"filename": part["filename"]} if part.get("filename") else {}
        yield {"type": "input_file", **({"file_data": url} if url.startswith("data:") else {"file_url": url}), **name}
    elif kind.startswith("data-"):
        words = f"{kind.removeprefix('data-')}: {json.dumps(cast('Any', part.get('data')))}"
        yield {"type": "input_text", "text": words}
