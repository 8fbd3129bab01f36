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
    "tool.allowed",
    "tool.denied",
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
    status: str | None = None
    #: Who was asked from then on: "role:manager", "dora".
    to: tuple[str, ...] = ()
    via: str | None = None
    ref: str | None = None
    inputHash: str | None = None
    digest: str | None = None


def digest(salt: str, body: Any) -> str:
    """The salted digest of a body, so that erasing the session's salt makes it say nothing."""
    return hashlib.sha256(salt.encode() + canonical_json(body)).hexdigest()
