"""The link to one MCP server: opened when it is needed, shared by all calls of a worker, closed when nobody calls.

Whoever opens a client of the protocol must also close it, so one task owns it from its beginning to its end.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shlex
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import anyio
import msgspec
import structlog
from mcp import Client, MCPError, types
from mcp.client.session import ElicitationFnT, IncomingMessage, MessageHandlerFnT
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from holdfast.agents.mcp.talking import NOBODY, Line, Question, Talk
from holdfast.core.canonical import canonical_json
from holdfast.core.errors import Unavailable

OPEN_S = 20.0  # from the start of a command, or the dial, to the end of the handshake: package runners are slow
IDLE_S = 300.0  # without a call, a link is closed; the next call opens another
CALLS_MAX = 16  # at once over one link; more wait
LISTED_MAX = 1_000  # tools of one server: a server without end must not fill the memory
PART_MAX = 96 * 1024  # characters of an image or a sound in base64: two fit into a result
LOOK_AGAIN_S = 60.0  # after which a call looks first whether its tool is still the one that was listed
REFUSED_STATE = -32602  # invalid params: with a state, the server does not know it (any more)
CLOSED = -32000  # the connection ended under the call
ASKS_BY_RESULT = "2026-07-28"  # the protocol from which on a server asks by what it returns, and holds nothing
HELD = "held:"  # begins the state of a call that this worker holds
HELD_MAX = 16  # calls that wait for a person, each with a connection to itself
HELD_S = 3_600.0  # then such a call is given up: most of these servers wait for a minute themselves


log = structlog.get_logger("holdfast.mcp")


class Asks(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server wants of a person before it goes on."""

    message: str
    mode: Literal["form", "url"] = "form"
    schema: dict[str, Any] | None = None
    url: str | None = None


