"""A run's events as the chunks that devices are sent. Pure: it is fed events, and remembers what the run came to.

What of it is not shown: steps, raw and activity events, and what happens inside a subagent beside its text and calls.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator
from typing import Any, cast

import jsonpatch
import jsonpointer
import msgspec
from ag_ui.core import (
    AssistantMessage,
    CustomEvent,
    Event,
    MessagesSnapshotEvent,
    ReasoningMessageChunkEvent,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
    StateDeltaEvent,
    StateSnapshotEvent,
    TextMessageChunkEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallChunkEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
)

from holdfast.agents.foreign.shown import AgentFailed, Chunk
from holdfast.agents.outcomes import read

CALLS_MAX = 200  # calls of one run: each is a part of the message, and may become a card
STATE_MAX_BYTES = 2 * 1024 * 1024  # of JSON, as of the event that tells it whole: patches can make a small one huge


class Called(msgspec.Struct):
    """A tool call as the agent knows it."""

    id: str
    name: str
    #: The message that makes it.
    parent: str
    args: str = ""
    ended: bool = False
    answered: bool = False
    #: It is the agent's own, and recorded that it may have happened.
    noted: bool = False

    @property
    def input(self) -> Any:
        """Its arguments. Raises ValueError when they are no JSON."""
        return json.loads(self.args or "{}")


class Streaming:
    """One run as it comes.

    `told` are the ids of the messages that the agent was given, `state` its state, and `carried` the calls of the run
    before that wait for a result: this one may tell them once more.
    """

    def __init__(self, told: Collection[str] = (), state: Any = None, carried: Collection[str] = ()) -> None:
        self._told_before = frozenset(told)
        self._carried = frozenset(carried)
        #: Of those, which have no result yet.
        self.waiting = dict.fromkeys(carried)
        #: Kind and id of what CHUNK events have begun: the next event of another kind ends it.
        self._loose: tuple[str, str] | None = None
        self._texts: dict[str, str] = {}  # by message, which of "text", "reasoning" or "" (not shown) is open
        self._messages: dict[str, dict[str, Any]] = {}
        #: All calls of the run, in its order.
        self.calls: dict[str, Called] = {}
        self.started: RunStartedEvent | None = None
        self.finished: RunFinishedEvent | None = None
        #: The shared state, as the agent was given it or has told it.
        self.state: Any = state
        self._snapshot: dict[str, dict[str, Any]] | None = None
        self._since: set[str] = set()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What the run added to the conversation, as it is sent back to the agent."""
        return list(self._messages.values())

    @property
    def conversation(self) -> list[dict[str, Any]] | None:
        """The whole conversation, if the agent has told it."""
        if self._snapshot is None:
            return None
        said_since = {name: message for name, message in self._messages.items() if name in self._since}
        return list((self._snapshot | said_since).values())

    @property
    def unanswered(self) -> list[Called]:
        """Calls of this run that nothing is told of."""
        return [call for call in self.calls.values() if not call.answered and call.id not in self._carried]

    def chunks(self, event: Event) -> Iterator[Chunk]:
        """What is shown of it.

        Raises:
            AgentFailed: the agent says so, or breaks the protocol.
        """
        if self.started is None and not isinstance(event, RunStartedEvent | RunErrorEvent):
            raise AgentFailed(f"The agent began with {event.type.value}, and not with RUN_STARTED.")
        if self._loose is not None and not self._goes_on(event):
            yield from self._end(*self._loose)
            self._loose = None
        yield from self._of_run(event)

    def _of_run(self, event: Event) -> Iterator[Chunk]:
        match event:
            case RunStartedEvent():
                self.started = event
            case RunFinishedEvent():
                yield from self._end_all()
                self.finished = event
            case RunErrorEvent():
                raise AgentFailed(f"{event.code}: {event.message}" if event.code else event.message)
            case StateSnapshotEvent(snapshot=state):
                self.state = state
            case StateDeltaEvent():
                self._change_state(event)
            case MessagesSnapshotEvent():
                yield from self._told(event)
            case CustomEvent(name=name, value=value):
                yield {"type": f"data-{name}", "data": value}
            case _:
                yield from self._of_message(event)

    def _of_message(self, event: Event) -> Iterator[Chunk]:
        match event:
            case TextMessageStartEvent(message_id=message, role=role):
                yield from self._start("text" if role in (None, "assistant") else "", message, role or "assistant")
            case ReasoningMessageStartEvent(message_id=message):
                yield from self._start("reasoning", message, "reasoning")
            case (
                TextMessageContentEvent(message_id=message, delta=text)
                | ReasoningMessageContentEvent(message_id=message, delta=text)
            ):
                yield from self._say(message, text)
            case TextMessageEndEvent(message_id=message) | ReasoningMessageEndEvent(message_id=message):
                yield from self._end("text", message)
            case TextMessageChunkEvent() | ReasoningMessageChunkEvent():
                yield from self._piece(event)
            case _:
                yield from self._of_call(event)

    def _of_call(self, event: Event) -> Iterator[Chunk]:
        match event:
            case ToolCallStartEvent(tool_call_id=call, tool_call_name=name, parent_message_id=parent):
                yield from self._call(call, name, parent)
            case ToolCallArgsEvent(tool_call_id=call, delta=args):
                yield from self._input(self._known(call), args)
            case ToolCallEndEvent(tool_call_id=call):
                yield from self._end("call", call)
            case ToolCallChunkEvent():
                yield from self._call_piece(event)
            case ToolCallResultEvent(tool_call_id=call, message_id=message, content=content):
                told = ToolMessage(id=message, content=content, tool_call_id=call)
                self._add(_wire(told))
                yield from self._result(told)
            case _:
                pass

    # Text and reasoning.

    def _start(self, kind: str, message: str, role: str) -> Iterator[Chunk]:
        self._texts[message] = kind
        self._add({"id": message, "role": role, "content": ""})
        if kind:
            yield {"type": f"{kind}-start", "id": message, "providerMetadata": {"agui": {"messageId": message}}}

    def _say(self, message: str, text: str) -> Iterator[Chunk]:
        kind = self._texts.get(message)
        if kind is None:
            raise AgentFailed(f"The agent goes on with a message that is not open: {message[:100]!r}.")
        self._messages[message]["content"] += text
        if kind and text:
            yield {"type": f"{kind}-delta", "id": message, "delta": text}

    def _piece(self, event: TextMessageChunkEvent | ReasoningMessageChunkEvent) -> Iterator[Chunk]:
        message = event.message_id or (self._loose[1] if self._loose else None)
        if message is None:
            raise AgentFailed(f"The first {event.type.value} of a message names no messageId.")
        if self._loose is None:
            role = "reasoning" if isinstance(event, ReasoningMessageChunkEvent) else event.role or "assistant"
            kind = {"reasoning": "reasoning", "assistant": "text"}.get(role, "")
            self._loose = ("text", message)
            yield from self._start(kind, message, role)
        yield from self._say(message, event.delta or "")

    def _goes_on(self, event: Event) -> bool:
        """Whether it continues what CHUNK events have begun."""
        assert self._loose is not None
        kind, own = self._loose
        match event:
            case TextMessageChunkEvent(message_id=other) | ReasoningMessageChunkEvent(message_id=other):
                wanted = "reasoning" if isinstance(event, ReasoningMessageChunkEvent) else "text"
                return kind == "text" and other in (None, own) and self._texts.get(own) in (wanted, "")
            case ToolCallChunkEvent(tool_call_id=other):
                return kind == "call" and other in (None, own)
            case _:
                return False

    def _end_all(self) -> Iterator[Chunk]:
        """The run is over: what it left open is all there is of it."""
        for message in [*self._texts]:
            yield from self._end("text", message)
        for call in self.calls.values():
            yield from self._made(call)

    def _end(self, kind: str, name: str) -> Iterator[Chunk]:
        if kind == "call":
            yield from self._made(self._known(name))
        elif shown := self._texts.pop(name, ""):
            yield {"type": f"{shown}-end", "id": name}

    # Calls.

    def _call(self, call: str, name: str, parent: str | None) -> Iterator[Chunk]:
        if call in self.calls:
            raise AgentFailed(f"The agent makes two calls with one id: {call[:100]!r}.")
        if len(self.calls) >= CALLS_MAX:
            raise AgentFailed(f"The agent makes more than {CALLS_MAX} calls in one run.")
        self.calls[call] = Called(call, name, parent or call)
        yield {"type": "tool-input-start", "toolCallId": call, "toolName": name}

    def _call_piece(self, event: ToolCallChunkEvent) -> Iterator[Chunk]:
        call = event.tool_call_id or (self._loose[1] if self._loose else None)
        if call is None or (self._loose is None and event.tool_call_name is None):
            raise AgentFailed("The first TOOL_CALL_CHUNK of a call names no toolCallId or no toolCallName.")
        if self._loose is None:
            self._loose = ("call", call)
            yield from self._call(call, event.tool_call_name or "", event.parent_message_id)
        yield from self._input(self._known(call), event.delta or "")

    def _known(self, call: str) -> Called:
        if call not in self.calls:
            raise AgentFailed(f"The agent goes on with a call that is not there: {call[:100]!r}.")
        return self.calls[call]

    def _input(self, call: Called, args: str) -> Iterator[Chunk]:
        call.args += args
        if args:
            yield {"type": "tool-input-delta", "toolCallId": call.id, "inputTextDelta": args}

    def _made(self, call: Called) -> Iterator[Chunk]:
        if call.ended:
            return
        call.ended = True
        if call.id not in self._carried:
            self._add_call(call)
        of = {"toolCallId": call.id, "toolName": call.name}
        theirs = {"agui": {"toolCallId": call.id, "messageId": call.parent}}
        try:
            yield {"type": "tool-input-available", **of, "input": call.input, "providerMetadata": theirs}
        except ValueError as error:
            text = f"The arguments are no JSON: {error}."
            yield {"type": "tool-input-error", **of, "input": call.args, "errorText": text, "providerMetadata": theirs}

    def _add_call(self, call: Called) -> None:
        parent = self._add({"id": call.parent, "role": "assistant"})
        made = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.args or "{}"}}
        parent.setdefault("toolCalls", []).append(made)

    def _result(self, told: ToolMessage) -> Iterator[Chunk]:
        """Of a call of this run, or of an earlier one that waited."""
        call = self.calls.get(told.tool_call_id)
        if call is not None:
            if call.answered:
                return
            yield from self._made(call)
            call.answered = True
        if call is not None or told.tool_call_id in self.waiting:
            self.waiting.pop(told.tool_call_id, None)
            yield _output(told)

    # What is told at once.

    def _add(self, message: dict[str, Any]) -> dict[str, Any]:
        self._since.add(message["id"])
        return self._messages.setdefault(message["id"], message)

    def _change_state(self, event: StateDeltaEvent) -> None:
        patch = [operation.model_dump(by_alias=True, exclude_unset=True) for operation in event.delta]
        try:
            self.state = _patched(self.state, patch)
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
            raise AgentFailed(f"The agent's change of the state cannot be applied: {error}") from None

    def _told(self, event: MessagesSnapshotEvent) -> Iterator[Chunk]:
        """The whole conversation. If the run has streamed nothing, what it says is shown from here."""
        streamed = bool(self._messages)
        self._snapshot, self._since = {message.id: _wire(message) for message in event.messages}, set()
        latest = max((at for at, one in enumerate(event.messages) if one.role == "user"), default=-1)
        for message in event.messages[latest + 1 :]:
            if isinstance(message, AssistantMessage) and not streamed and message.id not in self._told_before:
                yield from self._whole(message)
            elif isinstance(message, ToolMessage):
                yield from self._result(message)

    def _whole(self, message: AssistantMessage) -> Iterator[Chunk]:
        if message.content:
            yield from self._start("text", message.id, "assistant")
            yield from self._say(message.id, message.content)
            yield from self._end("text", message.id)
        for call in message.tool_calls or []:
            if call.id not in self.calls:
                yield from self._call(call.id, call.function.name, message.id)
                yield from self._input(self.calls[call.id], call.function.arguments)
                yield from self._made(self.calls[call.id])


