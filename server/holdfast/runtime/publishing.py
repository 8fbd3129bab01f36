"""What an app publishes for agents elsewhere, as agents: so that each call is a turn, and no tool is called besides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from holdfast.core.manifests import Published, check_published
from holdfast.runtime.tools import Tool
from holdfast.runtime.turn import Turn

PREFIX = "published."  # of agents that do nothing but call one tool
MESSAGE = {
    "type": "object",
    "properties": {"message": {"type": "string", "minLength": 1, "maxLength": 32_000}},
    "required": ["message"],
    "additionalProperties": False,
}


def agent(name: str, description: str) -> Published:
    """An agent that is spoken to. Raises ValueError."""
    check_published(name)
    return Published(name, MESSAGE, description, "message")


def tool(called: Tool[..., Any]) -> tuple[str, Callable[[Turn], Awaitable[Any]], Published]:
    """The agent that calls one tool: its name, its function, and what is published. Raises ValueError."""
    check_published(called.name)

    async def call(turn: Turn) -> dict[str, Any]:
        result = await turn.call(called, **turn.input)
        return {"status": result.status, "value": result.returned, "reason": result.reason}

    published = Published(called.name, called.signature.input_schema, called.description)
    return f"{PREFIX}{called.name}", call, published


def collide(one: Published | None, other: Published | None) -> bool:
    """Whether agents elsewhere could not tell the two apart."""
    return one is not None and other is not None and one.name == other.name
