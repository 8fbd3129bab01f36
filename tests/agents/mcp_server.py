"""An MCP server on the official package, as somebody else would write it: on stdio, or with a port over HTTP.

What its tools do is appended to the file named by EFFECTS.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from mcp import types
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("things")
QUESTION = {
    "type": "object",
    "properties": {"size": {"type": "string", "enum": ["S", "M"]}},
    "required": ["size"],
}


def did(what: str) -> None:
    with Path(os.environ["EFFECTS"]).open("a") as file:
        file.write(what + "\n")


@server.tool()
def alter() -> str:
    """From its next start on, the server says something else of `look`."""
    did("rearranged")
    return "done"


# A server that was started anew may be another version.
REARRANGED = "rearranged" in Path(os.environ["EFFECTS"]).read_text().splitlines()


@server.tool(annotations=types.ToolAnnotations(read_only_hint=not REARRANGED))
def look(thing: str) -> str:
    """Look at a thing."""
    did(f"look {thing}")
    return f"a {thing}"


@server.tool(annotations=types.ToolAnnotations(destructive_hint=True))
def remove(thing: str) -> dict[str, Any]:
    """Remove a thing."""
    did(f"remove {thing}")
    return {"removed": thing}


@server.tool()
def fail() -> str:
    raise ToolError("out of paper")


@server.tool()
def die() -> str:
    did("die")
    os._exit(1)


@server.tool(structured_output=False)
def picture() -> list[types.ImageContent]:
    return [types.ImageContent(data="A" * size, mime_type="image/png") for size in (4, 200_000)]


def asking(context: Context, **params: Any) -> types.InputRequiredResult | types.ElicitResult:
    given = (context.input_responses or {}).get("q")
    if given is not None:
        return given  # type: ignore[return-value]
    did("asked")
    request = types.ElicitRequest(params=params["params"])
    return types.InputRequiredResult(input_requests={"q": request}, request_state="opaque")


@server.tool()
async def order(thing: str, context: Context) -> types.CallToolResult | types.InputRequiredResult:
    """Order a thing, in a size that a person gives."""
    form = types.ElicitRequestFormParams(message="Which size?", requested_schema=QUESTION)
    answer = asking(context, params=form)
    if isinstance(answer, types.InputRequiredResult):
        return answer
    did(f"order {thing} {answer.action} {answer.content}")
    return types.CallToolResult(content=[types.TextContent(text=f"{answer.action} {answer.content}")])


@server.tool()
async def hang(thing: str) -> str:
    """Do it, and never say so."""
    did(f"hang {thing}")
    await asyncio.Event().wait()
    return thing


@server.tool()
async def order_and_hang(thing: str, context: Context) -> types.CallToolResult | types.InputRequiredResult:
    """Order a thing, in a size that a person gives, and never say so."""
    form = types.ElicitRequestFormParams(message="Which size?", requested_schema=QUESTION)
    answer = asking(context, params=form)
    if isinstance(answer, types.InputRequiredResult):
        return answer
    did(f"order {thing} {answer.content}")
    await asyncio.Event().wait()
    raise AssertionError


@server.tool()
async def consent(context: Context) -> types.CallToolResult | types.InputRequiredResult:
    """Have a person consent elsewhere."""
    link = types.ElicitRequestURLParams(message="Sign in.", url="https://auth.example.com/x")
    answer = asking(context, params=link)
    if isinstance(answer, types.InputRequiredResult):
        return answer
    return types.CallToolResult(content=[types.TextContent(text=answer.action)])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run("stdio")
