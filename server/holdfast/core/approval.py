"""Approval: what a tool's predicate may return instead of a bare yes or no, to say why somebody is asked."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.canonical import canonical_json

APPROVAL_MAX_BYTES = 16 * 1024  # of one, as JSON: it goes into one event with the arguments, and onto a card


class Approval(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a person must be asked about a call, and what the card says of it.

    Args:
        required: only `False` lets the call pass; anything that is no bool asks.
        message: what is asked, in one sentence, in place of the tool's description.
        summary, impact, risk: shown beside the arguments, as the metadata of the interrupt.
        metadata: more of it, for your own screens.
        grantable: False: whoever approves this cannot make it a standing grant.
    """

    required: bool
    message: str | None = None
    summary: str | None = None
    impact: str | None = None
    risk: str | None = None
    metadata: dict[str, Any] | None = None
    grantable: bool = True

    @property
    def shown(self) -> dict[str, Any]:
        """What it adds to the metadata of a card."""
        own = {"summary": self.summary, "impact": self.impact, "risk": self.risk}
        return (self.metadata or {}) | {name: said for name, said in own.items() if said is not None}


def checked(said: Approval) -> Approval:
    """An Approval that can be kept and shown. Nothing checks types when an author makes one.

    Raises:
        TypeError, ValueError, BadInput: a field is not what it should be, is no JSON, or all of it is too large.
    """
    kept = msgspec.convert(msgspec.to_builtins(said), Approval, strict=True)
    size = len(canonical_json(msgspec.to_builtins(kept)))
    if size > APPROVAL_MAX_BYTES:
        raise ValueError(f"an Approval has at most {APPROVAL_MAX_BYTES} bytes, not {size}")
    return kept
