"""Deadlines: what acts by itself when its time has come. One sorted set a partition holds them all."""

from __future__ import annotations

from typing import Literal

import msgspec

from holdfast.core.errors import BadRequest

#:   expire   an interrupt's deadline            lease    a worker's right to run a turn
#:   timer    a turn's sleep is over           erase    a deleted session is to be erased, piece by piece
#:   claim    a device's right to do a call    rung     the next thing to do about what nobody decides
#:   schedule a schedule is to fire, or to be forgotten
#:   absence  somebody has gone away, or is back: what is open is looked at again
DeadlineKind = Literal["expire", "lease", "timer", "erase", "claim", "rung", "schedule", "absence"]


class Deadline(msgspec.Struct, frozen=True):
    """One thing to be settled when its time has come."""

    kind: DeadlineKind
    #: An interrupt (expire, claim, rung), a turn (lease, timer), a session (erase), a schedule, or a person's home
    #: (absence).
    id: str
    #: When, by the store's clock …
    due_ms: int | None = None
    #: … or how long after its commit.
    in_ms: int = 0
    #: The operation of the turn (timer), or how far a look has come (absence).
    operation: str = ""

    @property
    def member(self) -> str:
        return member(self.kind, self.id, self.operation)


def member(kind: DeadlineKind, own_id: str, operation: str = "") -> str:
    """How a deadline is named in the set."""
    return f"{kind} {own_id} {operation}".rstrip()


def of_interrupt(own_id: str) -> list[str]:
    """The deadlines that an interrupt may have: they go with its closing."""
    return [member("expire", own_id), member("rung", own_id), member("claim", own_id)]


def parse(member: str) -> tuple[str, str, str]:
    """Kind, id and operation of a deadline's name."""
    kind, _, rest = member.partition(" ")
    own_id, _, operation = rest.partition(" ")
    if not own_id:
        raise BadRequest(f"{member!r} is not the name of a deadline.")
    return kind, own_id, operation
