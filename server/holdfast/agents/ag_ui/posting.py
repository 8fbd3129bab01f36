"""One run over HTTP: the input goes out in one POST, and the events come back as server-sent events.

What may be tried again: a run that the agent has not begun, as far as can be seen from here. What it has begun is
its own: a connection that ends in the middle of a run leaves it unknown what the agent did.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing
from typing import Any, Final, cast

import httpx2
import msgspec
import structlog
from ag_ui.core import Event, EventType
from pydantic import TypeAdapter, ValidationError

from holdfast.agents.foreign.shown import AgentFailed

CONNECT_S = 10.0  # to dial and to agree on TLS
EVENT_MAX_BYTES = 2 * 1024 * 1024  # of one event: a snapshot has the whole conversation
RUN_MAX_BYTES = 64 * 1024 * 1024  # of all events of one run
PASSING = (408, 425, 429, 502, 503, 504)  # answers of a server, or of what stands before it, that may pass
LOGGED_MAX = 2_000  # characters of an error's body that are logged; nothing of it is shown

_EVENTS: Final[TypeAdapter[Event]] = TypeAdapter(Event)
_TYPES: Final = frozenset(str(kind.value) for kind in EventType)


class NotBegun(Exception):
    """The agent could not be reached, or has no room now; it has not begun."""


class BrokenOff(Exception):
    """The connection ended in the middle of a run."""


class Where(msgspec.Struct, frozen=True):
    """Where an agent is, and how patient we are."""

    url: str
    #: Without a byte for so long, the connection is taken for dead.
    silence_s: float
    transport: Any = None


class PrivateHeaders(httpx2.Auth):
    """Headers of the app's own. A log that shows the values of a failed function's variables does not show these."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response]:
        request.headers.update(self._headers)
        yield request


async def events(where: Where, given: Mapping[str, Any], headers: PrivateHeaders) -> AsyncGenerator[Event]:
    """The events of a run, as they come. Events of types that nobody knows are passed over.

    Raises:
        NotBegun, BrokenOff: as they say.     AgentFailed: the agent refuses the input, or breaks the protocol.
    """
    timeout = httpx2.Timeout(where.silence_s, connect=CONNECT_S)
    # Redirects are not followed: the headers may hold secrets that are for this address only.
    client = httpx2.AsyncClient(timeout=timeout, transport=where.transport, follow_redirects=False)
    wanted = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    begun = False
    async with client:
        try:
            async with client.stream("POST", where.url, json=given, headers=wanted, auth=headers) as response:
                await _check(response)
                async with aclosing(_parsed(response)) as parsed:
                    async for event in parsed:
                        begun = True
                        yield event
        except httpx2.SSEError as error:
            raise AgentFailed(f"The agent does not stream events: {error}") from None
        except httpx2.TransportError as error:
            words = str(error) or type(error).__name__
            raise (BrokenOff if begun else NotBegun)(words) from None


async def _check(response: httpx2.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    if 300 <= status < 400:
        raise AgentFailed(f"The agent answers {status}: it is at another address. Give that one.")
    if status in PASSING:
        raise NotBegun(f"it answers {status}")
    body = await anext(response.aiter_raw(), b"")  # its first piece, as it came: nothing is unpacked or waited for
    structlog.get_logger("holdfast.agents").warning(
        "agent refused", status=status, body=body[:LOGGED_MAX].decode(errors="replace")
    )
    raise AgentFailed(f"The agent answers {status}.")


async def _parsed(response: httpx2.Response) -> AsyncGenerator[Event]:
    size = 0
    async for sent in httpx2.EventSource(response, max_event_size=EVENT_MAX_BYTES):
        size += len(sent.data)
        if size > RUN_MAX_BYTES:
            raise AgentFailed(f"The agent sends more than {RUN_MAX_BYTES} bytes in one run.")
        if sent.data and (event := parse(sent.data)) is not None:
            yield event


def parse(data: str) -> Event | None:
    """An event; None if its type is unknown here: protocols grow.

    Raises:
        AgentFailed: it is none.
    """
    try:
        given: Any = json.loads(data)
    except ValueError as error:
        raise AgentFailed(f"The agent sends what is no JSON: {error}.") from None
    kind = cast("dict[str, Any]", given).get("type") if isinstance(given, dict) else None
    if not isinstance(kind, str):
        raise AgentFailed("The agent sends an event without a type.")
    if kind not in _TYPES:
        return None
    try:
        return _EVENTS.validate_python(given)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False, include_context=False)
        where = ".".join(str(part) for part in first["loc"])
        raise AgentFailed(f"The agent sends a malformed {kind}: {where}: {first['msg']}.") from None
