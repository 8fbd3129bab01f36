"""The inbox and gates, over REST: what a device reads without attaching to anything."""

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
from holdfast.protocol.frames import GateShown

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
        page = await asyncio.to_thread(_get, f"{http}/v1/interrupts{query}", headers)
        found += msgspec.convert(page["interrupts"], list[Interrupt])
        cursor = page.get("next")
        if not cursor:
            break
    return found


async def read_gate(http: str, headers: dict[str, str], gate: str, session: str | None) -> GateShown:
    """A gate as it stands. Raises NotFound, Gone, Forbidden, Unavailable."""
    query = f"?{urllib.parse.urlencode({'session': session})}" if session else ""
    shown = await asyncio.to_thread(_get, f"{http}/v1/gates/{urllib.parse.quote(gate, safe='')}{query}", headers)
    return msgspec.convert(shown, GateShown)


def _get(url: str, headers: dict[str, str]) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={**headers, "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return msgspec.json.decode(response.read(), type=dict[str, Any])
    except urllib.error.HTTPError as error:
        with error:
            raise _problem(error.code, error.read()) from None
    except (OSError, msgspec.DecodeError) as error:
        raise Unavailable(f"{url} does not answer: {error}") from None


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
