"""The SDK's events as the AI SDK's chunks. Pure: it is fed events, and remembers what it has shown.

What streams is shown as it comes. A model that does not stream, and a response that comes from the record, are shown by
the items of which they consist.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from agents.items import HandoffOutputItem, MessageOutputItem, ReasoningItem, ToolCallItem, ToolCallOutputItem
from agents.stream_events import RawResponsesStreamEvent, RunItemStreamEvent, StreamEvent
from pydantic_core import to_jsonable_python

from holdfast.agents.openai_agents.recording import arguments

Chunk = dict[str, Any]

_TEXTS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}


class Streaming:
    """One segment as it comes."""

    def __init__(self) -> None:
        self._responses, self._begun = 0, False
        #: The text that streams: its kind and the id of its part.
        self._open: tuple[str, str] | None = None
        #: Items of the present response that were shown as they streamed, by kind: where they stand in it.
        self._streamed: dict[str, set[int]] = {"text": set(), "reasoning": set()}
        #: By the item's id: the call that it makes.
        self._calls: dict[str, str] = {}
        self._shown: set[str] = set()

    def chunks(self, event: StreamEvent) -> Iterator[Chunk]:
        match event:
            case RawResponsesStreamEvent(data=data):
                yield from self._raw(str(data.type), data)
            case RunItemStreamEvent(item=item):
                yield from self._item(item)
            case _:
                pass

    # As it streams.

    def _raw(self, kind: str, data: Any) -> Iterator[Chunk]:
        if kind in _TEXTS:
            place = getattr(data, "content_index", None) or getattr(data, "summary_index", 0)
            self._streamed[_TEXTS[kind]].add(data.output_index)
            yield from self._said(_TEXTS[kind], f"{data.output_index}/{place}", data.delta)
        elif kind == "response.created":
            yield from self._begin()
        elif kind == "response.output_item.added" and data.item.type == "function_call":
            yield from self._call_begins(data.item)
        elif kind == "response.function_call_arguments.delta" and data.item_id in self._calls:
            yield {"type": "tool-input-delta", "toolCallId": self._calls[data.item_id], "inputTextDelta": data.delta}
        elif kind == "response.output_item.done":
            yield from self._end_text()
            if data.item.type == "function_call":
                yield from self._called(data.item)
        elif kind == "response.completed":
            yield from self._end_text() if self._begun else self._begin()  # from the record it comes at once
            self._begun = False

    def _begin(self) -> Iterator[Chunk]:
        self._responses, self._begun = self._responses + 1, True
        self._streamed = {"text": set(), "reasoning": set()}
        self._calls = {}
        yield {"type": "start-step"}

    def _said(self, kind: str, place: str, delta: str) -> Iterator[Chunk]:
        part = f"response-{self._responses}/{place}"
        if self._open != (kind, part):
            yield from self._end_text()
            self._open = (kind, part)
            yield {"type": f"{kind}-start", "id": part}
        yield {"type": f"{kind}-delta", "id": part, "delta": delta}

    def _end_text(self) -> Iterator[Chunk]:
        if self._open is not None:
            kind, part = self._open
            self._open = None
            yield {"type": f"{kind}-end", "id": part}

    def _call_begins(self, item: Any) -> Iterator[Chunk]:
        yield from self._end_text()
        if item.id:
            self._calls[item.id] = item.call_id
        yield {"type": "tool-input-start", "toolCallId": item.call_id, "toolName": item.name}

    def _called(self, item: Any) -> Iterator[Chunk]:
        if item.call_id not in self._shown:
            self._shown.add(item.call_id)
            call = {"toolCallId": item.call_id, "toolName": item.name}
            yield {"type": "tool-input-available", "input": arguments(item.arguments), **call}

    # By its items.

    def _item(self, item: Any) -> Iterator[Chunk]:
        match item:
            case MessageOutputItem(raw_item=message):
                yield from self._whole("text", "".join(_text(part) for part in message.content))
            case ReasoningItem(raw_item=thought):
                yield from self._whole("reasoning", "\n\n".join(part.text for part in thought.summary))
            case ToolCallItem(raw_item=call) if getattr(call, "type", None) == "function_call":
                yield from self._called(call)
            case ToolCallItem(raw_item=call):
                yield from _hosted(call)
            case ToolCallOutputItem(output=output):
                yield from _output(item.call_id, output)
            case HandoffOutputItem(raw_item=raw):
                yield from _output(_field(raw, "call_id"), _field(raw, "output"))
            case _:
                pass

    def _whole(self, kind: str, text: str) -> Iterator[Chunk]:
        """An item that streamed is shown already."""
        if self._streamed[kind]:
            self._streamed[kind].pop()
        elif text:
            yield from self._said(kind, f"whole-{len(self._shown)}-{kind}", text)
            yield from self._end_text()


def _text(part: Any) -> str:
    return str(getattr(part, "text", None) or getattr(part, "refusal", "") or "")


def _output(call: str | None, output: Any) -> Iterator[Chunk]:
    if call:
        shown = to_jsonable_python(output, fallback=str)
        yield {"type": "tool-output-available", "toolCallId": call, "output": shown}


def _hosted(call: Any) -> Iterator[Chunk]:
    """What the provider ran itself: a search of the web."""
    given = to_jsonable_python(call, fallback=str)
    fields = cast("Chunk", given) if isinstance(given, dict) else {}
    own_id = fields.get("id") or fields.get("call_id")
    if own_id:
        of = {"toolCallId": own_id, "providerExecuted": True, "dynamic": True}
        name = str(fields.get("type", "tool")).removesuffix("_call")
        left = {key: value for key, value in fields.items() if key not in ("id", "type", "status")}
        yield {"type": "tool-input-available", "toolName": name, "input": left, **of}
        yield {"type": "tool-output-available", "output": fields.get("status"), **of}


def _field(raw: Any, name: str) -> Any:
    return cast("dict[str, Any]", raw).get(name) if isinstance(raw, dict) else getattr(raw, name, None)
