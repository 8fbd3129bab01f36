"""What a turn's function may know of the decisions in its own turn: those that it has been given."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from holdfast.core import traces
from holdfast.core.traces import Trace
from holdfast.runtime.execution import Execution

T = TypeVar("T")


async def given(x: Execution, key: str, under_way: Awaitable[T]) -> T:
    """The result of an operation, noted once the function has it."""
    result = await under_way
    x.journal.given.append(key)
    return result


def trace(x: Execution) -> Trace:
    """Every run comes by here with the same results in hand, however much more the record shows by then."""
    known = x.journal.operations
    return traces.trace([known[key] for key in x.journal.given if key in known], x.journal.interrupts)
