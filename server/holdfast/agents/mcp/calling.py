"""The body of such a tool: call the server; where it wants something of a person, let go, and come back with it.

    call ──▶ value | failure
      │ ▲
      │ └──────────── the answers, with the server's state as it was
      └─▶ asks ─▶ forms, which anybody entitled fills in on any device

Each round is a step of the body, so none is repeated because a later one waited. No connection is held meanwhile.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.agents.mcp.link import Asks, Link, Reached
from holdfast.core.canonical import canonical_json
from holdfast.runtime.call import Call

ROUNDS_MAX = 10  # as many as the protocol's own client goes


class ToolFailed(Exception):
    """What the server says against the call."""


async def called(call: Call[Any], link: Link, server: str, tool: str, arguments: dict[str, Any]) -> Any:
    """The tool's result. Raises ToolFailed."""
    answers = _Answers(call, server, tool)
    reached: Reached = await call.step("call", link.call, tool, arguments)
    for _ in range(ROUNDS_MAX):
        if reached.forgotten:
            # The state is too old, or its server was started anew. What was answered stands, if it asks the same again.
            reached = await call.step("call", link.call, tool, arguments)
        if reached.failure is not None:
            raise ToolFailed(reached.failure)
        if reached.asks is None:
            return reached.value
        responses = {key: await answers.to(key, asks) for key, asks in reached.asks.items()}
        reached = await call.step("call", link.call, tool, arguments, responses, reached.state)
    raise ToolFailed(f"{server} asked more than {ROUNDS_MAX} times.")


class _Answers:
    """What people have answered in this call: a yes to one question is never one to another."""

    def __init__(self, call: Call[Any], server: str, tool: str) -> None:
        self._call, self._server, self._tool = call, server, tool
        self._given: dict[bytes, dict[str, Any]] = {}

    async def to(self, key: str, asks: Asks) -> dict[str, Any]:
        same = canonical_json([key, msgspec.to_builtins(asks)])
        if same not in self._given:
            self._given[same] = await self._ask(asks)
        return self._given[same]

    async def _ask(self, asks: Asks) -> dict[str, Any]:
        message = f"{self._server}: {asks.message}"  # who asks must be seen
        metadata = {"mcp": {"server": self._server, "tool": self._tool}}
        if asks.mode == "url":
            result = await self._call.form(message, url=asks.url, metadata=metadata)
            return {"action": "accept"} if result.ok else _refused(result.status)
        result = await self._call.form(message, asks.schema, metadata=metadata)
        return {"action": "accept", "content": result.value} if result.ok else _refused(result.status)


def _refused(status: str) -> dict[str, Any]:
    return {"action": "decline" if status == "denied" else "cancel"}
