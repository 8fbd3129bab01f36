"""The agent's message as it streams, in AG-UI's events: chunk for chunk, each text and call opened and closed once."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from holdfast.core.messages import Message, Part
from holdfast.gateways.ag_ui.history import arguments, is_tool, latest, result, tool_name
from holdfast.gateways.ag_ui.places import Places, result_id

Event = dict[str, Any]
Chunk = dict[str, Any]

#: Chunks that are no part of a message there, but whose facts a page may want.
_BESIDE = ("file", "reasoning-file", "source-url", "source-document", "custom", "steering-message")


class _Call(msgspec.Struct):
    """A call, and how far it was told."""

    name: str
    parent: str
    #: Some of its arguments were told.
    streamed: bool = False
    #: All of them were: what it is called with.
    whole: bool = False
    input: Any = None
    #: What came of it.
    result: str | None = None


class Writer:
    """Tells what each chunk adds to a message, of which a client has what `message` has by now."""

    def __init__(self, message: Message) -> None:
        self._places = Places(message.id)
        #: Kind and id of texts that stream → their messages, for agents may use an id again.
        self._texts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._calls: dict[str, _Call] = {}
        #: What was begun in this stream and has not ended: texts by their message, calls by their id.
        self._begun: dict[str, str] = {}
        self._steps = 0
        self._step: str | None = None
        #: The messages that the client has from here.
        self.told: set[str] = set()
        calls = latest(message)
        for part in message.parts:
            self._known(part, calls)

    def write(self, chunk: Chunk) -> list[Event] | None:
        """What a chunk adds. None: it changes what was told, and only a snapshot can say that."""
        kind = str(chunk.get("type"))
        match kind:
            case "text-start" | "reasoning-start":
                return self._text_start(kind.removesuffix("-start"), chunk)
            case "text-delta" | "reasoning-delta":
                return self._text_delta(kind.removesuffix("-delta"), chunk)
            case "text-end" | "reasoning-end":
                return self._text_end(kind.removesuffix("-end"), chunk)
            case "start-step":
                return self._step_start()
            case "finish-step":
                return self._step_end()
            case "reset-step":
                return None
            case _ if kind.startswith("tool-"):
                return self._tool(kind, chunk)
            case _ if kind.startswith("data-"):
                return [_custom(kind.removeprefix("data-"), chunk.get("data"))]
            case _ if kind in _BESIDE:
                return [_custom(kind, {name: value for name, value in chunk.items() if name != "type"})]
            case _:
                return []

    def close(self) -> list[Event]:
        """End what was begun: a run, and a correction, leave nothing open."""
        events = [event for name, kind in list(self._begun.items()) for event in self._end(name, kind)]
        return [*events, *self._step_end()]

    # What the client has already.

    def _known(self, part: Part, calls: dict[str, Part]) -> None:
        kind = part["type"]
        if kind in ("text", "reasoning"):
            name = self._places.text() if kind == "text" else self._places.reasoning()
            if part.get("state") == "streaming":
                self._texts[kind, str(part.get("id"))].append(name)
        elif kind == "step-start":
            self._places.step()
            self._steps += 1
        elif is_tool(part) and part["toolCallId"] in calls:
            part = calls.pop(part["toolCallId"])
            whole, streamed = part["state"] != "input-streaming", bool(arguments(part))
            call = _Call(tool_name(part), self._places.call(), streamed, whole, part.get("input"), result(part))
            self._calls[part["toolCallId"]] = call

    # Texts and thoughts.

    def _text_start(self, kind: str, chunk: Chunk) -> list[Event]:
        name = self._places.text() if kind == "text" else self._places.reasoning()
        self._texts[kind, str(chunk.get("id"))].append(name)
        return self._begin(name, kind)

    def _text_delta(self, kind: str, chunk: Chunk) -> list[Event]:
        names, delta = self._texts[kind, str(chunk.get("id"))], chunk.get("delta")
        if not names or not isinstance(delta, str) or not delta:  # nothing is no delta there
            return []
        name = names[-1]
        content = "TEXT_MESSAGE_CONTENT" if kind == "text" else "REASONING_MESSAGE_CONTENT"
        return [*self._begin(name, kind), {"type": content, "messageId": name, "delta": delta}]

    def _text_end(self, kind: str, chunk: Chunk) -> list[Event]:
        names = self._texts[kind, str(chunk.get("id"))]
        name = names.pop() if names else ""
        return self._end(name, kind) if name in self._begun else []

    def _begin(self, name: str, kind: str) -> list[Event]:
        if name in self._begun:
            return []
        self._begun[name] = kind
        self.told.add(name)
        if kind == "text":
            return [{"type": "TEXT_MESSAGE_START", "messageId": name, "role": "assistant"}]
        start = {"type": "REASONING_MESSAGE_START", "messageId": name, "role": "reasoning"}
        return [{"type": "REASONING_START", "messageId": name}, start]

    def _end(self, name: str, kind: str) -> list[Event]:
        del self._begun[name]
        match kind:
            case "text":
                return [{"type": "TEXT_MESSAGE_END", "messageId": name}]
            case "reasoning":
                end = {"type": "REASONING_MESSAGE_END", "messageId": name}
                return [end, {"type": "REASONING_END", "messageId": name}]
            case _:
                return [{"type": "TOOL_CALL_END", "toolCallId": name}]

    # Calls.

    def _tool(self, kind: str, chunk: Chunk) -> list[Event] | None:
        own_id = str(chunk.get("toolCallId"))
        call = self._calls.get(own_id)
        match kind:
            case "tool-input-start":
                return self._call_start(own_id, self._made(own_id, chunk)) if call is None else None
            case "tool-input-delta" if call is not None:
                return self._call_args(own_id, call, str(chunk.get("inputTextDelta") or ""))
            case "tool-input-available":
                return self._call_whole(own_id, call or self._made(own_id, chunk), chunk)
            case "tool-input-error":
                call = call or self._made(own_id, chunk)
                begun, came = self._call_whole(own_id, call, chunk), self._result(own_id, call, chunk)
                return None if begun is None or came is None else [*begun, *came]
            case "tool-output-available" | "tool-output-error" | "tool-output-denied" if call is not None:
                return self._result(own_id, call, chunk)
            case _:
                return []

    def _made(self, own_id: str, chunk: Chunk) -> _Call:
        return self._calls.setdefault(own_id, _Call(str(chunk.get("toolName")), self._places.call()))

    def _call_start(self, own_id: str, call: _Call) -> list[Event]:
        if own_id in self._begun:
            return []
        self._begun[own_id] = "call"
        self.told.add(call.parent)
        start = {"type": "TOOL_CALL_START", "toolCallId": own_id, "toolCallName": call.name}
        return [{**start, "parentMessageId": call.parent}]

    def _call_args(self, own_id: str, call: _Call, delta: str) -> list[Event]:
        if call.whole or not delta:
            return []
        call.streamed = True
        return [*self._call_start(own_id, call), {"type": "TOOL_CALL_ARGS", "toolCallId": own_id, "delta": delta}]

    def _call_whole(self, own_id: str, call: _Call, chunk: Chunk) -> list[Event] | None:
        if call.whole:  # a continuation says it again; edited, it is another
            return [] if call.input == chunk.get("input") else None
        events = self._call_start(own_id, call)
        if not call.streamed and "input" in chunk:
            events += self._call_args(own_id, call, arguments(chunk))
        call.whole, call.input = True, chunk.get("input")
        return [*events, *self._end(own_id, "call")]

    def _result(self, own_id: str, call: _Call, chunk: Chunk) -> list[Event] | None:
        content = result(chunk)
        if content is None or call.result is not None:
            return [] if content == call.result else None
        call.result = content
        name = result_id(own_id)
        self.told.add(name)
        told = {"type": "TOOL_CALL_RESULT", "messageId": name, "toolCallId": own_id, "content": content, "role": "tool"}
        return [*(self._end(own_id, "call") if own_id in self._begun else []), told]

    # Steps.

    def _step_start(self) -> list[Event]:
        ended = self._step_end()
        self._places.step()
        self._steps += 1
        self._step = f"step {self._steps}"
        return [*ended, {"type": "STEP_STARTED", "stepName": self._step}]

    def _step_end(self) -> list[Event]:
        name, self._step = self._step, None
        return [{"type": "STEP_FINISHED", "stepName": name}] if name else []


def _custom(name: str, value: Any) -> Event:
    return {"type": "CUSTOM", "name": name, "value": value}
