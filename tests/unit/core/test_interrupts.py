"""Interrupts: the whole table, every state with every happening."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import msgspec
import pytest

from holdfast.core import interrupts
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import (
    PAYLOADS,
    REASONS,
    TRANSITIONS,
    Approvers,
    Decision,
    Happening,
    Interrupt,
    InterruptRecord,
    Kind,
    Status,
    next_status,
)

STATES: tuple[Status, ...] = get_args(Status)
HAPPENINGS: tuple[Happening, ...] = get_args(Happening)

FROM_OPEN: dict[Happening, Status] = {
    "resolve": "resolved",
    "cancel": "cancelled",
    "vote": "open",
    "claim": "open",
    "remind": "open",
    "escalate": "open",
    "expire": "expired",
    "withdraw": "withdrawn",
    "supersede": "superseded",
}


@pytest.mark.parametrize(("status", "happening"), list(itertools.product(STATES, HAPPENINGS)))
def test_every_state_with_every_happening(status: Status, happening: Happening) -> None:
    expected = FROM_OPEN[happening] if status == "open" else None  # closed: the decision stands
    assert next_status(status, happening) == expected


def test_the_table_holds_nothing_else() -> None:
    assert set(TRANSITIONS) == {("open", happening) for happening in HAPPENINGS}


def test_every_kind_has_a_reason_and_a_payload() -> None:
    assert set(REASONS) == set(PAYLOADS) == set(get_args(Kind))
    plain = {"tool_call", "input_required", "confirmation"}
    assert all(reason in plain or reason.startswith("holdfast:") for reason in REASONS.values())


def test_every_closed_state_is_one_of_a_decision() -> None:
    assert set(get_args(interrupts.Closed)) == set(STATES) - {"open"}


@pytest.mark.parametrize(
    ("approvers", "principal", "named", "included"),
    [
        (Approvers(), Principal("a"), False, False),
        (Approvers(subjects=("a",)), Principal("a"), True, True),
        (Approvers(subjects=("a",)), Principal("b", roles=("a",)), True, False),  # a role is not a name
        (Approvers(roles=("m",)), Principal("a", roles=("x", "m")), True, True),
        (Approvers(roles=("m",)), Principal("m"), True, False),  # nor is a name a role
        (Approvers(roles=("m",), subjects=("b",)), Principal("b"), True, True),
        (Approvers(roles=("Manager",)), Principal("a", roles=("manager",)), True, False),
    ],
)
def test_approvers(approvers: Approvers, principal: Principal, named: bool, included: bool) -> None:
    assert (approvers.named(), approvers.includes(principal)) == (named, included)


@pytest.mark.parametrize(
    ("expires", "status", "now", "overdue"),
    [
        (None, "open", 10**15, False),
        (10, "open", 9, False),
        (10, "open", 10, True),
        (10, "resolved", 11, False),
    ],
)
def test_overdue(expires: int | None, status: Status, now: int, overdue: bool) -> None:
    shown = Interrupt("i_1.s", "approval", "s", "t_1.s", "tool_call", expiresAt=expires)
    assert InterruptRecord(interrupt=shown, operation="tool:a:1", status=status).overdue(now) is overdue


@pytest.mark.parametrize(("payload", "body"), [({"a": 1}, {"a": 1}), (None, {}), ([1], {}), ("x", {}), (True, {})])
def test_the_body_of_a_decision_is_an_object_or_nothing(payload: Any, body: dict[str, Any]) -> None:
    assert Decision("resolved", payload, By("person", "a"), "rest", 1).body == body


def test_a_record_goes_through_json() -> None:
    shown = Interrupt("i_1.s", "form", "s", "t_1.s", "input_required", responseSchema={"type": "object"})
    record = InterruptRecord(interrupt=shown, operation="form:x:1", version=0)
    assert msgspec.json.decode(msgspec.json.encode(record), type=InterruptRecord) == record
    assert record.id == "i_1.s"
