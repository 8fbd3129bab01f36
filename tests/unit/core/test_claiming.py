"""Claims: how long, whose, and what they change."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.core.test_decisions import ALICE, BOB, put, record

from holdfast.core import claiming
from holdfast.core.claiming import CLAIM_MAX_MS, CLAIM_MS, GRACE_MS, LEASE_MS, claim
from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline
from holdfast.core.errors import BadInput, Conflict, LimitReached
from holdfast.core.identity import By
from holdfast.core.interrupts import Claim, InterruptRecord


def claimed(until: int) -> InterruptRecord:
    return replace(record(), interrupt=replace(record().interrupt, claim=Claim(ALICE, 0, until)))


@pytest.mark.parametrize(("for_ms", "until"), [(None, 50 + CLAIM_MS), (1, 51), (CLAIM_MAX_MS, 50 + CLAIM_MAX_MS)])
def test_it_has_its_end_and_changes_nothing_else(for_ms: int | None, until: int) -> None:
    commit = claim(record(), ALICE, for_ms, 50)
    assert isinstance(commit, Commit)
    assert put(commit, "i_1.s").interrupt.claim == Claim(ALICE, 50, until)
    assert (len(commit.puts), len(commit.events), commit.jobs, commit.set_deadlines) == (1, 1, [], [])


@pytest.mark.parametrize(("until", "free"), [(51, False), (50, True), (49, True)])
def test_anothers_counts_until_its_end(until: int, free: bool) -> None:
    if free:
        assert isinstance(claim(claimed(until), BOB, None, 50), Commit)
        return
    with pytest.raises(Conflict, match="alice"):
        claim(claimed(until), BOB, None, 50)


def test_letting_go() -> None:
    commit = claim(claimed(60), ALICE, 0, 50)
    assert isinstance(commit, Commit)
    assert put(commit, "i_1.s").interrupt.claim is None
    assert isinstance(claim(record(), ALICE, 0, 50), Claim)


@pytest.mark.parametrize("for_ms", [-1, CLAIM_MAX_MS + 1])
def test_limits(for_ms: Any) -> None:
    with pytest.raises(BadInput, match="for_ms"):
        claim(record(), ALICE, for_ms, 50)


# ---------------------------------------------------------------- the lease of a device


def leased(until: int | None = None, by: By = ALICE, device: str | None = "phone", **more: Any) -> InterruptRecord:
    """A client tool's call, claimed over the connection c1 if `until` is given."""
    asked = record("client_tool")
    held = None if until is None else Claim(by, 0, until, device, "c1")
    return replace(asked, interrupt=replace(asked.interrupt, claim=held), **more)


def shown(commit: Commit) -> list[Any]:
    return [event.changes for event in commit.events]  # type: ignore[union-attr]


def test_a_lease_ends_by_a_deadline() -> None:
    commit = claim(leased(), ALICE, None, 50, "phone", "c1")
    assert isinstance(commit, Commit)
    assert commit.set_deadlines == [Deadline("claim", "i_1.s", 50 + LEASE_MS)]
    assert put(commit, "i_1.s").interrupt.claim == Claim(ALICE, 50, 50 + LEASE_MS, "phone", "c1")
    [changes] = shown(commit)
    assert (changes["claim"]["device"], changes["claim"]["connection"]) == ("phone", "c1")


@pytest.mark.parametrize(
    ("by", "device", "mine"),
    [(ALICE, "phone", True), (ALICE, "laptop", False), (ALICE, None, False), (BOB, "phone", False)],
)
def test_a_lease_is_one_devices(by: By, device: str | None, mine: bool) -> None:
    if mine:
        assert isinstance(claim(leased(60), by, None, 50, device), Commit)
        return
    with pytest.raises(Conflict, match="doing") as caught:
        claim(leased(60), by, None, 50, device)
    assert caught.value.details["claim"]["device"] == "phone"
    assert isinstance(claim(leased(50), by, None, 50, device), Commit)


def test_a_renewal_is_no_event_and_moves_the_deadline() -> None:
    commit = claim(leased(60), ALICE, None, 50, "phone", "c2")
    assert isinstance(commit, Commit)
    assert (commit.events, commit.set_deadlines) == ([], [Deadline("claim", "i_1.s", 50 + LEASE_MS)])
    late = claim(leased(50), ALICE, None, 50, "phone", "c2")
    assert isinstance(late, Commit)
    assert len(late.events) == 1  # everybody may have been told that it was over


def test_letting_go_of_a_lease_and_its_end_are_told() -> None:
    for commit in (claim(leased(60), ALICE, 0, 50, "phone"), claiming.lapse(leased(60))):
        assert isinstance(commit, Commit)
        assert shown(commit) == [{"claim": None}]
        assert commit.drop_deadlines == ["claim i_1.s"]
    assert claiming.lapse(leased(60)).due == ["claim i_1.s"]


@pytest.mark.parametrize(
    ("asked", "connection", "shortened"),
    [
        (leased(LEASE_MS), "c1", True),
        (leased(LEASE_MS), "c2", False),  # it has come back already
        (leased(50 + GRACE_MS), "c1", False),
        (leased(), "c1", False),
        (leased(LEASE_MS, status="resolved", decision=object()), "c1", False),
    ],
)
def test_a_connection_that_is_gone(asked: InterruptRecord, connection: str, shortened: bool) -> None:
    commit = claiming.let_lapse(asked, connection, 50)
    assert (commit is not None) is shortened
    if commit is not None:
        assert (commit.events, commit.set_deadlines) == ([], [Deadline("claim", "i_1.s", 50 + GRACE_MS)])


def test_progress_claims_and_renews() -> None:
    first = claiming.progress(leased(), ALICE, {"done": 1}, 50, "phone", "c1")
    assert [list(changes) for changes in shown(first)] == [["claim"], ["progress"]]
    stands = put(first, "i_1.s")
    assert (stands.interrupt.progress, stands.progresses, stands.progress_at_ms) == ({"done": 1}, 1, 50)
    second = claiming.progress(stands, ALICE, 0, 50 + claiming.PROGRESS_EVERY_MS, "phone", "c1")
    assert shown(second) == [{"progress": 0}]
    assert put(second, "i_1.s").interrupt.claim.until == 50 + claiming.PROGRESS_EVERY_MS + LEASE_MS


def test_limits_of_progress() -> None:
    with pytest.raises(BadInput, match="client tool"):
        claiming.progress(record(), ALICE, 1, 50)
    with pytest.raises(BadInput, match="4096"):
        claiming.progress(leased(), ALICE, "x" * claiming.PROGRESS_MAX_BYTES, 50)
    with pytest.raises(LimitReached) as caught:
        claiming.progress(leased(progresses=1, progress_at_ms=50), ALICE, 1, 60, "phone")
    assert caught.value.details["after_ms"] == claiming.PROGRESS_EVERY_MS - 10
    with pytest.raises(LimitReached, match="1000"):
        claiming.progress(leased(progresses=claiming.PROGRESS_MAX), ALICE, 1, 9_999, "phone")
    with pytest.raises(Conflict):
        claiming.progress(leased(60), ALICE, 1, 50, "laptop")


def test_giving_up() -> None:
    claiming.check_gives_up(leased(60), ALICE, "phone", 50)
    claiming.check_gives_up(leased(60), BOB, None, 50)  # a person's word is not a device's
    claiming.check_gives_up(leased(50), BOB, "laptop", 50)
    with pytest.raises(Conflict):
        claiming.check_gives_up(leased(60), BOB, "laptop", 50)
