"""The chunks that a version of the AI SDK knows. Its unions are closed: a chunk of another type ends the whole chat."""

from __future__ import annotations

from typing import Any, Literal, cast

from holdfast.gateways.ai_sdk.replay import Chunk

Version = Literal[6, 7]
NEWEST: Version = 7

#: Type → the strings without which it is refused (`uiMessageChunkSchema` of ai 6.0.326, and what 7.0.173 has more).
_OF_6: dict[str, tuple[str, ...]] = {
    "start": (),
    "finish": (),
    "abort": (),
    "message-metadata": (),
    "start-step": (),
    "finish-step": (),
    "error": ("errorText",),
    "text-start": ("id",),
    "text-delta": ("id", "delta"),
    "text-end": ("id",),
    "reasoning-start": ("id",),
    "reasoning-delta": ("id", "delta"),
    "reasoning-end": ("id",),
    "tool-input-start": ("toolCallId", "toolName"),
    "tool-input-delta": ("toolCallId", "inputTextDelta"),
    "tool-input-available": ("toolCallId", "toolName"),
    "tool-input-error": ("toolCallId", "toolName", "errorText"),
    "tool-output-available": ("toolCallId",),
    "tool-output-error": ("toolCallId", "errorText"),
    "tool-output-denied": ("toolCallId",),
    "tool-approval-request": ("approvalId", "toolCallId"),
    "source-url": ("sourceId", "url"),
    "source-document": ("sourceId", "mediaType", "title"),
    "file": ("url", "mediaType"),
}
_OF_7 = _OF_6 | {
    "tool-approval-response": ("approvalId",),
    "reset-step": (),
    "reasoning-file": ("url", "mediaType"),
    "custom": ("kind",),
    "steering-message": ("id",),
}
_KNOWN: dict[int, dict[str, tuple[str, ...]]] = {6: _OF_6, 7: _OF_7}


def version_of(named: str | None) -> Version | None:
    """The version that a client says it has; the newest if it says none. None: it is not spoken here."""
    major = (named or str(NEWEST)).partition(".")[0]
    return cast("Version", int(major)) if major in ("6", "7") else None


def understood(chunk: Chunk, version: Version) -> bool:
    """Whether a client of this version takes the chunk. An agent may have emitted anything."""
    kind: Any = chunk.get("type")
    if not isinstance(kind, str):
        return False
    if kind.startswith("data-"):
        return isinstance(chunk.get("id", ""), str)
    needs = _KNOWN[version].get(kind)
    return needs is not None and all(isinstance(chunk.get(key), str) for key in needs)
