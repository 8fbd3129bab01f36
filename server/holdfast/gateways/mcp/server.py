"""The MCP server: lists the tools, checks arguments, and says results and refusals in the protocol's words."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec
from mcp import types
from mcp.server import Server, ServerRequestContext

from holdfast.core.errors import HoldfastError
from holdfast.gateways.mcp import permission
from holdfast.gateways.mcp.described import described
from holdfast.gateways.mcp.edge import Edge
from holdfast.gateways.mcp.permission import PermissionPrompt, permitted
from holdfast.gateways.mcp.tools import TOOLS
from holdfast.gateways.mcp.waiting import Progress

INSTRUCTIONS = (
    "These tools reach people, who may answer at once or tomorrow. A result whose status is `open` is neither a yes "
    "nor a no: go on waiting as the result says, or do something else meanwhile."
)

Context = ServerRequestContext[Any, Any]


def serving(edge: Edge) -> Server[Any]:
    """A server whose calls ask at the desk of whoever makes them."""
    calls = _Calls(edge)
    return Server(
        "holdfast",
        version=version("holdfast"),
        instructions=INSTRUCTIONS,
        on_list_tools=calls.tools,
        on_call_tool=calls.call,
    )


class _Calls:
    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def tools(self, context: Context, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        own = [described(name, arguments) for name, (arguments, _) in TOOLS.items()]
        app = self._edge.app(context, _progress(context))
        published = [] if app is None else await app.tools()
        return types.ListToolsResult(tools=[*own, described(permission.NAME, PermissionPrompt), *published])

    async def call(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        try:
            with self._edge.under_way(context):
                return await self._done(context, params)
            return _failed("The call was cancelled.")
        except HoldfastError as error:
            return _failed(f"{error} ({error.code})")
        except msgspec.ValidationError as error:
            return _failed(f"The arguments cannot be used: {error}")

    async def _done(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        desk, terms, progress = self._edge.desk(context), self._edge.terms(context), _progress(context)
        name, given = params.name, params.arguments or {}
        if name == permission.NAME:
            sent = msgspec.convert(given, PermissionPrompt)
            said = msgspec.json.encode(await permitted(desk, terms, sent, progress)).decode()
            return types.CallToolResult(content=[types.TextContent(text=said)])
        if name not in TOOLS:
            app = self._edge.app(context, progress)
            return _failed(f"There is no tool {name!r}.") if app is None else await app.call(params)
        arguments, handler = TOOLS[name]
        told = await handler(desk, terms, msgspec.convert(given, arguments), progress)
        return types.CallToolResult(
            content=[types.TextContent(text=told.message)], structured_content=msgspec.to_builtins(told)
        )


def _progress(context: Context) -> Progress:
    async def tell(seconds: float) -> None:
        await context.session.report_progress(seconds, None, "Still waiting.")

    return tell


def _failed(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True)
