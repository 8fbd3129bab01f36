"""Permitting a call that somebody else will make: judged and asked about like our own calls, and then let pass.

    no record ──judge──▶ deny: recorded as done, and refused
                  │
                  ├────▶ allow ──▶ done: whoever asked makes the call now
                  │        ▲
                  └─ ask ─▶ waiting

What the call gives is for its framework to say: in the chunks of the segment that makes it.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from holdfast.core.operations import Operation
from holdfast.runtime.calling import ToolCall
from holdfast.runtime.results import Result


class Permit(ToolCall):
    """One call of another framework's tool. Its result says whether it may be made, and with which arguments."""

    kind = "permit"
    default = "ask"  # the framework has stopped for a human; no setting of ours takes that back by itself

    async def _let_through(self, operation: Operation, *, ungated: bool = False) -> Result[Any]:
        passed = replace(operation, status="done", outcome="done", attempts=operation.attempts + 1)
        overtaken = await self._begin(operation, passed, ungated=ungated)
        return self._recorded(passed) if overtaken is None else await self._overtaken(operation, overtaken)
