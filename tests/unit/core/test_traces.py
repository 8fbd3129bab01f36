"""Traces: each decision once, in its order, bounded."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.core.test_decisions import record

from holdfast.core import traces
from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, InterruptRecord
from holdfast.core.operations import Operation

BOB = By("person", "bob")


def call(nth: int = 1, **fields: Any) -> Operation:
    given: dict[str, Any] = {"interrupt": "i_1.s", "place": nth} | fields
    return Operation("t_1.s", f"tool:refund:{nth}", "tool", "waiting", **given)


def settled(payload: Any, status: Any = "resolved", kind: Any = "approval") -> dict[str, InterruptRecord]:
    shown = record(kind)
    decision = Decision(status, payload, BOB, "rest", 1_500)
    return {"i_1.s": replace(shown, interrupt=replace(shown.interrupt, openedAt=1_000), decision=decision)}


@pytest.mark.parametrize(
    ("payload", "status", "word"),
    [
        ({"approved": True}, "resolved", "approved"),
        ({"approved": False, "reason": "no"}, "resolved", "denied"),
        (None, "expired", "expired"),
        (None, "superseded", "superseded"),
    ],
)
def test_what_people_and_deadlines_decided(payload: Any, status: str, word: str) -> None:
    [told] = traces.trace([call()], settled(payload, status)).approvals
    assert (told.tool, told.decision, told.decided_by, told.decided_at, told.latency_ms) == (
        "refund",
        word,
        BOB,
        1_500,
        500,
    )
    assert told.args == {"n": 1}


def test_edited_arguments_are_the_ones_that_were_approved() -> None:
    [told] = traces.trace([call()], settled({"approved": True, "input": {"n": 2}})).approvals
    assert told.args == {"n": 2}


def test_a_rule_asked_nobody() -> None:
    decision = Decision("resolved", {"approved": True}, By("policy", "small ones"), "policy", 7)
    [told] = traces.trace([call(interrupt=None, decision=decision, input={"n": 3})], {}).approvals
    assert (told.tool, told.decision, told.decided_by.id, told.latency_ms, told.args) == (
        "refund",
        "approved",
        "small ones",
        None,
        {"n": 3},
    )


def test_what_is_open_or_no_yes_and_no_is_not_in_it() -> None:
    assert traces.trace([call()], {"i_1.s": record()}).approvals == ()
    assert traces.trace([call()], settled({"text": "x"}, kind="question")).approvals == ()


def test_it_is_bounded_and_in_order() -> None:
    many = [call(nth) for nth in range(traces.APPROVALS_MAX + 5, 0, -1)]
    told = traces.trace(many, settled({"approved": True}))
    assert [one.operation for one in told.approvals[:2]] == ["tool:refund:1", "tool:refund:2"]
    assert (len(told.approvals), told.more) == (traces.APPROVALS_MAX, True)


def test_large_arguments_are_left_out() -> None:
    large = {"input": {"text": "x" * traces.ARGS_MAX_BYTES}}
    [told] = traces.trace([call()], settled({"approved": True} | large)).approvals
    assert told.args is None
