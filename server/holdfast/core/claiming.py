"""Claiming: "I am looking at this", shown to everybody until it ends. It never stands in an answer's way.

On a client tool a claim is the lease of one device: who has it runs the tool, and nobody else does. It ends by a
deadline, or soon after the device's connection is gone, and everybody is told; so whoever waits for it need not ask.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline, member
from holdfast.core.errors import BadInput, Conflict, LimitReached
from holdfast.core.events import InterruptUpdated
from holdfast.core.identity import By
from holdfast.core.interrupts import Claim, InterruptRecord

CLAIM_MS = 5 * 60_000  # long enough to read a case, short enough to be forgotten
CLAIM_MAX_MS = 60 * 60_000
LEASE_MS = 30_000  # of a device that runs a tool, and says so again every 10 s
GRACE_MS = 2_000  # a device that is back within it was never away (as presence has it)

PROGRESS_MAX_BYTES = 4 * 1024  # a few words and numbers: it goes to every device, and into the log
PROGRESS_EVERY_MS = 500  # as often as a person can see
PROGRESS_MAX = 1_000  # of one call: more would make the log of a session unreadable


def claim(
    record: InterruptRecord,
    by: By,
    for_ms: int | None,
    now_ms: int,
    device: str | None = None,
    connection: str | None = None,
) -> Commit | Claim:
    """Claim an open interrupt, or claim it for longer; 0 ms lets go of it. One's own claim as it is: no change.

    Raises:
        BadInput: longer than a claim may be.     Conflict: somebody else has claimed it, with the claim.
    """
    lasts_ms = (LEASE_MS if record.leased else CLAIM_MS) if for_ms is None else for_ms
    if not 0 <= lasts_ms <= CLAIM_MAX_MS:
        raise BadInput(f"for_ms: 0 to {CLAIM_MAX_MS}.", limit=CLAIM_MAX_MS)
    held = _held(record, by, device, now_ms)
    claimed = Claim(by, now_ms, now_ms + lasts_ms, device, connection)
    if held is None and lasts_ms == 0 and record.interrupt.claim is None:
        return claimed
    if lasts_ms == 0:
        return free(record)
    commit = _claimed(record, claimed, told=held is None or not record.leased)
    commit.remembered = bool(commit.events)  # a device says it every 10 s: kept, that would fill its session's refs
    return commit


def progress(
    record: InterruptRecord, by: By, told: Any, now_ms: int, device: str | None = None, connection: str | None = None
) -> Commit:
    """Say how far a device is with a client tool. It claims the call, or claims it for longer.

    Raises:
        BadInput: it is no client tool, or too much is said.
        LimitReached: it is said too often, with `after_ms`, or too many times.
        Conflict: another device has claimed it, with the claim.
    """
    if not record.leased:
        raise BadInput("Only a client tool has a progress.", kind=record.interrupt.kind)
    if len(msgspec.json.encode(told)) > PROGRESS_MAX_BYTES:
        raise BadInput(f"progress: at most {PROGRESS_MAX_BYTES} bytes.", limit=PROGRESS_MAX_BYTES)
    held = _held(record, by, device, now_ms)
    if record.progresses >= PROGRESS_MAX:
        raise LimitReached(f"A call tells its progress at most {PROGRESS_MAX} times.", limit=PROGRESS_MAX)
    after_ms = record.progress_at_ms + PROGRESS_EVERY_MS - now_ms
    if record.progresses and after_ms > 0:
        raise LimitReached("That was too soon after the last progress.", limit=PROGRESS_EVERY_MS, after_ms=after_ms)
    counted = replace(record, progresses=record.progresses + 1, progress_at_ms=now_ms)
    counted = replace(counted, interrupt=replace(record.interrupt, progress=told))
    commit = _claimed(counted, Claim(by, now_ms, now_ms + LEASE_MS, device, connection), told=held is None)
    commit.label = "progress"
    commit.events.append(InterruptUpdated(interrupt=record.id, changes={"progress": msgspec.to_builtins(told)}))
    return commit


def lapse(record: InterruptRecord) -> Commit:
    """The deadline of a device's claim has come: anybody may take over."""
    commit = free(record)
    commit.due.append(member("claim", record.id))
    return commit


def let_lapse(record: InterruptRecord, connection: str, now_ms: int) -> Commit | None:
    """The connection over which it was claimed is gone: the device has a moment to come back. None: it has already."""
    standing = record.interrupt.claim
    if standing is None or standing.connection != connection or record.decision is not None:
        return None
    if standing.until <= now_ms + GRACE_MS:
        return None
    return _claimed(record, replace(standing, until=now_ms + GRACE_MS), told=False)


def check_gives_up(record: InterruptRecord, by: By, device: str | None, now_ms: int) -> None:
    """A device's error settles nothing while another one is doing it: that one may well succeed.

    Raises:
        Conflict: with the claim of the other.
    """
    if record.leased and device is not None:
        _held(record, by, device, now_ms)


def free(record: InterruptRecord) -> Commit:
    """Nobody has claimed it any more, and everybody is told."""
    commit = _changed(record, None, told=True)
    if record.leased:
        commit.drop_deadlines.append(member("claim", record.id))
    return commit


def _held(record: InterruptRecord, by: By, device: str | None, now_ms: int) -> Claim | None:
    """The claim that stands and is theirs. Raises Conflict: it is somebody else's."""
    standing = record.interrupt.claim
    if standing is None or standing.until <= now_ms:
        return None
    if standing.held_by(by, device, lease=record.leased):
        return standing
    doing = "doing" if record.leased else "looking at"
    who = standing.by.name or standing.by.id
    raise Conflict(f"{who} is {doing} this already.", claim=msgspec.to_builtins(standing))


def _claimed(record: InterruptRecord, claimed: Claim, *, told: bool) -> Commit:
    commit = _changed(record, claimed, told=told)
    if record.leased:
        commit.set_deadlines.append(Deadline("claim", record.id, claimed.until))
    return commit


def _changed(record: InterruptRecord, claimed: Claim | None, *, told: bool) -> Commit:
    shown = record.interrupt
    changes = {"claim": msgspec.to_builtins(claimed)}
    return Commit(
        shown.session,
        "claim",
        puts=[replace(record, interrupt=replace(shown, claim=claimed))],
        events=[InterruptUpdated(interrupt=shown.id, changes=changes)] if told else [],
    )
