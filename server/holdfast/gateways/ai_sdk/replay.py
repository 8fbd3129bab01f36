"""What brings a chat of the AI SDK on: from the message that it has to the message that stands, in chunks.

A chat folds chunks into a message as we do; this goes the other way. Of nothing it is the whole message; of what a
chat has already, it is the difference. `onToolCall` fires for each `tool-input-available`, on every replay and every
device, so that chunk is said of calls that are still to be run, and of no other: the input of a settled call
comes as if it streamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from holdfast.core.messages import Message, Part

Chunk = dict[str, Any]

TEXTS = ("text", "reasoning")
#: The last word on a call, and what that is called in a chunk.
OUTCOMES = {
    "output-available": ("tool-output-available", ("output", "preliminary")),
    "output-error": ("tool-output-error", ("errorText",)),
    "output-denied": ("tool-output-denied", ()),
}
#: What must be equal for two states of a call to be shown alike.
_SHOWN = ("state", "output", "errorText", "preliminary")


def catching_up(known: Message | None, message: Message) -> list[Chunk]:
    """The chunks after which who has `known` (None: nothing) has `message`. Neither is changed."""
    have = {} if known is None else dict(zip(_places(known.parts), known.parts, strict=True))
    chunks: list[Chunk] = []
    for index, (place, part) in enumerate(zip(_places(message.parts), message.parts, strict=True)):
        chunks += _brought_on(have.get(place), part, index)
    return chunks


def is_tool(part: Part) -> bool:
    """Whether a part is a call of a tool."""
    return part["type"] == "dynamic-tool" or part["type"].startswith("tool-")


def asked_in(part: Part | None) -> Part:
    """What a call's part says of its approval; empty: nothing."""
    approval: object = (part or {}).get("approval")
    return cast("Part", approval) if isinstance(approval, dict) else {}


def outcome(part: Part) -> list[Chunk]:
    """The last word on a call, if it has been said."""
    if part["state"] not in OUTCOMES:
        return []
    kind, fields = OUTCOMES[part["state"]]
    chunk = {"type": kind, "toolCallId": part["toolCallId"], **_taken(part, fields)}
    return [_with_metadata(chunk, part.get("resultProviderMetadata"))]


def last_step(message: Message) -> list[Part]:
    """The parts after the last beginning of a step."""
    begins = [index for index, part in enumerate(message.parts) if part["type"] == "step-start"]
    return message.parts[begins[-1] + 1 :] if begins else message.parts


def _places(parts: Iterable[Part]) -> Iterator[tuple[str, int]]:
    """What tells a part from the others: its call or type, and how many of these came before it."""
    seen: Counter[str] = Counter()
    for part in parts:
        name = str(part.get("toolCallId")) if is_tool(part) else f"{part['type']} {part.get('id', '')}"
        if part["type"] in TEXTS:
            name = part["type"]  # the id of a text is gone when it is done
        yield name, seen[name]
        seen[name] += 1


def _brought_on(old: Part | None, part: Part, index: int) -> list[Chunk]:
    if part["type"] in TEXTS:
        return _text(old, part, index)
    if is_tool(part):
        return _tool(old, part)
    if old is not None and (not part["type"].startswith("data-") or old.get("data") == part.get("data")):
        return []
    return [{"type": "start-step"}] if part["type"] == "step-start" else [dict(part)]


# ---------------------------------------------------------------- texts


def _text(old: Part | None, part: Part, index: int) -> list[Chunk]:
    """All of it, or what is missing: as a part of its own, for one that was left cannot be continued."""
    kind, text, had = part["type"], part["text"], None if old is None else old.get("text")
    if isinstance(had, str):
        text = text[len(had) :] if text.startswith(had) else ""
        if not text:
            return []
    own_id = part.get("id") or f"{kind}:{index}"
    chunks = [_with_metadata({"type": f"{kind}-start", "id": own_id}, part.get("providerMetadata"))]
    if text:
        chunks.append({"type": f"{kind}-delta", "id": own_id, "delta": text})
    if part.get("state") != "streaming":
        chunks.append({"type": f"{kind}-end", "id": own_id, **_taken(part, ("citations",))})
    return chunks


# ---------------------------------------------------------------- calls


def _tool(old: Part | None, part: Part) -> list[Chunk]:
    if old is not None and _alike(old, part):
        return []
    begun = old is not None and old.get("state") != "input-streaming"
    return [*([] if begun else _input(part)), *_approval(old, part), *_to_run(old, part), *outcome(part)]


def _alike(old: Part, part: Part) -> bool:
    if part["state"] == "input-streaming":
        return old.get("state") != part["state"] or old.get("rawInput", "") == part.get("rawInput", "")
    asked, had = asked_in(part), asked_in(old)
    same = all(asked.get(key) == had.get(key) for key in ("id", "approved", "reason"))
    return same and all(old.get(key) == part.get(key) for key in _SHOWN)


def _input(part: Part) -> list[Chunk]:
    """What the tool is called with, as if it streamed."""
    if part["state"] == "input-available" and "approval" not in part:
        return []
    begun = {"type": "tool-input-start", **_head(part), **_taken(part, ("inputEncoding",))}
    said = msgspec.json.encode(part["input"]).decode() if "input" in part else part.get("rawInput")
    delta = {"type": "tool-input-delta", "toolCallId": part["toolCallId"], "inputTextDelta": said}
    return [_with_metadata(begun, part.get("callProviderMetadata")), *([delta] if said else [])]


def _to_run(old: Part | None, part: Part) -> list[Chunk]:
    """That the call is to be run: the one chunk at which `onToolCall` fires. Not to who says that it has run."""
    if part["state"] != "input-available" or (old is not None and old.get("state") in (*OUTCOMES, part["state"])):
        return []
    chunk = {"type": "tool-input-available", **_head(part), "input": part.get("input")}
    return [_with_metadata(chunk, part.get("callProviderMetadata"))]


def _head(part: Part) -> Chunk:
    head = {"toolCallId": part["toolCallId"], "toolName": _name(part), **_taken(part, ("title", "toolMetadata"))}
    if part["type"] == "dynamic-tool":
        head["dynamic"] = True
    return head | _taken(part, ("providerExecuted",))


def _approval(old: Part | None, part: Part) -> list[Chunk]:
    """What was asked about the call, and the answer: always before the output."""
    asked, had = asked_in(part), asked_in(old)
    if not asked:
        return []
    chunks: list[Chunk] = []
    answered = "approved" in asked
    if had.get("id") != asked["id"] or not answered:
        chunks.append(_request(part, asked))
    if answered:
        response = {"type": "tool-approval-response", "approvalId": asked["id"], "approved": asked["approved"]}
        chunks.append(response | _taken(asked, ("reason",)))
    return chunks


def _request(part: Part, asked: Part) -> Chunk:
    named = {"descriptor": "approvalDescriptor", "requestReason": "reason"}
    kept = _taken(asked, ("descriptor", "inputSchemaInput", "requestReason", "isAutomatic", "signature"))
    said = {named.get(key, key): value for key, value in kept.items()}
    return {"type": "tool-approval-request", "approvalId": asked["id"], "toolCallId": part["toolCallId"], **said}


def _name(part: Part) -> str:
    return part["toolName"] if part["type"] == "dynamic-tool" else part["type"].removeprefix("tool-")


def _taken(source: Part, keys: Iterable[str]) -> Chunk:
    return {key: source[key] for key in keys if key in source}


def _with_metadata(chunk: Chunk, metadata: Any) -> Chunk:
    return chunk if metadata is None else {**chunk, "providerMetadata": metadata}
