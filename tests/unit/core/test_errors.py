"""Errors: each has a code of its own that says whether a retry can help."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.core import errors
from holdfast.core.errors import HoldfastError, Refused, Unavailable, Unusable


def tree(kind: type[HoldfastError] = HoldfastError) -> Iterator[type[HoldfastError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from tree(narrower)


OURS = [kind for kind in tree() if kind.__module__ == errors.__name__]


def test_codes_are_distinct() -> None:
    codes = [kind.code for kind in OURS]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.code)
def test_every_error_says_the_same_everywhere(kind: type[HoldfastError]) -> None:
    error = kind()
    assert error.message == str(error) == (kind.__doc__ or "").strip().splitlines()[0]
    assert 400 <= kind.status < 600
    assert kind.retry is issubclass(kind, Unavailable)
    assert (kind.status < 500 or kind.code == "not_implemented") == issubclass(kind, Refused)


def test_every_error_stands_in_the_picture() -> None:
    picture = errors.__doc__ or ""
    assert [kind.__name__ for kind in OURS if kind.__name__ not in picture] == []
    concrete = [kind for kind in OURS if kind not in (HoldfastError, Refused, Unavailable, Unusable)]
    assert [kind.code for kind in concrete if kind.code not in picture.split()] == []


def test_details_are_for_programs() -> None:
    error = errors.TooLarge("Over.", limit=5)
    assert (error.message, error.details) == ("Over.", {"limit": 5})
