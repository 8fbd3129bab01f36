"""What becomes of a call, in words for an agent that made it; and what it gave, as it is shown. Pure."""

from __future__ import annotations

import json
from typing import Any

from holdfast.runtime.results import Result

NOT_DONE = "It was not carried out, and nobody said yes or no."
_ENDED: dict[str, str] = {
    "expired": "Nobody answered in time. It was not carried out. That is neither a yes nor a no.",
    "cancelled": "It was cancelled and not carried out. That is neither a yes nor a no.",
    "withdrawn": "It was taken back and not carried out. That is neither a yes nor a no.",
    "superseded": "A newer message superseded it. It was not carried out. That is neither a yes nor a no.",
}


def read(content: str) -> Any:
    """A result that was told as text: what is an object or a list in it is shown as one."""
    if content[:1] not in ("{", "["):
        return content
    try:
        return json.loads(content)
    except ValueError:
        return content


def denied(reason: str | None) -> str:
    return f"Denied, and not carried out. Reason: {reason}" if reason else "Denied, and not carried out."


def not_done(result: Result[Any]) -> str:
    """Why a call has no value."""
    match result.status:
        case "denied":
            return denied(result.reason)
        case "failed":
            return f"It failed: {result.reason}"
        case _:
            reason = f" Reason: {result.reason}" if result.reason else ""
            return _ENDED.get(result.status, NOT_DONE) + reason
