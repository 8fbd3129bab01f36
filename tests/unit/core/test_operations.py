"""Operations: how they are named, and that a record survives its storage."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.core.operations import Failure, Operation, operation_key


def test_an_operation_is_named_by_kind_name_and_count() -> None:
    assert operation_key("tool", "refund", 2) == "tool:refund:2"
    keys = [operation_key(kind, name, nth) for kind in ("tool", "step") for name in "ab" for nth in (1, 2)]
    assert len(set(keys)) == 8


@pytest.mark.parametrize(
    "operation",
    [
        Operation("t_1.s", "tool:a:1", "tool", "waiting", inputHash="h", input={"x": None}, interrupt="i_1.s"),
        Operation("t_1.s", "step:a:1", "step", "done", outcome="failed", failure=Failure("ValueError", "no")),
        Operation("t_1.s", "sleep::1", "sleep", "waiting", due_ms=5, place=3),
        Operation("t_1.s", "observed:time:1", "observed", "done", outcome="done", value=0),
    ],
)
def test_a_record_comes_back_as_it_went(operation: Operation) -> None:
    assert msgspec.json.decode(msgspec.json.encode(operation), type=Operation) == operation
