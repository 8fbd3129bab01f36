"""A message, and how the chunks of a stream are folded into it.

The shape is the AI SDK's `UIMessage` and the rules are those of its version 7, so that a message that
was folded here and one that was folded by `useChat` are the same. `tests/conformance/messages.json`
holds the cases; `client_js/src/messages.js` folds the same way.

Everything that a fold needs to go on is in the message itself: a message that went through JSON in the
middle of its stream goes on as if it had not (promise 9). This, and that a fold never fails, are the
reasons for each way in which it differs from the AI SDK:

- A text part carries the `id` of its chunks while it streams, and loses it when it is done.
- While a tool's input streams, the part has the text so far as `rawInput` and no guessed `input`.
- A chunk that continues what is not there or is finished already (history was trimmed, a producer is
  confused) is passed over; the AI SDK gives up the whole stream. So are chunks that are malformed or of
  an unknown type.
- What a `null` is given for is absent, except the values `input` and `output`, and `data`.
- The id of a message is the log's: `start` names a message that has no name yet, and renames none.
- Fields of our own: `tool-output-denied` may have a `reason`, `tool-approval-response` a `toolCallId`
  (for a part whose request is not there), and `file` a `filename`.

Chunks and messages are values as JSON gives them: no tuples, no NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, TypeGuard, cast

import msgspec

Part: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Mapping[str, Any]
Role: TypeAlias = Literal["user", "assistant", "system"]

#: What a tool part says whose input had not arrived in full when its turn ended.
INTERRUPTED = "Interrupted."


class Message(msgspec.Struct, omit_defaults=True):
    """What a person or the agent said, in parts; fold an agent's chunks into it with `fold_chunk`."""

    id: str
    role: Role
    parts: list[Part]
    metadata: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of all text parts, one after the other."""
        return "".join(part["text"] for part in self.parts if part["type"] == "text")

    @property
    def files(self) -> list[Part]:
        """The parts that are files."""
        return [part for part in self.parts if part["type"] == "file"]


def fold_chunk(message: Message, chunk: Chunk) -> None:
    """Let one chunk of the agent's stream change its message, in place.

    Never raises for a chunk, whatever is in it: what cannot be applied leaves the message as it is.
    """
    kind = chunk.get("type")
    if not isinstance(kind, str):
        return
    rule = _DATA if kind.startswith("data-") else _RULES.get(kind)
    if rule is not None and all(isinstance(chunk.get(key), str) for key in rule.needs):
        rule.fold(message, chunk)


def said_by(agent: str) -> dict[str, Any]:
    """The metadata of a part that is of an agent which the message's own agent had do something."""
    return {"holdfast": {"agent": agent}}


def speaker(part: Part) -> str | None:
    """The agent that a part is of, if it is not the message's own."""
    for name in ("providerMetadata", "callProviderMetadata"):
        given = part.get(name)
        own: Any = given.get("holdfast") if _is_object(given) else None
        if _is_object(own) and isinstance(own.get("agent"), str):
            return own["agent"]
    return None


def interrupted(message: Message) -> None:
    """Close what still streams, in place, because the turn ended in the middle of the message.

    Text and reasoning keep what arrived. A tool call whose input is incomplete was never made, and says
    so. Other tool calls stay as they are: what became of them is for their own chunks to say.
    """
    for part in message.parts:
        if part["type"] in ("text", "reasoning") and part.get("state") == "streaming":
            _finish_text(part)
        elif _is_tool(part) and part.get("state") == "input-streaming":
            part.pop("inputEncoding", None)
            part.update(state="output-error", errorText=INTERRUPTED)


# ---------------------------------------------------------------- looking


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_dynamic(part: Part) -> bool:
    return part["type"] == "dynamic-tool"


def _is_static(part: Part) -> bool:
    return str(part["type"]).startswith("tool-")


def _is_tool(part: Part) -> bool:
    return _is_dynamic(part) or _is_static(part)


def _step_start(message: Message) -> int:
    """Where the current step begins; a message without steps is one step."""
    for index in range(len(message.parts) - 1, -1, -1):
        if message.parts[index]["type"] == "step-start":
            return index + 1
    return 0


def _first_in_step(message: Message, call_id: object, fits: Callable[[Part], bool]) -> Part | None:
    step = message.parts[_step_start(message) :]
    return next((part for part in step if fits(part) and part.get("toolCallId") == call_id), None)


def _latest(message: Message, fits: Callable[[Part], bool]) -> Part | None:
    return next((part for part in reversed(message.parts) if fits(part)), None)


def _tool_part(message: Message, chunk: Chunk) -> Part | None:
    """The call that a chunk is about: this step's, else the latest, for models re-use their ids."""
    call_id = chunk.get("toolCallId")
    return _first_in_step(message, call_id, _is_tool) or _latest(
        message, lambda part: _is_tool(part) and part.get("toolCallId") == call_id
    )


#: Values in which `null` is a value; everywhere else it is the same as nothing.
_NULLABLE = frozenset({"input", "output"})


