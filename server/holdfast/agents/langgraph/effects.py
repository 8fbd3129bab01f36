"""A graph's tools under our rules: each call once, recorded before and after, and only if no policy objects."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

import msgspec
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.errors import GraphBubbleUp
from langgraph.types import interrupt

from holdfast.agents.foreign.driving import Stretch
from holdfast.runtime.results import StepFailed

GOVERNED = "__holdfast"  # in `configurable`, of which names that begin so are stored nowhere
POLICY = "by_policy"  # in an interrupt's value: the graph itself would have let the call pass

_SERDE = JsonPlusSerializer()


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tool gave, as the checkpointer would keep it. Neither: it stopped in the middle, to ask a human."""

    langgraph: str | None = None
    data: str = ""


class Governed(NamedTuple):
    """What `once` needs to know of the segment in which it is called."""

    stretch: Stretch
    #: Calls that people have let pass; and those that were asked about because of a policy.
    permitted: list[str]
    asked: list[str]


async def once(request: Any, execute: Callable[[Any], Awaitable[Any]]) -> Any:
    """Have a call of a tool made once, if no policy objects.

    For `ToolNode(tools, awrap_tool_call=once)`, or as LangChain's middleware, the innermost of its kind:
    `create_agent(…, middleware=[HumanInTheLoopMiddleware(…), wrap_tool_call(once)])`. Outside of a session it changes
    nothing. If the worker dies while the tool runs, an operator says whether it happened.
    """
    governed = _governed(request)
    if governed is None:
        return await execute(request)
    call = request.tool_call
    if call["id"] in governed.asked:  # before anything else, for a graph hands out answers in the order of questions
        decision = _ask(call)
        if decision["type"] == "reject":
            return _told(call, decision["message"], "error")
    ungoverned = None if call["id"] in governed.permitted else lambda: _ask(call)

    async def run() -> Kept:
        try:
            kind, data = _SERDE.dumps_typed(await execute(request))
        except GraphBubbleUp:  # the graph runs it again with the answer
            return Kept(None)
        return Kept(kind, base64.b64encode(data).decode())

    effect = governed.stretch.effect
    try:
        value = await effect(call["name"], call["id"], call["args"], run, ungoverned=ungoverned)
    except StepFailed as failed:
        if failed.type != "InDoubt":
            raise
        return _told(call, failed.message, "error")
    return await execute(request) if value == _PAUSED else _given(call, value)


_PAUSED = msgspec.to_builtins(Kept(None))


def _given(call: Any, value: Any) -> Any:
    try:
        kept = msgspec.convert(value, Kept)
    except msgspec.ValidationError:  # an operator said that it ran, and with what result
        return _told(call, value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return _SERDE.loads_typed((str(kept.langgraph), base64.b64decode(kept.data)))


def _governed(request: Any) -> Governed | None:
    config: dict[str, Any] = (request.runtime.config if request.runtime is not None else None) or {}
    return config.get("configurable", {}).get(GOVERNED)


def _ask(call: Any) -> Any:
    """Stop the graph, as LangChain's own middleware does; or give the answer."""
    asked = {"type": "tool_approval", "tool_call_id": call["id"], "name": call["name"], "args": call["args"]}
    return interrupt({**asked, POLICY: True})


def _told(call: Any, words: str, status: Literal["success", "error"] = "success") -> ToolMessage:
    return ToolMessage(words, name=call["name"], tool_call_id=call["id"], status=status)
