"""What a client of AG-UI does with events, in short: its order of them is checked, and messages come of them.

As `verify.ts` and `apply/default.ts` of `@ag-ui/client` 1.0.0 do; `tests/ecosystem` has the client itself.
"""

from __future__ import annotations

from typing import Any

from ag_ui.core import Event
from pydantic import TypeAdapter

EVENTS: TypeAdapter[Any] = TypeAdapter(Event)


class Client:
    """What has come of the events so far. An event that a client would fail at fails here."""

    def __init__(self, messages: list[dict[str, Any]] | None = None) -> None:
        self.messages: list[dict[str, Any]] = list(messages or ())
        self.custom: list[tuple[str, Any]] = []
        self.state: Any = {}
        self.last: dict[str, Any] | None = None
        self.snapshots = 0
        self._open: set[tuple[str, str]] = set()
        self._started = False

    def take(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            EVENTS.validate_python(event)
            assert self.last is None, f"{event} comes after the end"
            assert self._started or event["type"] in ("RUN_STARTED", "RUN_ERROR"), f"{event} comes before the start"
            getattr(self, f"_{event['type'].lower()}")(event)

    def find(self, name: str) -> dict[str, Any]:
        return next(one for one in self.messages if one["id"] == name)

    def call(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        return next((one, call) for one in self.messages for call in one.get("toolCalls", ()) if call["id"] == name)

    def _has(self, name: str) -> bool:
        return any(one["id"] == name for one in self.messages)

    def _begin(self, kind: str, name: str) -> None:
        assert (kind, name) not in self._open, f"{kind} {name} is open already"
        self._open.add((kind, name))

    def _within(self, kind: str, name: str) -> None:
        assert (kind, name) in self._open, f"{kind} {name} is not open"

    def _over(self, kind: str, name: str) -> None:
        self._within(kind, name)
        self._open.remove((kind, name))

    def _run_started(self, event: dict[str, Any]) -> None:
        assert not self._started
        self._started = True

    def _run_finished(self, event: dict[str, Any]) -> None:
        assert not self._open, f"{self._open} is open at the end"
        self.last = event

    def _run_error(self, event: dict[str, Any]) -> None:
        self.last = event

    def _messages_snapshot(self, event: dict[str, Any]) -> None:
        self.snapshots += 1
        self.messages = [dict(one) for one in event["messages"]]

    def _state_snapshot(self, event: dict[str, Any]) -> None:
        self.state = event["snapshot"]

    def _custom(self, event: dict[str, Any]) -> None:
        self.custom.append((event["name"], event["value"]))

    def _step_started(self, event: dict[str, Any]) -> None:
        self._begin("step", event["stepName"])

    def _step_finished(self, event: dict[str, Any]) -> None:
        self._over("step", event["stepName"])

    def _text_message_start(self, event: dict[str, Any]) -> None:
        self._begin("text", event["messageId"])
        if not self._has(event["messageId"]):
            self.messages.append({"id": event["messageId"], "role": event["role"], "content": ""})

    def _text_message_content(self, event: dict[str, Any]) -> None:
        self._within("text", event["messageId"])
        assert event["delta"]
        self.find(event["messageId"])["content"] += event["delta"]

    def _text_message_end(self, event: dict[str, Any]) -> None:
        self._over("text", event["messageId"])

    def _reasoning_start(self, event: dict[str, Any]) -> None:
        self._begin("span", event["messageId"])

    def _reasoning_message_start(self, event: dict[str, Any]) -> None:
        self._begin("reasoning", event["messageId"])
        if not self._has(event["messageId"]):
            self.messages.append({"id": event["messageId"], "role": "reasoning", "content": ""})

    def _reasoning_message_content(self, event: dict[str, Any]) -> None:
        self._within("reasoning", event["messageId"])
        self.find(event["messageId"])["content"] += event["delta"]

    def _reasoning_message_end(self, event: dict[str, Any]) -> None:
        self._over("reasoning", event["messageId"])

    def _reasoning_end(self, event: dict[str, Any]) -> None:
        self._over("span", event["messageId"])

    def _tool_call_start(self, event: dict[str, Any]) -> None:
        name = event["toolCallId"]
        self._begin("call", name)
        if any(call["id"] == name for one in self.messages for call in one.get("toolCalls", ())):
            return
        if not self._has(event["parentMessageId"]):
            self.messages.append({"id": event["parentMessageId"], "role": "assistant"})
        function = {"name": event["toolCallName"], "arguments": ""}
        owner = self.find(event["parentMessageId"])
        owner.setdefault("toolCalls", []).append({"id": name, "type": "function", "function": function})

    def _tool_call_args(self, event: dict[str, Any]) -> None:
        self._within("call", event["toolCallId"])
        self.call(event["toolCallId"])[1]["function"]["arguments"] += event["delta"]

    def _tool_call_end(self, event: dict[str, Any]) -> None:
        self._over("call", event["toolCallId"])

    def _tool_call_result(self, event: dict[str, Any]) -> None:
        assert not self._has(event["messageId"])
        place = self.messages.index(self.call(event["toolCallId"])[0]) + 1
        while place < len(self.messages) and self.messages[place]["role"] == "tool":
            place += 1
        told = {"id": event["messageId"], "role": "tool", "toolCallId": event["toolCallId"]}
        self.messages.insert(place, {**told, "content": event["content"]})
