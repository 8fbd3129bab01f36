"""The audit trail's entries: who did what, written by the commit that did it."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from holdfast.core.canonical import canonical_json
from holdfast.core.identity import By

Action = Literal[
    "session.created",
    "session.updated",
    "session.deleted",
    "session.taken_over",
    "session.handed_back",
    "interrupt.opened",
    "interrupt.closed",
    "interrupt.voted",
    "interrupt.reminded",
    "interrupt.escalated",
    "interrupt.unroutable",
    "turn.cancelled",
    "turn.continued",
    "turn.retried",
    "schedule.created",
    "schedule.cancelled",
    "answer.lost",
    "answer.refused",
    "withdrawal.lost",
    "withdrawal.refused",
    "claim.lost",
    "claim.refused",
    "continue.lost",
    "continue.refused",
    "link.made",
    "person.away",
    "person.back",
    "tool.allowed",
    "tool.denied",
    "grant.made",
    "grant.revoked",
]


class AuditEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the trail. Its number and time are given by the store.

    It holds no body: only a salted digest. Bodies live with their session and are erased with it, and the trail
    stays whole.
    """

    action: Action
    session: str
    by: By
    turn: str | None = None
    interrupt: str | None = None
    tool: str | None = None
    #: Of the policy, by which it was decided or asked. None: the tool's own setting, or the app's default.
    rule: str | None = None
    #: Of an interrupt that was closed, its status; of what was done in vain, that of the decision that stands, or the
    #: code of the error.
    status: str | None = None
    #: What was said: approved, denied, answered, right, wrong, expired, cancelled, withdrawn, superseded.
    outcome: str | None = None
    #: Who was asked from then on: "role:manager", "dora"; whom a link is for; who stands in.
    to: tuple[str, ...] = ()
    #: Of a schedule.
    name: str | None = None
    #: Of an absence or a link, the instant at which it ends.
    until: int | None = None
    via: str | None = None
    #: The name that the device gave itself.
    device: str | None = None
    #: By what right somebody answered: `subject`, `role:manager`, `member`, `scope` (of the token), `deputy:dora`;
    #: or by which nobody was asked: `grant:…`.
    right: str | None = None
    #: From when it was asked to this.
    latency_ms: int | None = None
    #: The key of the operation that it is about.
    operation: str | None = None
    ref: str | None = None
    #: Of the arguments that were shown.
    inputHash: str | None = None
    #: Of the arguments that count, where somebody put others in their place.
    effectiveHash: str | None = None
    digest: str | None = None


def digest(salt: str, body: Any) -> str:
    """The salted digest of a body, so that erasing the session's salt makes it say nothing."""
    return hashlib.sha256(salt.encode() + canonical_json(body)).hexdigest()
