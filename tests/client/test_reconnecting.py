"""When to come back, and when to stop."""

from __future__ import annotations

import pytest

from holdfast.client.address import parse
from holdfast.client.reconnecting import (
    FIRST_S,
    LIMIT_S,
    STEADY_S,
    Waits,
    refusal_of_close,
    refusal_of_status,
)
from holdfast.core.errors import Refused, TokenExpired, TooLarge, Unauthenticated
from holdfast.protocol import close_codes


def highest(_low: float, high: float) -> float:
    return high


def test_waits_double_up_to_the_limit() -> None:
    waits = Waits(dice=highest)
    assert [waits.next_s() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert (FIRST_S, LIMIT_S) == (0.5, 20)


def test_full_jitter_reaches_down_to_nothing() -> None:
    waits = Waits(dice=lambda low, _high: low)
    assert {waits.next_s() for _ in range(5)} == {0}


def test_only_a_connection_that_held_starts_the_waits_anew() -> None:
    waits = Waits(dice=highest)
    for _ in range(4):
        waits.next_s()
    waits.lasted(STEADY_S - 0.1)  # a server that welcomes and closes at once is no good one
    assert waits.next_s() == 8
    waits.lasted(STEADY_S)
    assert waits.next_s() == 0.5


def test_what_the_server_says_counts_once() -> None:
    waits = Waits(dice=highest)
    waits.told(1_500)
    assert [waits.next_s(), waits.next_s()] == [1.5, 0.5]


@pytest.mark.parametrize("code", close_codes.ALL, ids=lambda code: str(code.code))
def test_ranges_say_what_to_do(code: close_codes.CloseCode) -> None:
    refusal = refusal_of_close(code.code, code.reason, None, fresh_token=True)
    assert (refusal is None) == code.come_back


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 3000, 3499, 4000, 4499])
def test_other_ends_are_come_back(code: int) -> None:
    assert refusal_of_close(code, "", None, fresh_token=False) is None


@pytest.mark.parametrize("code", [3500, 3999, 4500, 4999])
def test_codes_of_a_later_version_stop_by_their_range(code: int) -> None:
    assert isinstance(refusal_of_close(code, "why", None, fresh_token=True), Refused)


def test_the_error_that_was_said_is_the_reason() -> None:
    said = Unauthenticated("The signature is wrong.")
    assert refusal_of_close(4500, "No token", said, fresh_token=True) is said
    assert isinstance(refusal_of_close(1009, "", None, fresh_token=True), TooLarge)


def test_an_expired_token_stops_only_who_has_no_other() -> None:
    assert refusal_of_close(4001, "", None, fresh_token=True) is None
    assert isinstance(refusal_of_close(4001, "", None, fresh_token=False), TokenExpired)


@pytest.mark.parametrize(("status", "stops"), [(401, True), (403, True), (404, True), (429, False), (502, False)])
def test_a_status_instead_of_a_socket(status: int, stops: bool) -> None:
    assert (refusal_of_status(status) is not None) == stops


@pytest.mark.parametrize(
    ("url", "http", "websocket", "token"),
    [
        ("http://localhost:8700", "http://localhost:8700", "ws://localhost:8700/v1/ws", None),
        ("http://localhost:8700/", "http://localhost:8700", "ws://localhost:8700/v1/ws", None),
        ("https://a.example/holdfast/", "https://a.example/holdfast", "wss://a.example/holdfast/v1/ws", None),
        ("wss://a.example/v1/ws", "https://a.example", "wss://a.example/v1/ws", None),
        ("http://h:1/#token=a.b", "http://h:1", "ws://h:1/v1/ws", "a.b"),
        ("http://h:1/?token=a.b", "http://h:1", "ws://h:1/v1/ws", "a.b"),
    ],
)
def test_addresses(url: str, http: str, websocket: str, token: str | None) -> None:
    assert parse(url) == (http, websocket, token)


@pytest.mark.parametrize("url", ["", "localhost:8700", "ftp://h", "http://"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="http://localhost:8700"):
        parse(url)
