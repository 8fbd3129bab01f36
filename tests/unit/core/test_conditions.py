"""Conditions on arguments: yes, no, or unclear; and equality is JSON's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.conditions import Fit, all_of, check_conditions, fits

VALUES = {"amount": 50, "note": "urgent", "tags": ["a", 1], "flag": True, "customer": {"country": "NO"}, "none": None}

TABLE: list[tuple[str, Any, Fit]] = [
    ("amount", 50, "yes"),
    ("amount", 50.0, "yes"),
    ("amount", "50", "no"),
    ("flag", 1, "no"),
    ("flag", True, "yes"),
    ("none", None, "yes"),
    ("amount", {"lte": 50}, "yes"),
    ("amount", {"lt": 50}, "no"),
    ("amount", {"gt": 10, "lt": 60}, "yes"),
    ("amount", {"gt": 10, "lt": 20}, "no"),
    ("amount", {"gte": "50"}, "unclear"),
    ("flag", {"gte": 1}, "unclear"),  # true is no number
    ("note", {"lt": 5}, "unclear"),
    ("note", {"gte": "a"}, "yes"),
    ("note", {"glob": "urg*"}, "yes"),
    ("note", {"glob": "URG*"}, "no"),
    ("amount", {"glob": "5*"}, "unclear"),
    ("note", {"in": ["urgent", "late"]}, "yes"),
    ("note", {"not_in": ["urgent"]}, "no"),
    ("flag", {"in": [1, 2]}, "no"),
    ("note", {"ne": "calm"}, "yes"),
    ("note", {"contains": "gen"}, "yes"),
    ("tags", {"contains": 1}, "yes"),
    ("tags", {"contains": True}, "no"),
    ("amount", {"contains": 5}, "unclear"),
    ("customer.country", "NO", "yes"),
    ("customer.city", "Oslo", "no"),
    ("customer", {"eq": {"country": "NO"}}, "yes"),
    ("note.length", {"gt": 1}, "no"),
    # What is not there: a plain no, unless the rule speaks of what it must not be.
    ("absent", {"lte": 5}, "no"),
    ("absent", {"eq": None}, "no"),
    ("absent", {"ne": "x"}, "unclear"),
    ("absent", {"not_in": ["x"]}, "unclear"),
    ("absent", {"exists": False}, "yes"),
    ("absent", {"exists": True}, "no"),
    ("none", {"exists": True}, "yes"),
]


@pytest.mark.parametrize(("path", "wanted", "fit"), TABLE, ids=str)
def test_table(path: str, wanted: Any, fit: Fit) -> None:
    check_conditions({path: wanted})
    found, why = fits(path, wanted, VALUES)
    assert found == fit
    assert (why == "") == (fit == "yes")


@given(st.lists(st.sampled_from(["yes", "no", "unclear"])))
def test_one_no_is_a_no_and_one_unclear_is_no_yes(found: list[Fit]) -> None:
    expected = "no" if "no" in found else "unclear" if "unclear" in found else "yes"
    assert all_of((fit, fit) for fit in found)[0] == expected


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"amount": {"lteq": 5}}, "input.amount.lteq: there is no such condition; there are eq, "),
        ({"amount": {"lte": True}}, "input.amount.lte: must be a number or a text"),
        ({"amount": {"lte": None}}, "input.amount.lte: must be"),
        ({"amount": {"in": "abc"}}, "input.amount.in: must be a list"),
        ({"amount": {"exists": 1}}, "input.amount.exists: must be true or false"),
        ({"amount": {"glob": 1}}, "input.amount.glob: must be a text"),
        ({"amount": {}}, "input.amount: give a value"),
        ({"amount": float("nan")}, "nan"),
        ({"amount": 2**60}, "2\\^53"),
        ({"a..b": 1}, "'a..b' names no argument"),
        ({"": 1}, "names no argument"),
    ],
)
def test_what_cannot_be_used_says_where(conditions: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_conditions(conditions)
