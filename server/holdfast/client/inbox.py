"""The inbox, gates and workflows, over REST: what a device does without attaching to anything."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, cast

import msgspec

from holdfast.client.replies import error_of
from holdfast.core.errors import HoldfastError, Unavailable
from holdfast.core.interrupts import Interrupt
from holdfast.protocol.frames import Answered, GateShown

TIMEOUT_S = 10.0
PAGES_MAX = 20  # a longer inbox is for a screen that pages


async def read_inbox(http: str, headers: dict[str, str]) -> list[Interrupt]:
    """All open interrupts that the token's principal may answer, newest first as the server gives them.

    Raises:
        Unauthenticated, Forbidden, Unavailable
    """
    found: list[Interrupt] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        query = f"?{urllib.parse.urlencode({'cursor': cursor})}" if cursor else ""
        page = await asyncio.to_thread(asked, f"{http}/v1/interrupts{query}", headers)
        found += msgspec.convert(page["interrupts"], list[Interrupt])
        cursor = page.get("next")
        if not cursor:
            break
    return found


async def read_gate(http: str, headers: dict[str, str], gate: str, session: str | None) -> GateShown:
    """A gate as it stands. Raises NotFound, Gone, Forbidden, Unavailable."""
    query = f"?{urllib.parse.urlencode({'session': session})}" if session else ""
    shown = await asyncio.to_thread(asked, f"{http}/v1/gates/{urllib.parse.quote(gate, safe='')}{query}", headers)
    return msgspec.convert(shown, GateShown)


async def decide_workflow(
    http: str, headers: dict[str, str], turn: str, *, approved: bool, reason: str | None, ref: str
) -> Answered:
    """Decide the one gate at which a turn waits, by naming the turn.

    Raises:
        Conflict: not exactly one is open; `details` has those that are.
        NotFound, Gone, Forbidden, BadInput, Unavailable
    """
    deed = "approve" if approved else "reject"
    body = {"ref": ref} | ({} if reason is None else {"reason": reason})
    url = f"{http}/v1/turns/{urllib.parse.quote(turn, safe='')}/{deed}"
    return msgspec.convert(await asyncio.to_thread(asked, url, headers, body), Answered, strict=True)


def asked(url: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a server answers to a GET, or to the POST of a body. Raises the error that it answers; Unavailable."""
    data = None if body is None else msgspec.json.encode(body)
    given = {**headers, "Accept": "application/json"} | ({} if data is None else {"Content-Type": "application/json"})
    request = urllib.request.Request(url, data, headers=given)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return msgspec.json.decode(response.read(), type=dict[str, Any])
    except urllib.error.HTTPError as error:
        with error:
            told = error.read()
        if (lost := _lost(told)) is not None:
            return lost
        raise _problem(error.code, told) from None
    except (OSError, msgspec.DecodeError) as error:
        raise Unavailable(f"{url} does not answer: {error}") from None


def _lost(body: bytes) -> dict[str, Any] | None:
    """An answer that came too late is told with an error's status, and is none: losing is a result."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return cast("dict[str, Any]", told) if isinstance(told, dict) and "outcome" in told else None


def _problem(status: int, body: bytes) -> HoldfastError:
    """The error of a problem+json body, or of whatever else came with an error's status."""
    try:
        problem = msgspec.json.decode(body)
        fields = cast("dict[str, Any]", problem) if isinstance(problem, dict) else {}
    except msgspec.DecodeError:
        fields = {}
    retry = bool(fields.get("retry", status >= 500))
    code = str(fields.get("code") or ("unavailable" if retry else "refused"))
    message = str(fields.get("detail") or fields.get("title") or f"The server answered {status}.")
    return error_of(code, message, retry, fields.get("details"))
