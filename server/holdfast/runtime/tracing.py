"""What a turn's function may know of the decisions in its own turn: those that it has been given."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from msgspec.structs import replace

from holdfast.core import traces
from holdfast.core.traces import Trace
from holdfast.runtime.execution import Execution
from holdfast.runtime.results import Result

R = TypeVar("R")


async def given(x: Execution, key: str, under_way: Awaitable[Result[R]]) -> Result[R]:
    """The result of an operation with what was decided about it, noted once the function has it."""
    result = with_trace(x, key, await under_way)
    x.journal.given.extend(_about(x, key))
    return result


def with_trace(x: Execution, key: str, result: Result[R]) -> Result[R]:
    """The result with what was decided about its operation alone; of an agent, with what was decided in there."""
    operations = [x.journal.operations[name] for name in _about(x, key)]
    return replace(result, trace=traces.trace(operations, x.journal.interrupts)) if operations else result


def _about(x: Execution, key: str) -> list[str]:
    known = x.journal.operations
    if key not in known:
        return []
    return [key, *(name for name in known if name.startswith(f"{key}/"))] if known[key].kind == "agent" else [key]


def trace(x: Execution) -> Trace:
    """Every run comes by here with the same results in hand, however much more the record shows by then."""
    known = x.journal.operations
    return traces.trace([known[key] for key in x.journal.given if key in known], x.journal.interrupts)
