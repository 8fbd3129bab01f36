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
from holdfast.runtime.asking import Question
from holdfast.runtime.calling import ToolCall
from holdfast.runtime.execution import Execution
from holdfast.runtime.results import Result
from holdfast.runtime.tools import Tool


class Permit(ToolCall):
    """One call of another framework's tool. Its result says whether it may be made, and with which arguments."""

    kind = "permit"

    def __init__(
        self,
        x: Execution,
        tool: Tool[..., Any],
        key: str,
        place: int,
        call: str | None = None,
        metadata: dict[str, Any] | None = None,
        gated: bool = True,
    ) -> None:
        super().__init__(x, tool, key, place, call)
        self.default = "ask" if gated else "allow"
        self._metadata = metadata or {}

    def _for_people(self, question: Question, operation: Operation) -> Question:
        question = super()._for_people(question, operation)
        shown = {**self._metadata, **(question.metadata or {})}
        return replace(question, metadata=shown or None)

    async def _let_through(self, operation: Operation, *, ungated: bool = False) -> Result[Any]:
        passed = replace(operation, status="done", outcome="done", attempts=operation.attempts + 1)
        overtaken = await self._begin(operation, passed, ungated=ungated)
        return self._recorded(passed) if overtaken is None else await self._overtaken(operation, overtaken)