def _pick(source: Mapping[str, Any], keys: Iterable[str]) -> Part:
    return {key: source[key] for key in keys if key in source and (source[key] is not None or key in _NULLABLE)}


# ---------------------------------------------------------------- text and reasoning


def _text_start(message: Message, chunk: Chunk) -> None:
    kind = str(chunk["type"]).removesuffix("-start")
    part: Part = {"type": kind, "id": chunk["id"], "text": "", "state": "streaming"}
    message.parts.append(part | _pick(chunk, ("providerMetadata",)))


def _streaming_text(message: Message, chunk: Chunk) -> Part | None:
    """The latest part of this id that is not done: providers count from 0 again in each step."""
    kind = str(chunk["type"]).partition("-")[0]
    wanted = (kind, chunk["id"], "streaming")
    return _latest(message, lambda p: (p["type"], p.get("id"), p.get("state")) == wanted)


def _text_delta(message: Message, chunk: Chunk) -> None:
    if (part := _streaming_text(message, chunk)) is not None:
        part["text"] += chunk["delta"]
        part.update(_pick(chunk, ("providerMetadata",)))


def _text_end(message: Message, chunk: Chunk) -> None:
    if (part := _streaming_text(message, chunk)) is not None:
        _finish_text(part)
        takes = ("providerMetadata", "citations") if part["type"] == "text" else ("providerMetadata",)
        part.update(_pick(chunk, takes))


def _finish_text(part: Part) -> None:
    part["state"] = "done"
    if part["type"] == "text":
        part.pop("id", None)


# ---------------------------------------------------------------- tools


class _Move(NamedTuple):
    """What a chunk makes of a tool part: fields neither taken nor kept are gone."""

    state: str
    takes: tuple[str, ...]  # from the chunk
    keeps: tuple[str, ...] = ()  # from the part as it was


_INPUT = ("input", "rawInput")
_MOVES = {
    "tool-input-start": _Move("input-streaming", ("inputEncoding", "title")),
    "tool-input-available": _Move("input-available", ("input", "title")),
    "tool-input-error": _Move("output-error", ("input", "errorText")),
    "tool-output-available": _Move("output-available", ("output", "preliminary"), _INPUT),
    "tool-output-error": _Move("output-error", ("errorText",), _INPUT),
}
_PER_STATE = (*_INPUT, "inputEncoding", "output", "preliminary", "errorText")


def _move(part: Part, chunk: Chunk) -> None:
    move = _MOVES[chunk["type"]]
    for key in _PER_STATE:
        if key not in move.keeps:
            part.pop(key, None)
    part["state"] = move.state
    _take(part, chunk, *move.takes)


def _take(part: Part, chunk: Chunk, *keys: str) -> None:
    part.update(_pick(chunk, (*keys, "providerExecuted", "toolMetadata")))
    if chunk.get("providerMetadata") is not None:
        whose = "result" if part["state"].startswith("output") else "call"
        part[f"{whose}ProviderMetadata"] = chunk["providerMetadata"]


def _tool_input(message: Message, chunk: Chunk) -> None:
    call_id, name, dynamic = chunk["toolCallId"], chunk["toolName"], chunk.get("dynamic") is True
    fits = _is_dynamic if dynamic else _is_static
    if chunk["type"] == "tool-input-error":  # need not repeat that the call is dynamic
        fits = _is_tool
    part = _first_in_step(message, call_id, fits)
    if part is None:
        part = {"type": "dynamic-tool" if dynamic else "tool-", "toolCallId": call_id}
        message.parts.append(part)
    part.update({"toolName": name} if _is_dynamic(part) else {"type": f"tool-{name}"})
    _move(part, chunk)


def _tool_input_delta(message: Message, chunk: Chunk) -> None:
    wanted = (chunk["toolCallId"], "input-streaming")
    part = _latest(message, lambda p: _is_tool(p) and (p.get("toolCallId"), p.get("state")) == wanted)
    if part is not None:
        part["rawInput"] = part.get("rawInput", "") + chunk["inputTextDelta"]


def _tool_output(message: Message, chunk: Chunk) -> None:
    if (part := _tool_part(message, chunk)) is not None:
        _move(part, chunk)


def _approval_request(message: Message, chunk: Chunk) -> None:
    part = _tool_part(message, chunk)
    if part is None:
        return
    approval: Part = {"id": chunk["approvalId"]} | _pick(chunk, ("signature",))
    if chunk.get("approvalDescriptor") is not None:
        approval["descriptor"] = chunk["approvalDescriptor"]
    if "inputSchemaInput" in chunk:
        approval["inputSchemaInput"] = chunk["inputSchemaInput"]
    if chunk.get("reason") is not None:
        approval["requestReason"] = chunk["reason"]
    if chunk.get("isAutomatic") is True:
        approval["isAutomatic"] = True
    part.update(state="approval-requested", approval=approval)


def _asked_part(message: Message, chunk: Chunk) -> Part | None:
    """The call that was asked about under this id, else the named one if nothing was asked about it."""
    wanted = chunk["approvalId"]
    for part in message.parts:
        if _is_tool(part) and part.get("approval", {}).get("id") == wanted:
            return part
    part = _tool_part(message, chunk)
    return part if part is not None and "approval" not in part else None


