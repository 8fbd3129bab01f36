"""Workflows: turns over all sessions, what each has done and waits for; and the gate of one, opened by its turn."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from holdfast.commands import answering, reading
from holdfast.commands.attempts import no_such_session
from holdfast.commands.backend import Backend
from holdfast.commands.reading import TurnShown, shown_turn
from holdfast.core import ids, traces
from holdfast.core.errors import BadRequest, Conflict, Forbidden, NotFound
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.operations import Operation
from holdfast.core.traces import Trace
from holdfast.core.turns import TURN_GROUPS, TurnGroup, TurnRecord
from holdfast.protocol.frames import Answer, Answered
from holdfast.store.door import View
from holdfast.store.indexes import Entry, Indexes, parse_cursor

PAGE = 50
PAGE_MAX = 200
SCAN_MAX = 1_000  # entries that one page may look at: most may be of other agents, or out of the principal's reach

#: What a list of turns may be asked for: a status, how one ended, or all that have not ended.
GROUPS: dict[str, tuple[TurnGroup, ...]] = {
    "active": ("open",),
    **dict.fromkeys(("queued", "ready", "running", "waiting", "blocked"), ("open",)),
    "failed": ("failed",),
    "completed": ("ended",),
    "cancelled": ("ended",),
}


class TurnPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Turns, the last written first. Go on at `next`; a short page may not be the last."""

    turns: list[TurnShown]
    next: str | None = None


class OperationShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operation, without what went in and came out. Instants are milliseconds."""

    key: str
    kind: str
    status: str
    outcome: str | None = None
    attempts: int = 0
    begunAt: int | None = None
    doneAt: int | None = None
    #: When a sleep ends, or a step is tried again.
    due: int | None = None
    interrupt: str | None = None
    doubt: str | None = None
    reason: str | None = None


class WorkflowShown(TurnShown, frozen=True, omit_defaults=True, kw_only=True):
    """A turn with its operations, in their order, and what it asks."""

    operations: list[OperationShown]
    interrupts: list[dict[str, Any]]
    #: What was decided in it so far.
    trace: Trace


async def listing(
    backend: Backend,
    principal: Principal,
    *,
    status: str | None = None,
    agent: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> TurnPage:
    """Turns: those of one's sessions, all of them for operators. Raises Forbidden, BadRequest."""
    if not principal.has("read"):
        raise Forbidden("Your token does not grant 'read'.", right="read")
    if status is not None and status not in GROUPS:
        raise BadRequest(f"status: one of {', '.join(GROUPS)}.", path="status")
    after = parse_cursor(cursor) if cursor else None
    groups = GROUPS[status] if status else TURN_GROUPS
    indexes = Indexes(backend.door.connection, backend.door.keys)
    limit, found = max(1, min(limit, PAGE_MAX)), list[TurnShown]()
    for _ in range(max(1, SCAN_MAX // limit)):
        entries = await indexes.turns(groups, after, limit)
        for entry, view in zip(entries, await _views(backend, entries), strict=True):
            after = entry
            turn = view.turns.get(entry.name)
            if turn is not None and _may_see(principal, view) and _wanted(turn, status, agent):
                found.append(shown_turn(turn))
            if len(found) == limit:
                return TurnPage(found, after.cursor)
        if len(entries) < limit:
            return TurnPage(found)
    return TurnPage(found, after.cursor if after else None)


async def workflow(backend: Backend, principal: Principal, own_id: str) -> WorkflowShown:
    """A turn with all that it has done and waits for. Raises NotFound, Gone, Forbidden."""
    if OPERATOR in principal.roles:
        turn = shown_turn(await _turn(backend, own_id))
    else:
        turn = await reading.turn(backend, principal, own_id)
    operations = await backend.door.operations(own_id)
    records = await _open(backend, own_id, turn.open)
    approved = await backend.door.read(turn.session, interrupts=traces.interrupts_of(operations.values()))
    return WorkflowShown(
        **{name: getattr(turn, name) for name in TurnShown.__struct_fields__},
        operations=[_shown(one) for one in sorted(operations.values(), key=_order)],
        interrupts=[msgspec.to_builtins(record.interrupt) for record in records],
        trace=traces.trace(operations.values(), approved.interrupts),
    )


async def decide(
    backend: Backend, principal: Principal, own_id: str, approved: bool, reason: str | None, ref: str, via: str
) -> Answered:
    """Open or close the one gate at which a turn waits, by naming the turn.

    Raises:
        Conflict: not exactly one of its gates is open; with those that are.
        NotFound, Gone, Forbidden, BadInput: as an answer to that gate does.
    """
    turn = await _turn(backend, own_id)
    records = await _gates(backend, own_id)
    gates = [one for one in records if _decided_by(one, principal, ref)]
    gates = gates or [one for one in records if one.decision is None and one.id in turn.open]
    if len(gates) != 1:
        await reading.turn(backend, principal, own_id)  # who may not see it is not told what is open
        names = {one.id: one.interrupt.toolName for one in gates}
        told = f"{len(names)} are open: {', '.join(names)}; answer one by its id" if names else "none is open"
        raise Conflict(f"Not exactly one gate of this turn is open: {told}.", open=names, status=turn.status)
    payload = {"approved": approved} | ({"reason": reason} if reason else {})
    frame = Answer(ref, turn.session, gates[0].id, "resolved", payload)
    return await answering.answer(backend, principal, frame, via)


def _decided_by(record: InterruptRecord, principal: Principal, ref: str) -> bool:
    """Whether this very command has decided it: then it is told so again."""
    decision = record.decision
    return decision is not None and (decision.ref, decision.by.id) == (ref, principal.subject)


async def _turn(backend: Backend, own_id: str) -> TurnRecord:
    view = await backend.door.read(ids.session_of(own_id), turns=(own_id,))
    if view.session is None:
        raise no_such_session()
    if own_id not in view.turns:
        raise NotFound("There is no such turn, or it is not yours to see.", turn=own_id)
    return view.turns[own_id]


async def _gates(backend: Backend, own_id: str) -> list[InterruptRecord]:
    """All gates of the turn, open or decided."""
    operations = await backend.door.operations(own_id)
    names = tuple(one.interrupt for one in operations.values() if one.kind == "gate" and one.interrupt)
    view = await backend.door.read(ids.session_of(own_id), interrupts=names)
    return [record for record in view.interrupts.values() if record.interrupt.kind == "gate"]


async def _open(backend: Backend, own_id: str, names: tuple[str, ...]) -> list[InterruptRecord]:
    asked = tuple(name for name in names if name.startswith("i_"))
    view = await backend.door.read(ids.session_of(own_id), interrupts=asked)
    return [record for record in view.interrupts.values() if record.decision is None]


async def _views(backend: Backend, entries: list[Entry]) -> list[View]:
    reads = (backend.door.read(ids.session_of(entry.name), turns=(entry.name,)) for entry in entries)
    return list(await asyncio.gather(*reads))


def _may_see(principal: Principal, view: View) -> bool:
    session = view.session
    if session is None:
        return False
    return OPERATOR in principal.roles or principal.within(session=session.id, members=session.members)


def _wanted(turn: TurnRecord, status: str | None, agent: str | None) -> bool:
    if agent is not None and turn.agent != agent:
        return False
    return status in (None, "active", turn.status, turn.end)


def _order(operation: Operation) -> tuple[int, int, str]:
    return operation.place, operation.begun_ms or 0, operation.key


def _shown(operation: Operation) -> OperationShown:
    return OperationShown(
        key=operation.key,
        kind=operation.kind,
        status=operation.status,
        outcome=operation.outcome,
        attempts=operation.attempts,
        begunAt=operation.begun_ms,
        doneAt=operation.done_ms,
        due=operation.due_ms,
        interrupt=operation.interrupt,
        doubt=operation.doubt,
        reason=operation.reason or (operation.failure.message if operation.failure else None),
    )
