"""Tools of these tests: one that asks, one that does not, one that runs on a device."""

from __future__ import annotations

from holdfast import client_tool, tool


@tool(approval=True)
async def gated(name: str) -> str:
    return f"did {name}"


@tool(approval=False)
async def free(name: str) -> str:
    return f"did {name}"


@client_tool
async def location(accuracy: str) -> dict[str, float]: ...