def _approval_response(message: Message, chunk: Chunk) -> None:
    if (part := _asked_part(message, chunk)) is None:
        return
    answer: Part = {"id": chunk["approvalId"], "approved": chunk.get("approved") is True}
    part["approval"] = part.get("approval", {}) | answer | _pick(chunk, ("reason",))
    part["state"] = "approval-responded"
    _take(part, chunk)


def _output_denied(message: Message, chunk: Chunk) -> None:
    if (part := _tool_part(message, chunk)) is None:
        return
    part["state"] = "output-denied"
    if chunk.get("reason") is not None:  # an approval must have an id, also if nobody was asked
        asked: Part = part.get("approval", {"id": part["toolCallId"]})
        part["approval"] = asked | {"approved": False, "reason": chunk["reason"]}


# ---------------------------------------------------------------- steps, other parts, metadata


def _start_step(message: Message, _chunk: Chunk) -> None:
    message.parts.append({"type": "step-start"})


def _reset_step(message: Message, _chunk: Chunk) -> None:
    del message.parts[_step_start(message) :]


#: Parts that arrive whole, and what is kept of them.
_WHOLE = {
    "custom": ("kind", "providerMetadata"),
    "file": ("mediaType", "url", "filename", "providerMetadata"),
    "reasoning-file": ("mediaType", "url", "providerMetadata"),
    "source-url": ("sourceId", "url", "title", "providerMetadata"),
    "source-document": ("sourceId", "mediaType", "title", "filename", "providerMetadata"),
    "steering-message": ("id", "parts"),
}


def _whole(message: Message, chunk: Chunk) -> None:
    kind: str = chunk["type"]
    message.parts.append({"type": kind} | _pick(chunk, _WHOLE[kind]))


def _data(message: Message, chunk: Chunk) -> None:
    """Data of the author's own: the same type and id replace in place, wherever in the message."""
    if chunk.get("transient") is True:
        return
    kind, data_id = chunk["type"], chunk.get("id")
    for part in message.parts:
        if data_id is not None and part["type"] == kind and part.get("id") == data_id:
            part["data"] = chunk.get("data")
            return
    message.parts.append(dict(chunk))


def _metadata(message: Message, chunk: Chunk) -> None:
    new = chunk.get("messageMetadata")
    if _is_object(new):
        message.metadata = new if message.metadata is None else _merge(message.metadata, new)


#: The AI SDK does not merge these, lest they change the prototype of an object in a browser.
_UNMERGED = frozenset({"__proto__", "constructor", "prototype"})


def _merge(base: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged at every depth; anything else, lists too, is replaced."""
    merged = dict(base)
    for key, value in new.items():
        if key not in _UNMERGED:
            old = base.get(key)
            both = _is_object(old) and _is_object(value)
            merged[key] = _merge(cast("dict[str, Any]", old), value) if both else value
    return merged


def _start(message: Message, chunk: Chunk) -> None:
    name = chunk.get("messageId")
    if not message.id and isinstance(name, str):
        message.id = name
    _metadata(message, chunk)


class _Rule(NamedTuple):
    fold: Callable[[Message, Chunk], None]
    needs: tuple[str, ...] = ()  # the strings without which the chunk says nothing


_DATA = _Rule(_data)
#: `finish-step`, `error` and `abort` change no message: parts end with their own chunks, and what a turn
#: came to is told by `turn.finished`.
_RULES = {
    "start": _Rule(_start),
    "finish": _Rule(_metadata),
    "message-metadata": _Rule(_metadata),
    "start-step": _Rule(_start_step),
    "reset-step": _Rule(_reset_step),
    "text-start": _Rule(_text_start, ("id",)),
    "text-delta": _Rule(_text_delta, ("id", "delta")),
    "text-end": _Rule(_text_end, ("id",)),
    "reasoning-start": _Rule(_text_start, ("id",)),
    "reasoning-delta": _Rule(_text_delta, ("id", "delta")),
    "reasoning-end": _Rule(_text_end, ("id",)),
    "tool-input-start": _Rule(_tool_input, ("toolCallId", "toolName")),
    "tool-input-delta": _Rule(_tool_input_delta, ("toolCallId", "inputTextDelta")),
    "tool-input-available": _Rule(_tool_input, ("toolCallId", "toolName")),
    "tool-input-error": _Rule(_tool_input, ("toolCallId", "toolName")),
    "tool-output-available": _Rule(_tool_output, ("toolCallId",)),
    "tool-output-error": _Rule(_tool_output, ("toolCallId",)),
    "tool-output-denied": _Rule(_output_denied, ("toolCallId",)),
    "tool-approval-request": _Rule(_approval_request, ("toolCallId", "approvalId")),
    "tool-approval-response": _Rule(_approval_response, ("approvalId",)),
    **dict.fromkeys(_WHOLE, _Rule(_whole)),
}
