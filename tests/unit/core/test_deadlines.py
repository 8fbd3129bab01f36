"""Deadlines: a name in the set leads back to what is due."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.deadlines import Deadline, DeadlineKind, member, parse
from holdfast.core.errors import BadRequest

KINDS = st.sampled_from(get_args(DeadlineKind))
IDS = st.from_regex(r"[ti]_[a-z0-9]{1,8}\.[A-Za-z0-9_-]{1,8}", fullmatch=True)
OPERATIONS = st.text(max_size=20).map(lambda name: f"sleep:{name}:1") | st.just("")


@given(kind=KINDS, own_id=IDS, operation=OPERATIONS)
def test_a_name_leads_back(kind: DeadlineKind, own_id: str, operation: str) -> None:
    assert parse(member(kind, own_id, operation)) == (kind, own_id, operation)
    assert Deadline(kind, own_id, 5, operation=operation).member == member(kind, own_id, operation)


@given(one=st.tuples(KINDS, IDS, OPERATIONS), other=st.tuples(KINDS, IDS, OPERATIONS))
def test_two_deadlines_never_share_a_name(
    one: tuple[DeadlineKind, str, str], other: tuple[DeadlineKind, str, str]
) -> None:
    assert (member(*one) == member(*other)) == (one == other)


@pytest.mark.parametrize("name", ["", "expire", "expire "])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(BadRequest):
        parse(name)
