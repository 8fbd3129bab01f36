"""Verifying: whatever is changed, dropped, inserted or reordered is found, and named (promise 14)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core import chain
from holdfast.core.chain import Anchor, Link, Seal
from holdfast.core.verifying import Check, Head, Verdict

KEY = b"k" * 32
KEYS = chain.ring([KEY])


class Made:
    """A trail: seals of some sizes, and entries behind the last of them."""

    def __init__(self, sizes: list[int], unsealed: int = 0, key: bytes = KEY) -> None:
        self.links = [Link(n, 100 + n, b'{"n":%d}' % n) for n in range(1, sum(sizes) + unsealed + 1)]
        self.seals: list[Seal] = []
        for size in sizes:
            first = self.seals[-1].last if self.seals else 0
            before = self.seals[-1] if self.seals else None
            self.seals.append(chain.seal(key, 0, before, self.links[first : first + size], 1))
        self.head = Head(0, len(self.links), len(self.seals))

    def verdict(self, keys: dict[str, bytes] = KEYS, anchors: tuple[Anchor, ...] = ()) -> Verdict:
        check, rest = Check(self.head, keys, anchors), list(self.links)
        for seal in self.seals:
            check.seal(seal)
            while rest and rest[0].number <= seal.last:
                check.entry(rest.pop(0))
        for link in rest:
            check.entry(link)
        return check.verdict()

    def found(self, **more: Any) -> tuple[int | None, str]:
        finding = self.verdict(**more).finding
        assert finding is not None
        return finding.entry, finding.what


trails = st.builds(Made, st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 3))


@given(trail=trails)
def test_an_honest_trail_is_whole(trail: Made) -> None:
    verdict = trail.verdict()
    assert verdict.finding is None
    assert (verdict.sealed, verdict.sealed + verdict.unsealed) == (trail.seals[-1].last, len(trail.links))


@given(trail=trails, data=st.data())
def test_a_changed_entry_is_found_and_named(trail: Made, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, trail.seals[-1].last))
    link = trail.links[number - 1]
    change = data.draw(st.sampled_from([{"data": link.data + b" "}, {"data": b""}, {"at": link.at + 1}]))
    trail.links[number - 1] = replace(link, **change)
    assert trail.found()[0] == number


@given(trail=trails, data=st.data())
def test_a_dropped_entry_is_found_and_named(trail: Made, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(trail.links)))  # sealed or not
    del trail.links[number - 1]
    assert trail.found() == (number, "it is missing")


@given(trail=trails, data=st.data())
def test_an_inserted_entry_is_found_and_named(trail: Made, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(trail.links)))
    trail.links.insert(number, replace(trail.links[number - 1], extra=1))
    entry, what = trail.found()
    assert entry == number
    assert "inserted" in what


def test_an_entry_beyond_the_last_number_is_found() -> None:
    trail = Made([3], 1)
    trail.links.append(Link(5, 1, b"{}"))
    entry, what = trail.found()
    assert (entry, "inserted" in what) == (5, True)


@given(trail=trails, data=st.data())
def test_entries_that_changed_places_are_found(trail: Made, data: st.DataObject) -> None:
    sealed = trail.seals[-1].last
    one, other = data.draw(st.lists(st.integers(1, max(sealed, 2)), min_size=2, max_size=2, unique=True))
    if max(one, other) > sealed:
        return
    first, second = trail.links[one - 1], trail.links[other - 1]
    trail.links[one - 1] = replace(second, number=one)  # the numbers stay dense: only the chain can tell
    trail.links[other - 1] = replace(first, number=other)
    assert trail.found()[0] == min(one, other)


@given(trail=trails, data=st.data())
def test_a_dropped_seal_is_found(trail: Made, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(trail.seals)))
    del trail.seals[number - 1]
    assert f"seal {number} is missing" in trail.found()[1]


@given(trail=trails, data=st.data())
def test_a_changed_seal_is_found(trail: Made, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(trail.seals)))
    seal = trail.seals[number - 1]
    trail.seals[number - 1] = replace(seal, chain=chain.begin(KEY, 9).hex())
    assert trail.found()[1] == f"seal {number} is not as it was made"


def test_who_seals_anew_without_the_key_is_found() -> None:
    assert "was not given" in Made([3], key=b"x" * 32).found()[1]


def test_a_trail_that_was_put_back_is_found_by_an_anchor_only() -> None:
    later, earlier = Made([3, 2]), Made([3])
    assert earlier.verdict().finding is None
    assert "seal 2 is missing" in earlier.found(anchors=(Anchor.of(later.seals[1]),))[1]
    assert later.verdict(anchors=(Anchor.of(later.seals[0]), Anchor.of(later.seals[1]))).finding is None


def test_a_trail_that_was_written_anew_with_the_key_is_found_by_an_anchor_only() -> None:
    anchor = Anchor.of(Made([3]).seals[0])
    anew = Made([2])
    assert anew.verdict().finding is None
    assert "anew" in anew.found(anchors=(anchor,))[1]


def with_floor(sizes: list[int], kept_from: int) -> Made:
    """Entries up to the end of a seal were let go, and the seals before that one."""
    trail = Made(sizes)
    floor = trail.seals[kept_from].last
    trail.seals.append(chain.seal(KEY, 0, trail.seals[-1], [], 2, floor=floor))
    trail.seals, trail.links = trail.seals[kept_from:], trail.links[floor:]
    trail.head = Head(0, trail.head.given, trail.head.seals + 1, floor)
    return trail


def test_what_is_left_by_retention_is_proven_from_the_seal_before_it() -> None:
    trail = with_floor([3, 2, 4], kept_from=1)
    assert trail.verdict() == Verdict(0, 4, 0, 5)


def test_nothing_more_may_go_than_a_seal_says() -> None:
    trail = with_floor([3, 2, 4], kept_from=1)
    del trail.links[0]
    assert trail.found() == (6, "it is missing")


def test_nobody_else_can_move_the_floor() -> None:
    trail = Made([3, 2, 4])
    trail.seals, trail.links = trail.seals[1:], trail.links[5:]
    trail.head = replace(trail.head, floor=5)
    assert "not said by a seal" in trail.found()[1]


def test_the_seal_at_the_floor_must_be_there() -> None:
    trail = with_floor([3, 2, 4], kept_from=1)
    del trail.seals[0]
    assert "ends at 5" in trail.found()[1]


@pytest.mark.parametrize("sizes", [[1], [5, 1, 3]])
def test_nothing_at_all_where_something_was_given_is_found(sizes: list[int]) -> None:
    trail = Made(sizes)
    trail.seals, trail.links = [], []
    assert trail.verdict().finding is not None
