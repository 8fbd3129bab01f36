"""Policies: the stricter wins, and only `False` itself lets a call pass unasked (promise 7)."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest

from holdfast.core.policies import Verdict, of_setting, strictest

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(VERDICTS, VERDICTS)))
def test_the_stricter_wins_in_any_order(one: Verdict, other: Verdict) -> None:
    order = ["allow", "ask", "deny"]
    expected = max(one, other, key=order.index)
    assert strictest(one, other) == strictest(other, one) == expected


def test_nobody_having_said_anything_means_ask() -> None:
    assert strictest() == "ask"


@pytest.mark.parametrize("default", VERDICTS)
def test_only_none_is_the_default_and_only_false_opts_out(default: Verdict) -> None:
    assert of_setting(None, default) == default
    assert of_setting(False, default) == "allow"


@pytest.mark.parametrize("value", [True, 1, 0, "", "no", "false", [], {}, 0.0, object()])
def test_whatever_else_it_looks_like_means_ask(value: Any) -> None:
    assert of_setting(value, "allow") == "ask"
