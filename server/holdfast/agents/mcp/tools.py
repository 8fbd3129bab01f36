"""Which tools of a server an agent gets, under which names, and what its hints mean for approval."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from holdfast.core.durations import Duration, milliseconds
from holdfast.runtime.call import Call
from holdfast.runtime.signatures import SchemaSignature
from holdfast.runtime.tools import Tool, ToolOptions

if TYPE_CHECKING:
    from mcp import types

    from holdfast.agents.mcp.link import Link

MISSING = "Tools of MCP servers need the package of the protocol: pip install 'holdfast[mcp]'."


def mcp_tools(
    where: str,
    *,
    name: str | None = None,
    include: Sequence[str] = ("*",),
    exclude: Sequence[str] = (),
    prefix: str | None = None,
    trusted: bool = False,
    timeout: Duration = "1 min",
    environment: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> list[Tool[..., Any]]:
    """The tools of an MCP server: of a command that is started here, or of an address.

    The server is asked for them now, once; what an agent can call does not change under its turns. A tool whose
    arguments or hints the server changes later is not called any more, until the worker is started anew. Each is
    called `prefix` and its own name; the prefix is `name` and a dot, unless given.

    Args:
        include, exclude: globs over the server's own names.
        trusted: believe its hints: what says that it only reads runs without asking, and is idempotent. Of any
            server it is believed that something is destructive: that is always asked about, whatever the app's
            default is.
        timeout: of one call.
        environment: for the command.     headers: for the address.

    Raises:
        ImportError: `holdfast[mcp]` is not installed.
        Unavailable: the server cannot be reached, or does not list its tools.
        ValueError: nothing fits, or it is no command.
    """
    if find_spec("mcp") is None:
        raise ImportError(MISSING)
    from holdfast.agents.mcp.link import Link, Target, listed, mark_of

    target = Target(where, environment or {}, headers or {})
    server = name or _name_of(where)
    # In a thread: a loop may be running here.
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(lambda: asyncio.run(listed(server, target))).result()
    chosen = [tool for tool in found if _fits(tool.name, include) and not _fits(tool.name, exclude)]
    if not chosen:
        raise ValueError(f"{server} has none of these tools; it has {', '.join(tool.name for tool in found) or 'none'}")
    link = Link(server, target, milliseconds(timeout) / 1_000, {tool.name: mark_of(tool) for tool in chosen})
    start = f"{server}." if prefix is None else prefix
    return [_tool(link, server, tool, f"{start}{tool.name}", trusted) for tool in chosen]


def _tool(link: Link, server: str, described: types.Tool, name: str, trusted: bool) -> Tool[..., Any]:
    from holdfast.agents.mcp.calling import called

    async def run(call: Call[Any], /, **arguments: Any) -> Any:
        return await called(call, link, server, described.name, arguments)

    run.__doc__ = described.description or described.title
    made: Tool[..., Any] = Tool(
        run, "tool", _rules(described.annotations, trusted), name, SchemaSignature(described.input_schema)
    )
    made.closes = link.close
    return made


def _rules(hints: types.ToolAnnotations | None, trusted: bool) -> ToolOptions:
    """A hint is what the server says of itself: to be believed where it asks for more care, else only if trusted."""
    if hints is None:
        return ToolOptions()
    if hints.destructive_hint and not hints.read_only_hint:
        return ToolOptions(approval=True, risk="high", idempotent=trusted and bool(hints.idempotent_hint))
    if trusted and hints.read_only_hint:
        return ToolOptions(approval=False, idempotent=True)
    return ToolOptions(idempotent=trusted and bool(hints.idempotent_hint))


def _fits(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _name_of(where: str) -> str:
    """What a server is called that nobody named: its host, or its command."""
    if where.startswith(("http://", "https://")):
        return urlsplit(where).hostname or where
    return PurePath(shlex.split(where)[0]).name
