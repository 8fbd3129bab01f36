"""Claims: how long, whose, and what they change."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.core.test_decisions import ALICE, BOB, put, record

from holdfast.core.claiming import CLAIM_MAX_MS, CLAIM_MS, claim
from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput, Conflict
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
