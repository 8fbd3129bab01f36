"""Asking people: questions, forms, gates, client tools. One mechanism: open an interrupt, let go, come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.core import asking, ids
from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit, Writer
from holdfast.core.durations import Expires, Expiry, expiry
from holdfast.core.interrupts import REASONS, Approvers, Decision, Interrupt, Kind, OnExpiry
from holdfast.core.ladders import HandOver, Remind, checked, rungs
from holdfast.core.operations import Operation, OperationKind
from holdfast.core.people import Known
from holdfast.core.turns import TurnRecord
from holdfast.runtime.deciding import answered
from holdfast.runtime.execution import Execution
from holdfast.runtime.results import Result
from holdfast.runtime.tools import named_approvers


class Question(msgspec.Struct, frozen=True):
    """What is to be asked, before it has an id."""

    kind: Kind
    name: str
    message: str | None = None
    input: Any = None
    schema: dict[str, Any] | None = None
    url: str | None = None
    expires: Expiry | None = None
    on_expiry: OnExpiry = "deny"
    approvers: Approvers | None = None
    escalate: tuple[Remind | HandOver, ...] = ()
    editable: bool = False
    auto_continue: bool = True
    grantable: bool = False
    #: Which arguments are remembered as approved, if people approve.
    remembers: tuple[tuple[str, ...], ...] = ()
    metadata: dict[str, Any] | None = None


def rules(options: dict[str, Any]) -> dict[str, Any]:
    """`expires=`, `on_expiry=`, `approvers=`, `escalate=` and `metadata=` of a question, as its fields."""
    given = dict(options)
    expires: Expires | None = given.pop("expires", None)
    approvers = given.pop("approvers", None)
    ladder = checked(given.pop("escalate", ()))
    return {
        **given,
        "expires": None if expires is None else expiry(expires),
        "approvers": None if approvers is None else named_approvers(approvers),
        "escalate": ladder,
    }


async def ask(
    x: Execution,
    question: Question,
    kind: OperationKind,
    key: str,
    place: int,
    inside: str = "",
) -> Result[Any]:
    """Ask, or find the answer. `inside` is the tool call whose body asks."""
    proposed = input_hash(question.input)
    operation = x.journal.operations.get(key)
    if operation is None:
        operation = Operation(x.turn.id, key, kind, "waiting", inputHash=proposed, input=question.input, place=place)
        operation = await put(x, question, operation, inside)
    else:
        x.journal.same_arguments(operation, proposed)
        if inside and x.journal.interrupts[operation.interrupt or ""].decision is None:
            await _still_asking(x, inside)
    decision = await decision_of(x, operation.interrupt)
    shown = x.journal.interrupts[operation.interrupt or ""].interrupt
    return answered(shown, operation, decision)


async def _still_asking(x: Execution, inside: str) -> None:
    """The body was begun again and waits where it did before: if the worker dies now, nothing is in doubt."""
    waiting = replace(x.journal.operations[inside], status="asking")
    await x.writer.commit(lambda turn, by: Commit(turn.session, "asking", by=by, operations=[waiting]), x.journal)
    x.journal.record(waiting)


async def put(
    x: Execution,
    question: Question,
    operation: Operation,
    inside: str = "",
    *,
    doubt: bool = False,
    also: Callable[[Commit], Awaitable[None]] | None = None,
) -> Operation:
    """Open the interrupt for which `operation` waits from now on; one commit with its record, and what `also` adds."""
    shown = shown_of(x, question, operation, _name(operation, doubt))
    field = "doubt" if doubt else "interrupt"
    waiting = replace(operation, **{field: shown.id})

    known = Known(x.session.members, await x.writer.people(shown, x.session.members))

    async def build(turn: TurnRecord, writer: Writer) -> Commit:
        commit = asking.opening(turn, writer, shown, waiting, known, question.remembers)
        if inside:
            commit.operations.append(replace(x.journal.operations[inside], status="asking"))
        if also is not None:
            await also(commit)
        return commit

    await x.writer.commit(build, x.journal)
    x.journal.record(waiting)
    return waiting


def _name(operation: Operation, doubt: bool) -> str:
    """What tells the interrupts of one operation apart; the same whenever it is asked again."""
    if doubt:
        return f"{operation.key}/doubt:{operation.attempts}"
    return operation.key if operation.passed is None else f"{operation.key}/after:{operation.passed}"


def shown_of(x: Execution, question: Question, operation: Operation, name: str) -> Interrupt:
    """The interrupt as everybody will see it."""
    now_ms = x.writer.now_ms()
    return Interrupt(
        id=ids.interrupt_id(x.turn.id, name),
        kind=question.kind,
        session=x.turn.session,
        turn=x.turn.id,
        reason=REASONS[question.kind],
        message=question.message,
        toolCallId=operation.call_id,
        toolName=question.name,
        input=question.input,
        inputHash=input_hash(question.input),
        responseSchema=question.schema,
        openedAt=now_ms,
        expiresAt=None if question.expires is None else question.expires.ends_ms(now_ms),
        onExpiry=question.on_expiry,
        approvers=question.approvers,
        editable=question.editable,
        autoContinue=question.auto_continue,
        grantable=question.grantable,
        metadata=question.metadata,
        ladder=rungs(question.escalate, now_ms),
        url=question.url,
        agent=x.called,
    )


async def decision_of(x: Execution, interrupt: str | None) -> Decision:
    """The decision, or a wait that ends when the function is run again."""
    record = x.journal.interrupts.get(interrupt or "")
    # Another worker may have taken over before somebody said `continue`: then this is still to come.
    held = record is not None and not record.interrupt.autoContinue and x.turn.held
    if record is None or record.decision is None or held:
        await x.branches.suspend(interrupt or "")
    assert record is not None
    assert record.decision is not None
    return record.decision
