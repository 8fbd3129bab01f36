"""The trail's entries about interrupts: who answered, by what right, how soon, and what was said; also in vain."""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec
from msgspec.structs import replace

from holdfast.core import reviews
from holdfast.core.audit import Action, AuditEntry, digest
from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Decision, Interrupt, InterruptRecord, Vote
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord

#: What lost or was refused leaves so many entries for each person, interrupt and kind: nobody floods the trail.
VAIN_MAX = 5

#: What a decision came to, in one word. `answered` where there is no yes or no to say.
DecidedAs = Literal[
    "approved", "denied", "answered", "right", "wrong", "expired", "cancelled", "withdrawn", "superseded"
]


def decided_as(shown: Interrupt, decision: Decision) -> DecidedAs:
    """What a decision came to."""
    if decision.status != "resolved":
        return decision.status
    if shown.afterwards:
        return reviews.said(decision)
    if shown.kind not in ("approval", "gate"):
        return "answered"
    return "approved" if decision.approved else "denied"


def right_of(principal: Principal, by: By, session: SessionRecord, shown: Interrupt) -> str:
    """By what right somebody answers who may."""
    if by.deputyFor is not None:
        return f"deputy:{by.deputyFor}"
    approvers = shown.approvers
    if approvers is not None and principal.subject in approvers.subjects:
        return "subject"
    if approvers is not None and (role := next((one for one in approvers.roles if one in principal.roles), None)):
        return f"role:{role}"
    return "member" if principal.subject in session.members else "scope"


def closed(session: SessionRecord, record: InterruptRecord, decision: Decision) -> AuditEntry:
    """An interrupt was settled."""
    shown = record.interrupt
    return AuditEntry(
        "interrupt.closed",
        session.id,
        decision.by,
        turn=shown.turn,
        interrupt=shown.id,
        tool=shown.toolName,
        rule=rule_of(shown),
        status=decision.status,
        outcome=decided_as(shown, decision),
        via=decision.via,
        latency_ms=_latency(shown, decision.at),
        operation=record.operation,
        ref=decision.ref,
        inputHash=shown.inputHash,
        effectiveHash=input_hash(decision.body["input"]) if decision.body.get("input") is not None else None,
        digest=digest(session.salt, decision.payload),
    )


def voted(session: SessionRecord, shown: Interrupt, vote: Vote, body: Any) -> AuditEntry:
    """Somebody said yes or no, where several are needed."""
    return AuditEntry(
        "interrupt.voted",
        session.id,
        vote.by,
        turn=shown.turn,
        interrupt=shown.id,
        tool=shown.toolName,
        rule=rule_of(shown),
        status="approved" if vote.approved else "denied",
        via=vote.via,
        latency_ms=_latency(shown, vote.at),
        ref=vote.ref,
        inputHash=shown.inputHash,
        effectiveHash=vote.inputHash if vote.inputHash != shown.inputHash else None,
        digest=digest(session.salt, body),
    )


class Vain(msgspec.Struct, frozen=True):
    """What somebody tried, and it changed nothing: it lost, or was `refused` with this code."""

    what: Literal["answer", "withdrawal", "claim", "continue"]
    #: The interrupt; to continue, the turn.
    about: str
    ref: str
    via: str
    payload: Any = None
    refused: str | None = None
    device: str | None = None

    @property
    def action(self) -> Action:
        lost, refused = _IN_VAIN[self.what]
        return lost if self.refused is None else refused


_IN_VAIN: dict[str, tuple[Action, Action]] = {
    "answer": ("answer.lost", "answer.refused"),
    "withdrawal": ("withdrawal.lost", "withdrawal.refused"),
    "claim": ("claim.lost", "claim.refused"),
    "continue": ("continue.lost", "continue.refused"),
}


def in_vain(session: SessionRecord, record: InterruptRecord, by: By, at_ms: int, tried: Vain) -> AuditEntry:
    """Somebody tried something with an interrupt."""
    shown, standing = record.interrupt, record.decision
    answers = tried.what == "answer"
    return AuditEntry(
        tried.action,
        session.id,
        by,
        turn=shown.turn,
        interrupt=shown.id,
        tool=shown.toolName,
        status=tried.refused or (standing.status if standing else None),
        outcome=_meant(tried.payload) if answers else None,
        via=tried.via,
        device=tried.device,
        latency_ms=_latency(shown, at_ms),
        operation=record.operation,
        ref=tried.ref,
        inputHash=shown.inputHash,
        digest=_digest_of_any(session.salt, tried.payload) if answers else None,
    )


def not_continued(turn: TurnRecord, by: By, tried: Vain) -> AuditEntry:
    """Somebody wanted a turn to go on."""
    return AuditEntry(
        tried.action,
        turn.session,
        by,
        turn=turn.id,
        status=tried.refused or turn.status,
        via=tried.via,
        ref=tried.ref,
    )


def linked(shown: Interrupt, by: By, subject: str, until: int, via: str, ref: str | None = None) -> AuditEntry:
    """Somebody made a link by which `subject` can answer."""
    return AuditEntry(
        "link.made",
        shown.session,
        by,
        turn=shown.turn,
        interrupt=shown.id,
        tool=shown.toolName,
        to=(subject,),
        until=until,
        via=via,
        ref=ref,
        inputHash=shown.inputHash,
    )


def say_how(commit: Commit, interrupt: str, right: str, device: str | None) -> None:
    """Add to the entries about an answer by what right it was given, and on which device."""
    about = ("interrupt.closed", "interrupt.voted")
    commit.audit = [
        replace(entry, right=right, device=device) if entry.action in about and entry.interrupt == interrupt else entry
        for entry in commit.audit
    ]


def rule_of(shown: Interrupt) -> str | None:
    """The rule that asked, as the card says it."""
    policy: object = (shown.metadata or {}).get("policy")
    rule = cast("dict[str, Any]", policy).get("rule") if isinstance(policy, dict) else None
    return rule if isinstance(rule, str) else None


def _latency(shown: Interrupt, at_ms: int) -> int | None:
    return max(0, at_ms - shown.openedAt) if shown.openedAt else None


def _meant(payload: object) -> str | None:
    """What an answer that nobody has checked seems to say."""
    said = cast("dict[str, Any]", payload).get("approved") if isinstance(payload, dict) else None
    return {True: "approved", False: "denied"}.get(said) if isinstance(said, bool) else None


def _digest_of_any(salt: str, payload: Any) -> str | None:
    try:
        return digest(salt, payload)
    except BadInput:
        return None
