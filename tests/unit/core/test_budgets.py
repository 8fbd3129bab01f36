"""Budgets: what counts, what is too much, and that nothing counts twice."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.budgets import (
    COUNTERS_MAX,
    KEYS_MAX,
    Budget,
    Charge,
    Counter,
    charges,
    give_back,
    overruns,
    spend,
)
from holdfast.core.matching import Case

NOW = 1_767_225_540_000  # 2025-12-31T23:59:00Z
DAY = 86_400_000
CASE = Case(tool="pay", input={"amount": 5, "deep": {"er": 2}}, agent="support", person="alice")
TEN = Budget(name="ten", calls=10)


def zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else timezone(timedelta(hours=int(name)))


def charge(budget: Budget, case: Case = CASE, now_ms: int = NOW) -> Charge:
    [one] = charges([budget], case, now_ms, zone)
    return one


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "either `calls`"),
        ({"calls": 1, "amount": "input.amount", "limit": 3}, "either `calls`"),
        ({"amount": "input.amount"}, "either `calls`"),
        ({"calls": 1, "limit": 2}, "either `calls`"),
        ({"calls": -1}, "limit"),
        ({"amount": "input.amount", "limit": float("nan")}, "limit"),
        ({"amount": "input.amount", "limit": float("inf")}, "limit"),
        ({"amount": "amount", "limit": 3}, "input.amount"),
        ({"amount": "input.", "limit": 3}, "names no argument"),
        ({"calls": 1, "per": "week"}, "week"),
        ({"calls": 1, "per": ()}, "per"),
        ({"calls": 1, "per": ("day", "hour")}, "one of"),
        ({"calls": 1, "tool": ""}, "tool"),
        ({"calls": 1, "name": " "}, "name"),
    ],
)
def test_what_is_no_budget(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Budget(**{"name": "b", **rules})


@pytest.mark.parametrize(
    ("per", "scope"),
    [("session", "session"), (("day", "person"), "person"), (("agent", "person"), "person"), ("agent", "agent"),
     ("day", "all"), (("person", "session"), "session")],
)  # fmt: skip
def test_where_counters_stand(per: Any, scope: str) -> None:
    assert Budget(name="b", calls=1, per=per).scope == scope


@pytest.mark.parametrize(
    ("per", "tz", "until"),
    [
        ("session", "UTC", None),
        ("hour", "UTC", NOW + 60_000),
        ("day", "UTC", NOW + 60_000),
        ("month", "UTC", NOW + 60_000),
        ("day", "1", NOW + 60_000 - 3_600_000 + DAY),
        ("month", "1", NOW + 60_000 - 3_600_000 + 31 * DAY),
        ("day", "-1", NOW + 60_000 + 3_600_000),
    ],
)
def test_when_a_window_is_over(per: Any, tz: str, until: int | None) -> None:
    one = charge(Budget(name="b", calls=1, per=per, tz=tz))
    assert one.until_ms == until
    if until is not None:
        assert charge(one.budget, now_ms=until - 1).key == one.key
        assert charge(one.budget, now_ms=until).key != one.key


def test_counters_are_told_apart() -> None:
    budgets = [
        Budget(name="a", calls=1),
        Budget(name='a","day=1', calls=1),
        Budget(name="a", calls=1, per=("agent", "day")),
        Budget(name="a", calls=1, per=("person", "day")),
    ]
    assert len({charge(one).key for one in budgets}) == 4


@pytest.mark.parametrize(
    ("path", "values", "amount"),
    [
        ("amount", {"amount": 5}, Decimal(5)),
        ("deep.er", {"deep": {"er": 0.1}}, Decimal("0.1")),
        ("amount", {"amount": 0}, Decimal(0)),
        ("amount", {}, None),
        ("amount", {"amount": "5"}, None),
        ("amount", {"amount": True}, None),
        ("amount", {"amount": None}, None),
        ("amount", {"amount": -1}, None),
        ("amount", {"amount": [5]}, None),
    ],
)
def test_what_an_amount_is(path: str, values: dict[str, Any], amount: Decimal | None) -> None:
    one = charge(Budget(name="b", amount=f"input.{path}", limit=9), Case(tool="pay", input=values))
    assert (one.amount, bool(one.why)) == (amount, amount is None)
    assert bool(overruns([one], {}, NOW)) == (amount is None)


def test_only_what_fits_counts() -> None:
    budget = Budget(name="b", calls=1, tool="refund_*", agent=("a", "b"))
    assert charges([budget], Case(tool="refund_all", agent="a"), NOW, zone)
    assert not charges([budget], Case(tool="refund_all", agent="c"), NOW, zone)
    assert not charges([budget], Case(tool="pay", agent="a"), NOW, zone)


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(0, 200))
def test_what_passes_unasked_never_exceeds_the_limit(amounts: list[int], limit: int) -> None:
    budget = Budget(name="b", amount="input.amount", limit=limit)
    counters: dict[str, Counter] = {}
    for amount in amounts:
        one = charge(budget, Case(tool="pay", input={"amount": amount / 10}))
        if not overruns([one], counters, NOW):
            counters = spend(counters, [one], NOW)
    assert sum((counter.used for counter in counters.values()), Decimal(0)) <= limit


@given(st.lists(st.sampled_from("abcdef"), max_size=40))
def test_a_call_counts_once(calls: list[str]) -> None:
    one, counters = charge(TEN), dict[str, Counter]()
    for call in calls:
        counters = spend(counters, [one], NOW, call)
    assert [counter.used for counter in counters.values()] == ([len(set(calls))] if calls else [])


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=30))
def test_what_is_given_back_was_counted(steps: list[tuple[str, bool]]) -> None:
    one, counters, taken = charge(TEN), dict[str, Counter](), set[str]()
    for call, takes in steps:
        counters = spend(counters, [one], NOW, call) if takes else give_back(counters, [one], call)
        taken = taken | {call} if takes else taken - {call}
        assert sum((counter.used for counter in counters.values()), Decimal(0)) == len(taken)


def test_a_call_that_has_its_part_is_not_over() -> None:
    budget = Budget(name="b", calls=1)
    counters = spend({}, [charge(budget)], NOW, "mine")
    assert overruns([charge(budget)], counters, NOW, "mine") == []
    [over] = overruns([charge(budget)], counters, NOW, "another")
    assert (over.used, over.limit, over.amount) == (1, 1, 1)
    assert over.words == "The budget 'b' (session) has used 1 of 1; this call would take 1."


def test_a_window_that_is_over_counts_for_nothing() -> None:
    today = charge(Budget(name="b", calls=1, per="day"))
    counters = spend({}, [today], NOW)
    assert overruns([today], counters, NOW)
    tomorrow = charge(today.budget, now_ms=NOW + DAY)
    assert not overruns([tomorrow], counters, NOW + DAY)
    assert set(spend(counters, [tomorrow], NOW + DAY)) == {tomorrow.key}


def test_what_cannot_be_kept_is_asked_about() -> None:
    full = {str(number): Counter(Decimal(1)) for number in range(COUNTERS_MAX)}
    [over] = overruns([charge(TEN)], full, NOW)
    assert "no room" in over.words
    assert spend(full, [charge(TEN)], NOW) == full


def test_the_keys_that_are_kept_are_bounded() -> None:
    counters: dict[str, Counter] = {}
    for number in range(KEYS_MAX + 5):
        counters = spend(counters, [charge(TEN)], NOW, str(number))
    assert [len(counter.keys) for counter in counters.values()] == [KEYS_MAX]
