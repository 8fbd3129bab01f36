"""Claiming: "I am looking at this", shown to everybody until it ends by itself. It never stands in an answer's way."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput, Conflict
from holdfast.core.events import InterruptUpdated
from holdfast.core.identity import By
from holdfast.core.interrupts import Claim, InterruptRecord

CLAIM_MS = 5 * 60_000  # long enough to read a case, short enough to be forgotten
CLAIM_MAX_MS = 60 * 60_000


def claim(record: InterruptRecord, by: By, for_ms: int | None, now_ms: int) -> Commit | Claim:
    """Claim an open interrupt, or claim it for longer; 0 ms lets go of it. One's own claim as it is: no change.

    Raises:
        BadInput: longer than a claim may be.     Conflict: somebody else has claimed it, with the claim.
    """
    lasts_ms = CLAIM_MS if for_ms is None else for_ms
    if not 0 <= lasts_ms <= CLAIM_MAX_MS:
        raise BadInput(f"for_ms: 0 to {CLAIM_MAX_MS}.", limit=CLAIM_MAX_MS)
    shown = record.interrupt
    standing = shown.claim if shown.claim and shown.claim.until > now_ms else None
    if standing is not None and standing.by.id != by.id:
        held = msgspec.to_builtins(standing)
        raise Conflict(f"{standing.by.name or standing.by.id} is looking at this already.", claim=held)
    claimed = Claim(by, now_ms, now_ms + lasts_ms)
    if standing is None and lasts_ms == 0:
        return claimed
    changed = replace(shown, claim=claimed if lasts_ms else None)
    return Commit(
        shown.session,
        "claim",
        puts=[replace(record, interrupt=changed)],
        events=[InterruptUpdated(interrupt=shown.id, changes={"claim": msgspec.to_builtins(changed.claim)})],
    )
