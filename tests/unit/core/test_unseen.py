"""Unseen: the same call has the same fingerprint, and no other one has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.unseen import FINGERPRINT, SEEN_MAX, fingerprint, remember

VALUES = {"to": "bob", "amount": 5, "order": {"id": 7}}


def test_it_is_of_the_tool_and_the_arguments_that_are_compared() -> None:
    whole = fingerprint("pay", (), VALUES)
    assert len(whole) == FINGERPRINT
    assert whole == fingerprint("pay", (), {"order": {"id": 7.0}, "amount": 5.0, "to": "bob"})
    assert whole != fingerprint("pay", (), VALUES | {"more": 1})
    assert whole != fingerprint("send", (), VALUES)
    assert fingerprint("pay", ("to",), VALUES) == fingerprint("pay", ("to",), {"to": "bob", "amount": 9})
    assert fingerprint("pay", ("to", "order.id"), VALUES) == fingerprint("pay", ("order.id", "to", "to"), VALUES)
    assert fingerprint("pay", ("order.id",), VALUES) != fingerprint("pay", ("order.id",), {"order": {"id": 8}})


def test_an_argument_that_is_not_there_is_not_null() -> None:
    assert fingerprint("pay", ("to",), {}) != fingerprint("pay", ("to",), {"to": None})


def test_names_and_values_cannot_be_mistaken_for_each_other() -> None:
    assert fingerprint("pay", ("a",), {"a": ["b"]}) != fingerprint("pay", ("a", "b"), {"a": []})
    assert fingerprint("pay", (), {"a": 1}) != fingerprint("pay", ("a",), {"a": 1})


@given(st.lists(st.integers(0, 30).map(str), max_size=80))
def test_the_last_ones_are_kept(seen: list[str]) -> None:
    kept: tuple[str, ...] = ()
    for one in seen:
        kept = remember(kept, one)
    assert len(kept) == len(set(kept)) == len(set(seen))
    assert kept[-1:] == tuple(seen[-1:])


def test_the_oldest_are_forgotten() -> None:
    kept = remember(tuple(str(number) for number in range(SEEN_MAX)), "new")
    assert (len(kept), kept[0], kept[-1]) == (SEEN_MAX, "1", "new")
