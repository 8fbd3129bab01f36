"""A session's messages as AG-UI has them: what a client is shown that has not seen them stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from holdfast.core.branches import visible
from holdfast.core.folding import Placed, State
from holdfast.core.messages import Message, Part
from holdfast.gateways.ag_ui.contents import content
from holdfast.gateways.ag_ui.places import Places, result_id

Shown = dict[str, Any]

HISTORY_MAX_BYTES = 2 * 1024 * 1024  # of JSON; a client posts it all with each run, and 4 MiB are taken


class Names:
    """What a client calls our messages: its own by the id that it gave, where that can only mean this one."""

    def __init__(self, state: State) -> None:
        placed = visible(state)
        taken = set(state.messages)
        self._own: dict[str, str] = {}
        self._placed: dict[str, Placed] = {}
        for one in placed:
            given = (one.message.metadata or {}).get("clientId")
            free = one.message.role == "user" and isinstance(given, str) and given not in taken
            name = str(given) if free else one.message.id
            taken.add(name)
            self._own[one.message.id] = name
            self._placed[name] = one

    def of(self, message: Message) -> str:
        return self._own.get(message.id, message.id)

    def find(self, name: str) -> Placed | None:
        """The message that a client means."""
        return self._placed.get(name)


def history(state: State) -> list[Shown]:
    """The branch that is shown, oldest first; the oldest are left out where it is too large."""
    names, size = Names(state), 0
    kept: list[list[Shown]] = []
    for placed in reversed(visible(state)):
        shown = _message(placed.message, names)
        size += len(msgspec.json.encode(shown))
        if kept and size > HISTORY_MAX_BYTES:
            break
        kept.append(shown)
    return [one for shown in reversed(kept) for one in shown]


def agents(message: Message) -> list[Shown]:
    """What one message of the agent's is there."""
    places, made, calls = Places(message.id), list[Shown](), latest(message)
    for part in message.parts:
        match part["type"]:
            case "text":
                made.append({"id": places.text(), "role": "assistant", "content": part["text"]})
            case "reasoning":
                made.append({"id": places.reasoning(), "role": "reasoning", "content": part["text"]})
            case "step-start":
                places.step()
            case _ if is_tool(part) and part["toolCallId"] in calls:
                _call(made, _owner(made, places.call()), calls.pop(part["toolCallId"]))
            case _:
                pass
    return made


def latest(message: Message) -> dict[str, Part]:
    """Calls by their ids. One that is used again means the last of its calls: there, ids are of all messages."""
    return {part["toolCallId"]: part for part in message.parts if is_tool(part)}


def is_tool(part: Part) -> bool:
    """Whether a part is a call of a tool."""
    return part["type"] == "dynamic-tool" or part["type"].startswith("tool-")


def tool_name(part: Part) -> str:
    return part["toolName"] if part["type"] == "dynamic-tool" else part["type"].removeprefix("tool-")


def arguments(part: Part) -> str:
    """What a call's tool is called with, as text: all of it, or as far as it has come."""
    return as_text(part["input"], quoted=True) if "input" in part else str(part.get("rawInput") or "")


def result(part: Part) -> str | None:
    """What came of a call, as text; None: nothing yet. `part` is a call's, or the chunk that says what came of it."""
    if part.get("preliminary") is True:
        return None
    match part.get("state") or str(part["type"]).removeprefix("tool-"):
        case "output-available":
            return as_text(part.get("output"))
        case "output-error" | "input-error":
            return as_text({"error": part.get("errorText")})
        case "output-denied":
            approval: Part = part.get("approval") or {}
            reason = part.get("reason") or approval.get("reason")
            return as_text({"approved": False, **({"reason": reason} if reason else {})})
        case _:
            return None


def as_text(value: Any, *, quoted: bool = False) -> str:
    """A value where AG-UI has a text: as JSON, unless it is a text already."""
    return value if isinstance(value, str) and not quoted else msgspec.json.encode(value).decode()


def alike(posted: Iterable[Shown], shown: Iterable[Shown]) -> bool:
    """Whether a client has these messages, as far as it could know them: results stand as they came."""
    return _marked(posted) == _marked(shown)


def _marked(messages: Iterable[Shown]) -> tuple[list[Any], list[Any]]:
    marks = [_marks(one) for one in messages]
    results = [mark for mark in marks if mark[1] == "tool"]
    return [mark for mark in marks if mark[1] != "tool"], sorted(results, key=lambda mark: str(mark[0]))


def _marks(one: Shown) -> tuple[Any, ...]:
    calls = tuple(call.get("id") for call in one.get("toolCalls") or ())
    return one.get("id"), one.get("role"), one.get("content") or "", calls


def _message(message: Message, names: Names) -> list[Shown]:
    if message.role == "assistant":
        return agents(message)
    own = {"id": names.of(message), "role": message.role}
    if message.role == "system":
        return [{**own, "content": message.text}]
    by: dict[str, Any] = (message.metadata or {}).get("by") or {}
    name = by.get("name") or by.get("id")
    return [{**own, "content": content(message.parts), **({"name": name} if name else {})}]


def _owner(made: list[Shown], name: str) -> Shown:
    """The message of a call: it may have begun with a text."""
    for one in reversed(made):
        if one["id"] == name:
            return one
    made.append({"id": name, "role": "assistant"})
    return made[-1]


def _call(made: list[Shown], owner: Shown, part: Part) -> None:
    call = {"id": part["toolCallId"], "type": "function"}
    function = {"name": tool_name(part), "arguments": arguments(part)}
    owner.setdefault("toolCalls", []).append({**call, "function": function})
    came = result(part)
    if came is not None:
        own = {"id": result_id(part["toolCallId"]), "role": "tool", "toolCallId": part["toolCallId"]}
        made.append({**own, "content": came})
