"""A framework's chunks as the agent's message shows them: its calls under our ids, its approvals left to us. Pure.

A call keeps its part from the framework's first word of it to its output, over all pauses: it has one id of ours in
the whole turn. That id is not the framework's, which may use one twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from holdfast.core import ids

Chunk = dict[str, Any]

DELTA_MAX = 16_000  # characters of one chunk: what a framework gives at once is split
CHUNK_MAX_BYTES = 96 * 1024  # of a chunk that cannot be split: it goes into one event
TOO_LONG = "It is too long to be shown."

#: The turn begins and ends by itself, and what is asked is shown by the interrupt.
_OURS = frozenset({"start", "finish", "abort", "tool-approval-request", "tool-approval-response"})
_DELTAS = {"text-delta": "delta", "reasoning-delta": "delta", "tool-input-delta": "inputTextDelta"}


class AgentFailed(Exception):
    """The other framework's agent says that it failed."""


class Carried(msgspec.Struct, frozen=True):
    """A call that a former segment left pending."""

    #: Our id of it.
    call: str
    #: Nothing more is to be shown of it: it was refused, or a device has answered.
    settled: bool


class Shown:
    """What one segment shows. `segment` tells it apart from all others of its turn."""

    def __init__(self, turn: str, segment: str, carried: Mapping[str, Carried]) -> None:
        self._turn, self._segment, self._carried = turn, segment, carried

    def call_id(self, call: str) -> str:
        """Our id of a call that the framework knows by this one."""
        carried = self._carried.get(call)
        return carried.call if carried else ids.call_id(self._turn, f"{self._segment}:{call}")

    def chunks(self, chunk: Chunk) -> Iterator[Chunk]:
        """The chunks that stand for it. Raises AgentFailed for one of the type `error`."""
        kind = str(chunk.get("type"))
        if kind == "error":
            raise AgentFailed(chunk.get("errorText"))
        if kind in _OURS:
            if metadata := chunk.get("messageMetadata"):
                yield {"type": "message-metadata", "messageMetadata": metadata}
        elif kind.startswith("tool-"):
            yield from self._tool(kind, chunk)
        else:
            yield from _in_bounds(kind, chunk)

    def _tool(self, kind: str, chunk: Chunk) -> Iterator[Chunk]:
        call = str(chunk.get("toolCallId"))
        carried = self._carried.get(call)
        if carried is not None and (carried.settled or kind.startswith("tool-input")):
            return  # it is shown already, with the arguments that count
        own = {**chunk, "toolCallId": self.call_id(call)}
        if not chunk.get("providerExecuted"):
            own.pop("dynamic", None)  # else the interrupt would open a second part
        yield from _in_bounds(kind, own)


def _in_bounds(kind: str, chunk: Chunk) -> Iterator[Chunk]:
    field = _DELTAS.get(kind)
    text = chunk.get(field) if field else None
    if field and isinstance(text, str):
        for start in range(0, len(text), DELTA_MAX):
            yield {**chunk, field: text[start : start + DELTA_MAX]}
    elif len(msgspec.json.encode(chunk, enc_hook=str)) <= CHUNK_MAX_BYTES:
        yield chunk
    elif kind == "tool-output-available":
        yield {**chunk, "output": TOO_LONG}
    elif kind == "tool-output-error":
        yield {**chunk, "errorText": str(chunk.get("errorText"))[:DELTA_MAX]}
    elif not kind.startswith("tool-"):
        yield {"type": "data-left-out", "data": {"type": kind, "why": TOO_LONG}}
    else:
        raise AgentFailed(f"{kind}: the arguments of {chunk.get('toolName')} are longer than can be shown")
