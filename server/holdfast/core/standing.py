"""What stands: grants, the counters of budgets, and what was approved before.

One record for each place where such things stand. A session has its own, in its own slot, which the commits of
decisions and calls guard. What is wider than a session stands in a *home* of its own, one for each agent, for each
person, and one for all: a place with this record and nothing else.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.core.audit import Action, AuditEntry
from holdfast.core.budgets import Counter
from holdfast.core.commit import Commit
from holdfast.core.errors import LimitReached
from holdfast.core.grants import Grant
from holdfast.core.identity import By
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.records import Record
from holdfast.core.unseen import fingerprint, remember

GRANTS_MAX = 100  # of one home: each call that would be asked about is held against them


class StandingRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """What stands in one home."""

    kind = "standing"
    home: str
    #: Also the revoked ones, as long as there is room: an answer that is repeated must not bring one back.
    grants: tuple[Grant, ...] = ()
    counters: dict[str, Counter] = msgspec.field(default_factory=dict[str, Counter])
    #: Fingerprints of the arguments that people approved here.
    seen: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.home

    def grant(self, own_id: str) -> Grant | None:
        return next((grant for grant in self.grants if grant.id == own_id), None)


def with_grant(record: StandingRecord, new: Grant, now_ms: int) -> StandingRecord:
    """The record with this grant; the same if it stood there before, for it may have been revoked since.

    Raises:
        LimitReached: there are too many.
    """
    if record.grant(new.id) is not None:
        return record
    standing = [one for one in record.grants if one.stands(now_ms)]
    if len(standing) >= GRANTS_MAX:
        raise LimitReached(f"At most {GRANTS_MAX} grants stand in one place: revoke some.", limit=GRANTS_MAX)
    revoked = [one for one in record.grants if one.revoked_at is not None]
    kept = [*revoked, *standing][-(GRANTS_MAX - 1) :]
    return replace(record, grants=(*kept, new))


def with_approved(record: StandingRecord, asked: InterruptRecord, effective: Any) -> StandingRecord:
    """The record with what a person has just approved, where rules will ask for it."""
    tool = asked.interrupt.toolName or ""
    return replace(record, seen=remember(record.seen, *(fingerprint(tool, one, effective) for one in asked.remembers)))


def put(commit: Commit, before: StandingRecord, after: StandingRecord) -> None:
    """Have the commit set the record, and list its grants."""
    if after == before:
        return
    was, now = ({one.id for one in record.grants if one.revoked_at is None} for record in (before, after))
    commit.puts.append(after)
    commit.grants_add.extend(sorted(now - was))
    commit.grants_drop.extend(sorted(was - now))


def revoke(record: StandingRecord, standing: Grant, by: By, now_ms: int, via: str, ref: str) -> Commit:
    """The commit by which a grant says nothing any more about what is judged after it."""
    ended = replace(standing, revoked_by=by, revoked_at=now_ms)
    commit = Commit(record.home, "revoke", durable=True, audit=[_entry("grant.revoked", ended, by, via, ref)])
    put(commit, record, replace(record, grants=tuple(ended if one.id == ended.id else one for one in record.grants)))
    return commit


def made(given: Grant, via: str, ref: str | None) -> AuditEntry:
    """The trail's line for a new grant, in the commit of the answer that gave it."""
    return _entry("grant.made", given, given.giver.by, via, ref)


def rule_of(own_id: str) -> str:
    """How a grant is named where a rule would be."""
    return f"grant {own_id}"


def _entry(action: Action, one: Grant, by: By, via: str, ref: str | None) -> AuditEntry:
    return AuditEntry(
        action,
        one.session,
        by,
        interrupt=one.interrupt,
        tool=one.tool,
        rule=rule_of(one.id),
        status=one.scope,
        via=via,
        ref=ref,
    )
