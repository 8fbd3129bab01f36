"""Traces: what was approved in a turn and what was not, by whom, and how soon; as its caller and its agent see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from holdfast.core.canonical import canonical_json
from holdfast.core.entries import DecidedAs, decided_as
from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, Interrupt, InterruptRecord
from holdfast.core.operations import Operation

APPROVALS_MAX = 100  # of one trace, the first ones: a turn that asks more often is read by its audit entries
ARGS_MAX_BYTES = 8 * 1024  # of one call, as JSON: larger arguments are left out

#: What is put to a yes or no.
APPROVED = ("approval", "gate")


class Approved(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call or gate that was decided, by a person, a rule or a deadline."""

    tool: str
    decision: DecidedAs
    decided_by: By
    decided_at: int
    #: From when it was asked; None: nobody was.
    latency_ms: int | None = None
    #: The arguments that were decided on. Absent: they are too large.
    args: Any = None
    reason: str | None = None
    interrupt: str | None = None
    operation: str | None = None


class Trace(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was decided in one turn, in the order in which it was asked for."""

    approvals: tuple[Approved, ...] = ()
    #: There were more than are here.
    more: bool = False


def interrupts_of(operations: Iterable[Operation]) -> tuple[str, ...]:
    """The interrupts by which these operations may have been approved."""
    names = (name for one in operations for name in (one.passed, one.interrupt) if name is not None)
    return tuple(dict.fromkeys(names))


def trace(operations: Iterable[Operation], records: Mapping[str, InterruptRecord]) -> Trace:
    """What was decided about these operations; what is still open is not in it."""
    ordered = sorted(operations, key=lambda one: (one.begun_ms or 0, one.place, one.key))
    found = [told for one in ordered for told in _told(one, records)]
    return Trace(tuple(found[:APPROVALS_MAX]), len(found) > APPROVALS_MAX)


def _told(operation: Operation, records: Mapping[str, InterruptRecord]) -> Iterable[Approved]:
    asked = [records[name] for name in interrupts_of([operation]) if name in records]
    for record in asked:
        if record.interrupt.kind in APPROVED and record.decision is not None:
            yield _by_people(operation, record.interrupt, record.decision)
    if operation.decision is not None:
        yield _by_rule(operation, operation.decision)


def _by_people(operation: Operation, shown: Interrupt, decision: Decision) -> Approved:
    return Approved(
        shown.toolName or shown.kind,
        decided_as(shown, decision),
        decision.by,
        decision.at,
        max(0, decision.at - shown.openedAt),
        _kept(decision.body.get("input", shown.input)),
        decision.body.get("reason"),
        shown.id,
        operation.key,
    )


def _by_rule(operation: Operation, decision: Decision) -> Approved:
    _, name, _ = operation.key.rsplit("/", 1)[-1].split(":", 2)
    said: DecidedAs = "approved" if decision.approved else "denied"
    args, reason = _kept(operation.input), decision.body.get("reason")
    return Approved(name, said, decision.by, decision.at, args=args, reason=reason, operation=operation.key)


def _kept(args: Any) -> Any:
    return args if len(canonical_json(args)) <= ARGS_MAX_BYTES else None
