"""The chain: keyed, unambiguous, and carried on by seals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core import chain
from holdfast.core.chain import Anchor, Link, Seal

KEY, OTHER = b"k" * 32, b"o" * 32

links = st.builds(Link, st.integers(0, 2**63), st.integers(0, 2**63), st.binary(max_size=50))


def entries(first: int, count: int) -> list[Link]:
    return [Link(number, 1_000 + number, b'{"n":%d}' % number) for number in range(first, first + count)]


@given(one=links, other=links)
def test_entries_that_differ_have_links_that_differ(one: Link, other: Link) -> None:
    before = chain.begin(KEY, 0)
    assert (chain.follow(KEY, before, one) == chain.follow(KEY, before, other)) == (one == other)


def test_digits_do_not_wander_between_number_time_and_bytes() -> None:
    before = chain.begin(KEY, 0)
    alike = [Link(1, 23, b"4"), Link(12, 3, b"4"), Link(1, 2, b"34"), Link(1, 2, b"3 4")]
    assert len({chain.follow(KEY, before, link) for link in alike}) == len(alike)


def test_each_partition_and_each_key_has_its_own_chain() -> None:
    assert len({chain.begin(key, partition) for key in (KEY, OTHER) for partition in range(12)}) == 24


def test_a_seal_goes_on_where_the_one_before_it_ended() -> None:
    first = chain.seal(KEY, 3, None, entries(1, 4), 10)
    second = chain.seal(KEY, 3, first, entries(5, 2), 20)
    assert (first.number, first.first, first.last) == (1, 1, 4)
    assert (second.number, second.first, second.last) == (2, 5, 6)
    assert second.chain == chain.seal(KEY, 3, None, entries(1, 6), 30).chain, "however the entries were cut into seals"


def test_a_seal_without_entries_only_moves_the_floor() -> None:
    first = chain.seal(KEY, 3, None, entries(1, 4), 10)
    second = chain.seal(KEY, 3, first, [], 20, floor=4)
    assert (second.number, second.first, second.last, second.floor) == (2, 5, 4, 4)
    assert second.chain == first.chain


@given(name=st.sampled_from([n for n in Seal.__struct_fields__ if n != "mac"]))
def test_no_field_of_a_seal_can_be_changed(name: str) -> None:
    made = chain.seal(KEY, 3, None, entries(1, 4), 10)
    keys = chain.ring([KEY, OTHER])
    assert chain.genuine(made, keys)
    value = getattr(made, name)
    changed = replace(made, **{name: value + 1 if isinstance(value, int) else chain.key_name(OTHER)})
    assert not chain.genuine(changed, keys)


def test_a_retired_key_still_proves_and_an_unknown_one_does_not() -> None:
    made = chain.seal(KEY, 3, None, entries(1, 4), 10)
    assert chain.genuine(made, chain.ring([OTHER, KEY]))
    assert not chain.genuine(made, chain.ring([OTHER]))


def test_a_seal_is_read_as_it_was_written() -> None:
    made = chain.seal(KEY, 3, None, entries(1, 4), 10)
    assert chain.decode_seal(1, 3, chain.encode_seal(made)) == made
    assert len(chain.tags_of(made)) == 4
    assert Anchor.of(made).chain == made.chain


def test_what_is_no_seal_or_stands_elsewhere_is_not_genuine() -> None:
    data = chain.encode_seal(chain.seal(KEY, 3, None, entries(1, 4), 10))
    for number, partition, stored in ((2, 3, data), (1, 4, data), (1, 3, b"\xff"), (1, 3, b"{}")):
        assert not chain.genuine(chain.decode_seal(number, partition, stored), chain.ring([KEY]))


def test_the_key_is_derived_as_rfc_5869_says() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    expected = HKDF(SHA256(), 32, None, chain.KEY_INFO).derive(b"a secret")
    assert chain.derive_key(b"a secret") == expected
