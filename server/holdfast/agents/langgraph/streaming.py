"""What a graph streams as the chunks that devices are sent. Pure: it is fed messages, and remembers what is open.

LangChain tells a response as pieces of an `AIMessage`, and whatever else a node says as whole messages. The pieces of
several nodes that speak at once come mixed; each is known by its node's place in the graph.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage

from holdfast.agents.foreign.shown import Chunk
from holdfast.agents.outcomes import read


class Spoken(msgspec.Struct):
    """One response as far as it has come."""

    id: str
    #: "text", "reasoning" or "": what is open.
    open: str = ""
    #: How many parts it has.
    parts: int = 0
    #: By index: the id, the name and the arguments so far of its calls.
    calls: dict[int | str, list[str]] = {}


class Streaming:
    """One segment as it comes. `unfinished` are the calls of earlier ones that have no result yet."""

    def __init__(self, unfinished: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._spoken: dict[str, Spoken] = {}
        #: Calls that have no result yet, in their order.
        self.unfinished = dict.fromkeys(unfinished)

    def piece(self, message: BaseMessage, place: str) -> Iterator[Chunk]:
        """A message, or a piece of one, of the node at this place."""
        if isinstance(message, AIMessageChunk):
            yield from self._piece(message, place)
        elif message.id is None or message.id not in self._known:
            yield from self.whole(message)

    def whole(self, message: BaseMessage) -> Iterator[Chunk]:
        """A message that is there at once."""
        self._known.add(message.id or "")
        match message:
            case ToolMessage():
                yield self._result(message)
            case AIMessage():
                spoken = Spoken(message.id or "message")
                yield from self._blocks(spoken, _blocks(message))
                yield from self._end(spoken)
                for call in message.tool_calls:
                    yield from self._call(str(call["id"]), call["name"], call["args"])
            case _:
                pass

    def end(self) -> Iterator[Chunk]:
        """Nothing more comes: what is open ends here."""
        for spoken in self._spoken.values():
            yield from self._finished(spoken)
        self._spoken = {}

    def _piece(self, message: AIMessageChunk, place: str) -> Iterator[Chunk]:
        spoken = self._spoken.setdefault(place, Spoken(message.id or place))
        self._known.add(message.id or "")
        yield from self._blocks(spoken, _blocks(message))
        if message.chunk_position == "last":
            del self._spoken[place]
            yield from self._finished(spoken)

    def _blocks(self, spoken: Spoken, blocks: list[dict[str, Any]]) -> Iterator[Chunk]:
        for block in blocks:
            match block.get("type"):
                case "text" | "reasoning" as kind:
                    yield from self._say(spoken, kind, str(block.get(kind) or ""))
                case "tool_call_chunk":
                    yield from self._end(spoken)
                    yield from self._input(spoken, block)
                case _:
                    pass

    def _say(self, spoken: Spoken, kind: str, text: str) -> Iterator[Chunk]:
        if not text:
            return
        if spoken.open != kind:
            yield from self._end(spoken)
            spoken.open, spoken.parts = kind, spoken.parts + 1
            yield {"type": f"{kind}-start", "id": f"{spoken.id}/{spoken.parts}"}
        yield {"type": f"{kind}-delta", "id": f"{spoken.id}/{spoken.parts}", "delta": text}

    def _end(self, spoken: Spoken) -> Iterator[Chunk]:
        if spoken.open:
            yield {"type": f"{spoken.open}-end", "id": f"{spoken.id}/{spoken.parts}"}
            spoken.open = ""

    def _input(self, spoken: Spoken, block: Mapping[str, Any]) -> Iterator[Chunk]:
        index, args = block.get("index"), str(block.get("args") or "")
        index = 0 if index is None else index
        if index not in spoken.calls:
            call, name = str(block.get("id") or ""), str(block.get("name") or "")
            if not call or not name:
                return  # a piece of a call that was never begun
            spoken.calls[index] = [call, name, ""]
            yield {"type": "tool-input-start", "toolCallId": call, "toolName": name}
        call = spoken.calls[index][0]
        spoken.calls[index][2] += args
        if args:
            yield {"type": "tool-input-delta", "toolCallId": call, "inputTextDelta": args}

    def _finished(self, spoken: Spoken) -> Iterator[Chunk]:
        yield from self._end(spoken)
        for call, name, args in spoken.calls.values():
            try:
                given: Any = json.loads(args or "{}")
            except ValueError as error:
                text = f"The arguments are no JSON: {error}."
                of = {"toolCallId": call, "toolName": name}
                yield {"type": "tool-input-error", **of, "input": args, "errorText": text}
            else:
                yield from self._call(call, name, given)

    def _call(self, call: str, name: str, given: Any) -> Iterator[Chunk]:
        self.unfinished[call] = None
        yield {"type": "tool-input-available", "toolCallId": call, "toolName": name, "input": given}

    def _result(self, message: ToolMessage) -> Chunk:
        call = message.tool_call_id
        self.unfinished.pop(call, None)
        if message.status == "error":
            return {"type": "tool-output-error", "toolCallId": call, "errorText": message.text}
        content: Any = cast("Any", message).content
        return {
            "type": "tool-output-available",
            "toolCallId": call,
            "output": read(content) if isinstance(content, str) else content,
        }


def _blocks(message: AIMessage) -> list[dict[str, Any]]:
    """In LangChain's own terms, whatever the provider calls them."""
    return cast("list[dict[str, Any]]", message.content_blocks)
