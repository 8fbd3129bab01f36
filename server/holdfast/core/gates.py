"""Gates that are asked for from outside any turn: by a script, a pipeline, a page.

Whatever asks a human is an interrupt of a turn, and so is such a gate: it has a turn of its own, which waits from its
beginning and which nobody runs. Closing the interrupt finishes the turn in the same commit, with the decision as its
result. So answers, votes, expiry, claims, withdrawal, cancelling, the inbox, notices and the trail are those of every
other interrupt (docs/design/gates.md).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from holdfast.core import asking, ids, turns
from holdfast.core.audit import AuditEntry
from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit
from holdfast.core.durations import Expiry
from holdfast.core.errors import GateReused, LimitReached
from holdfast.core.events import SessionCreated, TurnFinished, TurnStarted, TurnWaiting
from holdfast.core.identity import Principal
from holdfast.core.interrupts import REASONS, Approvers, Decision, Interrupt, InterruptRecord, OnExpiry
from holdfast.core.ladders import Ladder, rungs
from holdfast.core.operations import Operation
from holdfast.core.session import GATES_MAX, SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord


class Asked(msgspec.Struct, frozen=True):
    """What is asked, checked, and named by whoever asks it."""

    #: The gate's id, as its requester calls it.
    gate: str
    #: Its own session, or the one in which it stands.
    session: str
    name: str
    payload: Any = None
    message: str | None = None
    expires: Expiry | None = None
    on_expiry: OnExpiry = "deny"
    approvers: Approvers | None = None
    metadata: dict[str, Any] | None = None
    escalate: Ladder = ()
    #: What is wanted: a yes, or an answer in words.
    kind: Literal["gate", "question"] = "gate"

    @property
    def terms(self) -> dict[str, Any]:
        """What an id stands for. Kept with the turn: others may be asked by the time that somebody asks again."""
        terms = {
            "name": self.name,
            "payload": input_hash(self.payload),
            "approvers": input_hash(msgspec.to_builtins(self.approvers)),
            "on_expiry": self.on_expiry,
        }
        return terms if self.kind == "gate" else {**terms, "kind": self.kind}

    @property
    def turn(self) -> str:
        return ids.gate_turn_id(self.session, self.gate)

    @property
    def interrupt(self) -> str:
        return ids.interrupt_id(self.turn, operation_of(self.gate))


def operation_of(gate: str) -> str:
    """The key under which a gate's turn has its one operation. An agent's gates are counted: `gate:NAME:1`."""
    return f"gate:{gate}"


def name_of(record: InterruptRecord) -> str | None:
    """How its requester calls a gate; None: it is none that was asked for from outside."""
    kind, _, gate = record.operation.partition(":")
    return gate if kind == "gate" and ":" not in gate and "/" not in gate else None


def own_session(asked: Asked, salt: str, principal: Principal, now_ms: int) -> SessionRecord:
    """The session that holds nothing but this gate."""
    owner = principal.subject
    info = SessionInfo(asked.session, "", owner, {owner: "owner"}, now_ms, asked.name)
    return SessionRecord(info=info, salt=salt)


def opening(session: SessionRecord, principal: Principal, asked: Asked, now_ms: int, via: str, ref: str) -> Commit:
    """Open a gate. A session that has no version yet is made by the same commit, and stands in nobody's list.

    Raises:
        LimitReached: the session has too many open already.
        BadInput: it cannot be put before people as it is.
    """
    if len(session.gates) >= GATES_MAX:
        raise LimitReached(f"A session has at most {GATES_MAX} open gates.", limit=GATES_MAX)
    turn = _turn(asked, principal, now_ms)
    shown = _shown(asked, now_ms)
    operation = Operation(
        turn.id,
        operation_of(asked.gate),
        "gate",
        "waiting",
        inputHash=shown.inputHash,
        input=asked.payload,
        interrupt=shown.id,
    )
    commit = asking.opening(turn, None, shown, operation)
    commit.label = "gate"
    commit.audit = [replace(entry, by=principal.by, via=via, ref=ref) for entry in commit.audit]
    commit.events.insert(0, TurnStarted(turn=turn.id, agent=""))
    commit.events.append(TurnWaiting(turn=turn.id, open=(shown.id,)))
    if session.version == 0:
        commit.creates = True
        commit.events.insert(0, SessionCreated(session=session.info))
        commit.audit.insert(0, AuditEntry("session.created", session.id, principal.by, via=via, ref=ref))
    commit.puts.append(replace(session, gates=(*session.gates, turn.id)))
    commit.durable = True
    return commit


def check_same(turn: TurnRecord, asked: Asked) -> None:
    """Let pass who asks the same again: the same thing, of the same people, with the same outcome by default.

    Raises:
        GateReused: an old yes must not be taken for one to this (promise 6).
    """
    terms: dict[str, Any] = turn.input or {}
    now = asked.terms
    differs = [name for name in {**now, **terms} if terms.get(name) != now.get(name)]
    if differs:
        raise GateReused(
            f"There is a gate {asked.gate!r} already, with another {' and '.join(differs)}. Take a new id.",
            id=asked.gate,
            interrupt=asked.interrupt,
            differs=differs,
        )


def finish(commit: Commit, session: SessionRecord, turn: TurnRecord, decision: Decision) -> None:
    """End a gate's turn: part of the commit that settles its interrupt."""
    status = turns.next_status(turn.status, "finish")
    assert status is not None, "it waits for as long as its interrupt is open"
    result = msgspec.to_builtins(decision)
    commit.puts.append(replace(turn, status=status, end="completed", result=result, open=()))
    commit.puts.append(turns.without(session, turn))
    commit.events.append(TurnFinished(turn=turn.id, status="completed", result=result))


def _turn(asked: Asked, principal: Principal, now_ms: int) -> TurnRecord:
    return TurnRecord(
        turn=asked.turn,
        session=asked.session,
        agent="",
        agent_version="",
        status="waiting",
        requester=Requester(principal.subject, principal.roles, principal.name),
        created_at_ms=now_ms,
        input=asked.terms,
        message=ids.message_id(asked.turn),
        started=True,
        external=True,
    )


def _shown(asked: Asked, now_ms: int) -> Interrupt:
    """As everybody sees it. It is in no message, so it has no tool call."""
    return Interrupt(
        id=asked.interrupt,
        kind=asked.kind,
        session=asked.session,
        turn=asked.turn,
        reason=REASONS[asked.kind],
        message=asked.message,
        toolName=asked.name,
        input=asked.payload,
        inputHash=input_hash(asked.payload),
        openedAt=now_ms,
        expiresAt=None if asked.expires is None else asked.expires.ends_ms(now_ms),
        onExpiry=asked.on_expiry,
        approvers=asked.approvers,
        metadata=asked.metadata,
        ladder=rungs(asked.escalate, now_ms),
    )
