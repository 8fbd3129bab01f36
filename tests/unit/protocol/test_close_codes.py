"""Close codes: their ranges say what to do."""

from __future__ import annotations

from holdfast.protocol import close_codes
from holdfast.protocol.close_codes import CloseCode


def test_every_code_is_listed_once() -> None:
    named = [value for value in vars(close_codes).values() if isinstance(value, CloseCode)]
    assert sorted(named) == sorted(close_codes.ALL)
    assert len({code.code for code in named}) == len(named)


def test_every_reason_fits_into_a_close_frame() -> None:
    assert all(0 < len(code.reason.encode()) <= 123 for code in close_codes.ALL)


def test_the_range_says_whether_to_come_back() -> None:
    come_back = {code.code for code in close_codes.ALL if code.come_back}
    assert come_back == {3001, 3008, 3011, 3012, 3013, 4001, 4008}
    stop = {code.code for code in close_codes.ALL if not code.come_back}
    assert stop == {1009, 3500, 4500, 4503}


def test_who_is_cut_off_comes_back() -> None:
    assert CloseCode(1006, "").come_back
    assert CloseCode(1012, "").come_back
