"""What stands: one record for each home, bounded, and a revoked grant does not come back."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from holdfast.core.budgets import Counter
from holdfast.core.commit import Commit
from holdfast.core.errors import LimitReached
from holdfast.core.grants import Grant
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Interrupt, InterruptRecord
from holdfast.core.standing import (
    GRANTS_MAX,
    StandingRecord,
    made,
    put,
    revoke,
    rule_of,
    with_approved,
    with_grant,
)
from holdfast.core.unseen import fingerprint

EMPTY = StandingRecord(home="s1")
BOB = By("person", "bob")


def grant(number: int = 1, until: int | None = None) -> Grant:
    return Grant(
        f"g_{number}.s1", "session", "pay", "support", None, "s1", "i_1.s1", Principal("bob"), 5, input={}, until=until
    )


def test_a_grant_stands_once() -> None:
    once = with_grant(EMPTY, grant(), 5)
    assert once.grant("g_1.s1") == grant()
    assert with_grant(once, grant(), 6) is once


def test_a_revoked_grant_does_not_come_back() -> None:
    commit = revoke(with_grant(EMPTY, grant(), 5), grant(), BOB, 7, "test", "r")
    [after] = commit.puts
    assert isinstance(after, StandingRecord)
    [ended] = after.grants
    assert (ended.stands(7), ended.revoked_by) == (False, BOB)
    assert with_grant(after, grant(), 8) is after
    assert commit.grants_drop == ["g_1.s1"]
    [entry] = commit.audit
    assert (entry.action, entry.rule, entry.by) == ("grant.revoked", "grant g_1.s1", BOB)


def test_there_is_an_end_to_grants_and_what_is_over_makes_room() -> None:
    record = EMPTY
    for number in range(GRANTS_MAX):
        record = with_grant(record, grant(number, until=50 if number == 3 else None), 5)
    with pytest.raises(LimitReached):
        with_grant(record, grant(GRANTS_MAX), 5)
    after = with_grant(record, grant(GRANTS_MAX), 50)
    assert len(after.grants) == GRANTS_MAX
    commit = Commit("s1", "test")
    put(commit, record, after)
    assert (commit.grants_add, commit.grants_drop) == ([f"g_{GRANTS_MAX}.s1"], ["g_3.s1"])


def test_the_oldest_revoked_ones_make_room() -> None:
    ended = tuple(replace(grant(number), revoked_at=5) for number in range(GRANTS_MAX))
    after = with_grant(StandingRecord(home="s1", grants=ended), grant(GRANTS_MAX), 6)
    assert len(after.grants) == GRANTS_MAX
    assert after.grants[0].id == "g_1.s1"


def test_what_changes_nothing_is_not_put() -> None:
    commit = Commit("s1", "test")
    put(commit, EMPTY, EMPTY)
    assert commit == Commit("s1", "test")


def test_what_is_approved_is_remembered_as_it_will_be_asked_for() -> None:
    shown = Interrupt("i_1.s1", "approval", "s1", "t", "tool_call", toolName="pay", input={"to": "bob", "amount": 1})
    asked = InterruptRecord(interrupt=shown, operation="tool:pay:1", remembers=((), ("to",)))
    edited = {"to": "eve", "amount": 1}
    seen = with_approved(EMPTY, asked, edited).seen
    assert seen == (fingerprint("pay", (), edited), fingerprint("pay", ("to",), edited))


def test_it_is_kept_as_it_is() -> None:
    counters = {"k": Counter(Decimal("0.1"), 5, ("key",))}
    record = StandingRecord(home="s1", grants=(grant(),), counters=counters, seen=("f",))
    assert msgspec.json.decode(msgspec.json.encode(record), type=StandingRecord) == record
    assert msgspec.json.decode(b'{"home":"s1"}', type=StandingRecord) == EMPTY


def test_the_trail_names_it() -> None:
    entry = made(grant(), "rest", "r")
    assert (entry.action, entry.by.id, entry.rule, entry.status) == ("grant.made", "bob", rule_of("g_1.s1"), "session")
