"""What a grant would let pass, before it is given: tried on what was called so far.

One of a session is tried on the calls of that session, as its messages show them. A wider one is tried on the newest
turns of its reach, in the sessions that whoever asks may read: what was called there, and whether anybody was asked.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec

from holdfast.commands import granting
from holdfast.commands.answering import existing_interrupt
from holdfast.commands.backend import Backend
from holdfast.commands.grants import GrantShown, shown_grant
from holdfast.commands.reading import folded
from holdfast.core import decisions, grants, ids
from holdfast.core.folding import State
from holdfast.core.grants import Grant
from holdfast.core.identity import Principal
from holdfast.core.interrupts import GrantWish
from holdfast.core.operations import Operation
from holdfast.core.turns import TURN_GROUPS, TurnRecord
from holdfast.store.door import View
from holdfast.store.indexes import Entry, Indexes

CALLS_MAX = 100  # past calls that a preview names; it counts them all
TURNS_MAX = 200  # of a wider reach that are looked at, the newest: each is read with its operations
SCAN_MAX = 1_000  # turns that are looked for them, of whatever agent
PAGE = 100


class PastCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that was made before. `asked`: somebody was asked about it."""

    call: str
    #: None: it was never whole.
    input: dict[str, Any] | None
    state: str
    asked: bool
    approved: bool | None = None
    #: Where, if not in the session of the approval.
    session: str | None = None


class Preview(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a grant would let pass, tried on past calls of the tool."""

    words: str
    grant: GrantShown
    #: How many calls were looked at, how many of them it covers, and about how many of these somebody was asked.
    calls: int
    covered: int
    asked: int
    #: Of those that it covers, the latest.
    matches: list[PastCall]
    #: In how many sessions they were.
    sessions: int = 1
    #: There were more than were looked at.
    more: bool = False


class _Past(msgspec.Struct):
    """Calls of one tool, the latest first."""

    calls: list[PastCall]
    sessions: int = 1
    more: bool = False


async def preview(backend: Backend, principal: Principal, own_id: str, wish: GrantWish, edited: Any) -> Preview:
    """What the grant would be, and what of the past it would have let pass. Changes nothing.

    Raises:
        NotFound, Gone, Forbidden: not there, or not this principal's to answer.
        BadInput, CannotGrant: such a grant cannot be given, or not by this principal.
    """
    view = await backend.door.read(ids.session_of(own_id), interrupts=(own_id,))
    session, record = existing_interrupt(view, own_id)
    decisions.check_entitled(principal, session, record)
    shown = record.interrupt
    turn = (await backend.door.read(session.id, turns=(shown.turn,))).turns[shown.turn]
    granting.check_giver(record, session, turn, principal, principal.by)
    effective = shown.input if edited is None else edited
    grant = grants.given(wish, turn, shown, effective, principal, view.now_ms)
    if grant.scope == "session":
        return _preview(grant, _Past(_of_session(await folded(backend, session.id), grant.tool)))
    return _preview(grant, await _of_reach(backend, principal, grant))


def _of_session(state: State, tool: str) -> list[PastCall]:
    """The calls of a tool in a session, the latest first, as its messages show them."""
    parts = [part for placed in state.ordered for part in placed.message.parts if part.get("type") == f"tool-{tool}"]
    return [
        PastCall(
            call=part["toolCallId"],
            input=_object(part.get("input")),
            state=part["state"],
            asked="approval" in part,
            approved=part.get("approval", {}).get("approved"),
        )
        for part in reversed(parts)
    ]


async def _of_reach(backend: Backend, principal: Principal, grant: Grant) -> _Past:
    """The calls of its tool in the turns that a wider grant is about, as they are recorded."""
    turns, more = await _turns(backend, principal, grant)
    recorded = await asyncio.gather(*(backend.door.operations(turn.id) for turn in turns))
    calls: list[PastCall] = []
    for turn, operations in zip(turns, recorded, strict=True):
        latest = sorted(operations.values(), key=lambda one: one.place, reverse=True)
        calls += [_recorded(turn, one) for one in latest if _tool_of(one) == grant.tool]
    return _Past(calls, len({call.session for call in calls}), more)


async def _turns(backend: Backend, principal: Principal, grant: Grant) -> tuple[list[TurnRecord], bool]:
    """The newest turns that the grant is about, and whether there are more."""
    indexes = Indexes(backend.door.connection, backend.door.keys)
    found: list[TurnRecord] = []
    after: Entry | None = None
    for _ in range(SCAN_MAX // PAGE):
        entries = await indexes.turns(TURN_GROUPS, after, PAGE)
        reads = (backend.door.read(ids.session_of(one.name), turns=(one.name,)) for one in entries)
        for view in await asyncio.gather(*reads):
            found += [turn for turn in view.turns.values() if _concerns(grant, turn) and _may_see(principal, view)]
        if len(entries) < PAGE or len(found) > TURNS_MAX:
            return found[:TURNS_MAX], len(found) > TURNS_MAX
        after = entries[-1]
    return found, True


def _concerns(grant: Grant, turn: TurnRecord) -> bool:
    return turn.agent == grant.agent and grant.person in (None, turn.requester.subject)


def _may_see(principal: Principal, view: View) -> bool:
    """A preview shows arguments: only to who may read them where they are."""
    session = view.session
    reaches = session is not None and principal.within(session=session.id, members=session.members)
    return reaches and principal.has("read")


def _tool_of(operation: Operation) -> str | None:
    """The tool that an operation calls. None: it is no call."""
    kind, _, name = operation.key.rsplit("/", 1)[-1].partition(":")
    return name.rpartition(":")[0] if kind in ("tool", "client_tool", "permit") else None


def _recorded(turn: TurnRecord, operation: Operation) -> PastCall:
    asked = operation.judged is not None and operation.judged.verdict == "ask"
    over = operation.status != "waiting"
    return PastCall(
        call=ids.call_id(turn.id, operation.key),
        input=_object(operation.input),
        state=_state(operation),
        asked=asked,
        approved=operation.outcome in (None, "done", "failed") if asked and over else None,
        session=turn.session,
    )


def _state(operation: Operation) -> str:
    """How a message shows a call that stands so."""
    if operation.status == "waiting":
        return "approval-requested"
    if operation.outcome is None:
        return "input-available"
    return {"done": "output-available", "failed": "output-error"}.get(operation.outcome, "output-denied")


def _object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _preview(grant: Grant, past: _Past) -> Preview:
    calls = past.calls
    covered = [call for call in calls if call.input is not None and grants.holds_for(grant, call.input)]
    asked = sum(call.asked for call in covered)
    where = "in this session so far" if grant.scope == "session" else _sessions(past)
    words = (
        f"{grant.words} Of the {len(calls)} calls of {grant.tool} {where} it covers {len(covered)}; "
        f"about {asked} of them somebody was asked."
    )
    shown = covered[:CALLS_MAX]
    return Preview(words, shown_grant(grant), len(calls), len(covered), asked, shown, past.sessions, past.more)


def _sessions(past: _Past) -> str:
    several = f"{past.sessions} sessions" if past.sessions != 1 else "one session"
    return f"in {several} that you may read" + (", the newest," if past.more else "")
