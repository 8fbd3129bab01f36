"""A model's stream as the chunks that devices are sent. Pure: it is fed events, and remembers what is open."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from pydantic_ai.messages import (
    Citation,
    FilePart,
    ModelResponsePart,
    ModelResponseStreamEvent,
    NativeToolCallPart,
    NativeToolReturnPart,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
    WebCitationSource,
)

Chunk = dict[str, Any]
FILE_MAX = 96 * 1024  # characters of a generated file's data URL that are shown: a chunk goes into one event
DELTA_MAX = 16_000  # characters of one chunk; what a model gives at once is split


class Streaming:
    """One response as it comes. `call_id` gives the id of the nth call of a tool of this name.

    The tool `hidden` is not shown: what it is given is the turn's result.
    """

    def __init__(self, name: str, call_id: Callable[[str, int], str], hidden: str | None = None) -> None:
        self._name, self._call_id, self._hidden = name, call_id, hidden
        self._unshown: set[int] = set()
        self._counts: dict[str, int] = {}
        self._sources: set[str] = set()
        #: By the part's index: under which id its call is shown.
        self.calls: dict[int, str] = {}

    def chunks(self, event: ModelResponseStreamEvent) -> Iterator[Chunk]:
        match event:
            case PartStartEvent(index=index, part=part):
                yield from self._start(index, part)
            case PartDeltaEvent(index=index, delta=TextPartDelta(content_delta=text)):
                yield from self._said("text", index, text)
            case PartDeltaEvent(index=index, delta=ThinkingPartDelta(content_delta=str(text))):
                yield from self._said("reasoning", index, text)
            case PartDeltaEvent(index=index, delta=ToolCallPartDelta(args_delta=args)):
                yield from self._input(index, args)
            case PartEndEvent(index=index, part=part):
                yield from self._end(index, part)
            case _:
                pass

    def _start(self, index: int, part: ModelResponsePart) -> Iterator[Chunk]:
        match part:
            case TextPart(content=text):
                yield {"type": "text-start", "id": self._id(index)}
                yield from self._said("text", index, text)
            case ThinkingPart(content=text):
                yield {"type": "reasoning-start", "id": self._id(index)}
                yield from self._said("reasoning", index, text)
            case ToolCallPart(tool_name=name, args=args):
                call_id = self._call(index, name)
                if name == self._hidden:
                    self._unshown.add(index)
                    return
                yield {"type": "tool-input-start", "toolCallId": call_id, "toolName": name}
                yield from self._input(index, args)
            case FilePart(content=content):  # it comes whole: nothing says that it ends
                url = content.data_uri
                if len(url) <= FILE_MAX:
                    yield {"type": "file", "url": url, "mediaType": content.media_type}
            case NativeToolReturnPart():
                yield from _providers_own(part)
            case _:
                pass

    def _end(self, index: int, part: ModelResponsePart) -> Iterator[Chunk]:
        match part:
            case TextPart(citations=citations):
                yield {"type": "text-end", "id": self._id(index)}
                yield from self._cited(citations or [])
            case ThinkingPart():
                yield {"type": "reasoning-end", "id": self._id(index)}
            case NativeToolCallPart():
                yield from _providers_own(part)
            case _:
                pass

    def _said(self, kind: str, index: int, text: str) -> Iterator[Chunk]:
        for start in range(0, len(text), DELTA_MAX):
            yield {"type": f"{kind}-delta", "id": self._id(index), "delta": text[start : start + DELTA_MAX]}

    def _input(self, index: int, args: Any) -> Iterator[Chunk]:
        text: str = args if isinstance(args, str) else json.dumps(args) if args else ""
        if index in self.calls and index not in self._unshown:
            for start in range(0, len(text), DELTA_MAX):
                delta = text[start : start + DELTA_MAX]
                yield {"type": "tool-input-delta", "toolCallId": self.calls[index], "inputTextDelta": delta}

    def _cited(self, citations: list[Citation]) -> Iterator[Chunk]:
        """Each source once, however often it is cited."""
        for source in (source for citation in citations for source in citation.sources):
            web = isinstance(source, WebCitationSource)
            name = source.url if web else source.document_id or source.title or "document"
            if name in self._sources:
                continue
            self._sources.add(name)
            own_id, title = f"{self._name}/source-{len(self._sources)}", source.title
            if web:
                yield {"type": "source-url", "sourceId": own_id, "url": name} | ({"title": title} if title else {})
            else:
                document = {"mediaType": "text/plain", "title": title or name}
                yield {"type": "source-document", "sourceId": own_id} | document

    def _call(self, index: int, tool: str) -> str:
        """A part that starts again is the same call."""
        if index not in self.calls:
            nth = self._counts.get(tool, 0)
            self._counts[tool] = nth + 1
            self.calls[index] = self._call_id(tool, nth)
        return self.calls[index]

    def _id(self, index: int) -> str:
        return f"{self._name}/{index}"


def _providers_own(part: NativeToolCallPart | NativeToolReturnPart) -> Iterator[Chunk]:
    """What the provider ran itself: a search of the web."""
    of = {"toolCallId": part.tool_call_id, "providerExecuted": True, "dynamic": True}
    if isinstance(part, NativeToolCallPart):
        given: Any = part.args_as_dict(raise_if_invalid=False)
        yield {"type": "tool-input-available", "toolName": part.tool_name, "input": given, **of}
    else:
        output = msgspec.json.encode(part.content, enc_hook=str)
        shown = msgspec.json.decode(output) if len(output) <= FILE_MAX else "It is too long to be shown."
        yield {"type": "tool-output-available", "output": shown, **of}