class Reached(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a call has come: exactly one of a value, a failure, questions, or that its state is not known."""

    value: Any = None
    failure: str | None = None
    asks: dict[str, Asks] | None = None
    #: The server's own, given back byte by byte. It never leaves the store and the worker.
    state: str | None = None
    forgotten: bool = False


class Target(msgspec.Struct, frozen=True):
    """Where a server is: a command line that is started here, or an address."""

    where: str
    environment: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}

    def client(self, told: MessageHandlerFnT | None = None, asks: ElicitationFnT | None = None) -> Client:
        """A client that is not open yet. `told` hears what the server says besides, `asks` what it asks in a call."""
        if self.where.startswith(("http://", "https://")):
            server: Any = self._http()
        else:
            program, *arguments = shlex.split(self.where)
            server = StdioServerParameters(command=program, args=arguments, env=dict(self.environment))
        return Client(server, elicitation_callback=asks, message_handler=told, cache=None)

    @asynccontextmanager
    async def _http(self) -> AsyncGenerator[Any]:
        async with (
            create_mcp_http_client(dict(self.headers)) as http,
            streamable_http_client(self.where, http_client=http) as streams,
        ):
            yield streams


class Link:
    """Calls over one connection after the other."""

    def __init__(self, name: str, target: Target, timeout_s: float, marks: Mapping[str, str]) -> None:
        """`marks` are those of the tools as they were listed, by name."""
        self._name, self._target, self._timeout_s, self._marks = name, target, timeout_s, marks
        self._changed: frozenset[str] = frozenset()
        self._look_again_s = 0.0  # by the loop's clock
        self._owner: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Line] | None = None
        self._alone = asyncio.Lock()  # of calls that may ask in their middle
        self._held: dict[str, tuple[Talk, asyncio.Task[None], asyncio.TimerHandle]] = {}  # by state
        self._slots = asyncio.Semaphore(CALLS_MAX)
        self._calls = 0
        self._ending: set[asyncio.Task[None]] = set()

    async def call(
        self, tool: str, arguments: dict[str, Any], responses: dict[str, Any] | None = None, state: str | None = None
    ) -> Reached:
        """One round. What the server says against it is a failure in its words; so is that it does not answer."""
        async with self._slots:
            self._calls += 1
            try:
                return await self._round(tool, arguments, responses, state)
            except MCPError as error:
                if error.code == REFUSED_STATE and state is not None:
                    return Reached(forgotten=True)
                if error.code == CLOSED:
                    self.drop()
                    return Reached(failure=f"{self._name} ended the connection: it may have run.")
                return Reached(failure=f"{self._name}: {error.message}")
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                self.drop()
                return Reached(failure=f"{self._name} has gone away: it may have run.")
            except Unavailable as error:
                return Reached(failure=f"{error.message} It has not run.")
            finally:
                self._calls -= 1

    def drop(self) -> None:
        """End the connection in the background; the next call opens another."""
        if self._owner is not None:
            self._end(self._owner)
        self._owner = self._ready = None

    def _let_go(self, state: str) -> None:
        """Give a held call up, if it is still held."""
        if state in self._held:
            talk, owner, timer = self._held.pop(state)
            timer.cancel()
            talk.end()
            self._end(owner)

    def _end(self, owner: asyncio.Task[None]) -> None:
        self._ending.add(owner)
        owner.add_done_callback(self._ending.discard)
        owner.cancel()

    async def close(self) -> None:
        """End the connections, and wait until their commands are gone."""
        self.drop()
        for state in [*self._held]:
            self._let_go(state)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _round(
        self, tool: str, arguments: dict[str, Any], responses: dict[str, Any] | None, state: str | None
    ) -> Reached:
        if state is not None and state.startswith(HELD):
            return await self._answered(state, responses or {})
        client = (await self._line()).client
        if client.protocol_version < ASKS_BY_RESULT:
            return await self._by_itself(tool, arguments)
        if state is None and tool in await self._changed_tools(client):
            return self._changed_tool()
        given = {key: types.ElicitResult.model_validate(response) for key, response in (responses or {}).items()}
        result = await client.session.call_tool(
            tool,
            arguments,
            read_timeout_seconds=self._timeout_s,
            input_responses=cast("types.InputResponses", given) if responses is not None else None,
            request_state=state,
            allow_input_required=True,
        )
        return _asked(self._name, result) if isinstance(result, types.InputRequiredResult) else _given(result)

    async def _by_itself(self, tool: str, arguments: dict[str, Any]) -> Reached:
        """A call in the middle of which the server may ask: alone on its connection, so that it is known who does."""
        async with self._alone:
            line = await self._line()  # again: a call that was before may have kept the one there was
            if tool in await self._changed_tools(line.client):
                return self._changed_tool()
            talk = line.talk = Talk(line.client.session.call_tool(tool, arguments))
            try:
                reached = await self._goes_on(talk, HELD + secrets.token_urlsafe(16))
                if reached.state is not None and self._owner is not None:
                    timer = asyncio.get_running_loop().call_later(HELD_S, self._let_go, reached.state)
                    line.held, self._held[reached.state] = True, (talk, self._owner, timer)
                    self._owner = self._ready = None  # the next call opens another
                return reached
            finally:
                if not line.held:
                    line.talk = None

    async def _answered(self, state: str, responses: dict[str, Any]) -> Reached:
        if state not in self._held:
            return Reached(
                failure=f"{self._name} asked in the middle of the call, and who held it is gone: it may have run."
            )
        talk, _, _ = self._held[state]
        talk.answer(types.ElicitResult.model_validate(next(iter(responses.values()))))
        reached = Reached(failure="")
        try:
            reached = await self._goes_on(talk, state)
        except MCPError as error:
            reached = Reached(failure=f"{self._name}: {error.message} It may have run.")
        finally:
            if reached.state is None:
                self._let_go(state)
        return reached

    async def _goes_on(self, talk: Talk, state: str) -> Reached:
        try:
            said = await talk.goes_on(self._timeout_s)
            while not isinstance(said, types.CallToolResult):
                if state in self._held or len(self._held) < HELD_MAX:
                    return Reached(asks={str(talk.asked): _question(said)}, state=state)
                talk.answer(NOBODY)
                said = await talk.goes_on(self._timeout_s)
        except TimeoutError:
            return Reached(failure=f"{self._name} did not answer within {self._timeout_s:g} s: it may have run.")
        return _given(said)

    def _changed_tool(self) -> Reached:
        return Reached(failure=f"{self._name} has changed this tool since the worker began. It has not run.")

    async def _changed_tools(self, client: Client) -> frozenset[str]:
        """Tools that are not what they were when they were listed: nobody has agreed to what they are now."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._look_again_s:
            found = {tool.name: mark_of(tool) for tool in await _pages(client)}
            changed = frozenset(name for name, mark in self._marks.items() if found.get(name) != mark)
            if changed != self._changed:
                log.warning("an MCP server has changed its tools", server=self._name, tools=sorted(changed))
            self._changed, self._look_again_s = changed, now_s + LOOK_AGAIN_S
        return self._changed

    async def _told(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._look_again_s = 0.0

    async def _line(self) -> Line:
        loop = asyncio.get_running_loop()
        if self._owner is None or self._owner.done() or self._owner.get_loop() is not loop:
            self._ready = loop.create_future()
            self._owner = loop.create_task(self._own(self._ready), name=f"holdfast mcp {self._name}")
        assert self._ready is not None
        try:
            async with asyncio.timeout(OPEN_S):
                return await asyncio.shield(self._ready)
        except TimeoutError:
            self.drop()
            raise Unavailable(f"{self._name} did not answer within {OPEN_S:g} s.") from None

    async def _own(self, ready: asyncio.Future[Line]) -> None:
        line = Line()
        try:
            async with self._target.client(self._told, line.asks) as line.client:
                self._look_again_s = 0.0  # it may be started anew, as another version
                ready.set_result(line)
                await self._until_idle(line)
        except Exception as error:  # noqa: BLE001 - a server of somebody else, which may fail in any way
            if not ready.done():
                ready.set_exception(Unavailable(f"{self._name} cannot be reached: {_first(error)}."))

    async def _until_idle(self, line: Line) -> None:
        idle = 0
        while idle < 2:  # twice in a row: a call that has just ended may be followed by another
            await asyncio.sleep(IDLE_S / 2)
            idle = 0 if self._calls or line.held else idle + 1


def mark_of(tool: types.Tool) -> str:
    """What of a tool people and rules go by: its arguments, and what it says that it does."""
    hints = tool.annotations.model_dump(exclude_none=True) if tool.annotations else {}
    return hashlib.sha256(canonical_json([tool.input_schema, hints])).hexdigest()


async def listed(name: str, target: Target) -> list[types.Tool]:
    """All tools of a server, over a connection of its own. Raises Unavailable."""
    try:
        async with asyncio.timeout(OPEN_S), target.client() as client:
            return await _pages(client)
    except Exception as error:
        raise Unavailable(f"The tools of {name} cannot be listed: {_first(error)}.") from error


async def _pages(client: Client) -> list[types.Tool]:
    tools: list[types.Tool] = []
    cursor: str | None = None
    while len(tools) < LISTED_MAX:
        page = await client.list_tools(cursor=cursor)
        tools.extend(page.tools)
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools[:LISTED_MAX]


def _asked(name: str, result: types.InputRequiredResult) -> Reached:
    asks: dict[str, Asks] = {}
    for key, request in (result.input_requests or {}).items():
        if not isinstance(request, types.ElicitRequest):
            return Reached(failure=f"{name} wants {request.method}, which is not given to servers.")
        asks[key] = _question(request.params)
    return Reached(asks=asks, state=result.request_state)


def _question(params: Question) -> Asks:
    if isinstance(params, types.ElicitRequestURLParams):
        return Asks(params.message, "url", url=params.url)
    return Asks(params.message, "form", params.requested_schema)


def _given(result: types.CallToolResult) -> Reached:
    parts = [part.model_dump(by_alias=True, mode="json", exclude_none=True) for part in result.content]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    if result.is_error:
        return Reached(failure="\n".join(texts) or "The server reports an error without words.")
    if result.structured_content is not None:
        return Reached(value=result.structured_content)
    if len(texts) == len(parts):
        return Reached(value="\n".join(texts))
    return Reached(value=[_bounded(part) for part in parts])


def _bounded(part: dict[str, Any]) -> dict[str, Any]:
    """An image or a sound that is too large is named, and left out."""
    size = len(part.get("data", ""))
    if size <= PART_MAX:
        return part
    return {"type": "text", "text": f"[{part['type']} {part.get('mimeType', '')}: {size} characters, left out]"}


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return str(error) or type(error).__name__
