"""Which calls are drawn: always the same ones, about as many as was said, and none that somebody could choose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.sampling import check_share, drawn

CALLS = [f"call {n}" for n in range(10_000)]


@pytest.mark.parametrize("share", [0.5, 5, 50])
def test_about_so_many_are_drawn(share: float) -> None:
    number = sum(drawn(share, "salt", call) for call in CALLS)
    assert abs(number - len(CALLS) * share / 100) < 4 * (len(CALLS) * share / 100) ** 0.5


@given(st.text(), st.text())
def test_none_and_all(salt: str, call: str) -> None:
    assert not drawn(0, salt, call)
    assert drawn(100, salt, call)


@given(st.floats(0, 100), st.floats(0, 100), st.text())
def test_a_larger_share_holds_the_smaller_one(one: float, other: float, call: str) -> None:
    assert drawn(min(one, other), "salt", call) <= drawn(max(one, other), "salt", call)


def test_what_a_call_is_named_does_not_say_whether_it_is_drawn() -> None:
    with_one, with_other = ([drawn(50, salt, call) for call in CALLS] for salt in ("one", "other"))
    same = sum(one == other for one, other in zip(with_one, with_other, strict=True))
    assert abs(same - 5_000) < 200


@pytest.mark.parametrize("share", [-1, 100.5, float("nan"), True])
def test_what_is_no_share(share: float) -> None:
    with pytest.raises(ValueError, match="0 to 100"):
        check_share(share)