def _patched(state: Any, patch: list[dict[str, Any]]) -> Any:
    """The state after a patch. What is copied is counted before it is: each copy can double the state.

    Raises:
        AgentFailed: it grows too large.     Otherwise as jsonpatch and jsonpointer do.
    """
    state, copied = copy.deepcopy(state), 0
    for operation in patch:
        if operation["op"] == "copy":
            copied += _size(jsonpointer.resolve_pointer(state, operation.get("from", "")))
            _check_size(copied)
        state = jsonpatch.JsonPatch([operation]).apply(state, in_place=True)
    _check_size(_size(state))
    return state


def _size(value: Any) -> int:
    return len(msgspec.json.encode(value))


def _check_size(size: int) -> None:
    if size > STATE_MAX_BYTES:
        raise AgentFailed(f"The agent's state grows larger than {STATE_MAX_BYTES} bytes of JSON.")


def _output(told: ToolMessage) -> Chunk:
    """What a call gave, as it is shown."""
    if told.error is not None:
        return {"type": "tool-output-error", "toolCallId": told.tool_call_id, "errorText": told.error}
    content = told.content
    value: Any = read(content) if isinstance(content, str) else [_wire(part) for part in content]
    return {"type": "tool-output-available", "toolCallId": told.tool_call_id, "output": value}


def _wire(model: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", model.model_dump(mode="json", by_alias=True, exclude_none=True))
