"""Matching: which calls a rule speaks of, and what it takes to be unlike any that was approved."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.matching import Case, Match, fit
from holdfast.core.policies import Policy, Rule, by_rules, compared
from holdfast.core.unseen import fingerprint

INPUT = {"to": "bob", "amount": 5}
SEEN = {fingerprint("pay", (), INPUT), fingerprint("pay", ("to",), INPUT)}


@pytest.mark.parametrize(
    ("unseen", "values", "seen", "expected"),
    [
        (False, INPUT, None, "yes"),
        (True, INPUT, SEEN, "no"),
        (True, INPUT | {"amount": 6}, SEEN, "yes"),
        (("to",), INPUT | {"amount": 6}, SEEN, "no"),
        (("to",), {"to": "eve"}, SEEN, "yes"),
        (("to",), {}, SEEN, "yes"),
        (True, INPUT, (), "yes"),
        (True, INPUT, None, "unclear"),
    ],
)
def test_unseen(unseen: Any, values: dict[str, Any], seen: Any, expected: str) -> None:
    assert fit(Match(unseen=unseen), Case(tool="pay", input=values, seen=seen))[0] == expected


def test_what_cannot_be_told_asks() -> None:
    case = Case(tool="pay", input=INPUT)
    for action in ("require_approval", "auto_deny"):
        judged = by_rules([Policy(rules=[Rule(action=action, match=Match(unseen=True))])], case)
        assert judged is not None
        assert judged.verdict == "ask"


def test_what_another_condition_rules_out_is_not_compared() -> None:
    assert fit(Match(unseen=True, input={"amount": {"gt": 9}}), Case(tool="pay", input=INPUT))[0] == "no"


def test_a_rule_cannot_approve_what_nobody_has_approved() -> None:
    with pytest.raises(ValueError, match="unseen"):
        Rule(action="auto_approve", match=Match(unseen=True))


@pytest.mark.parametrize("unseen", [(), ("",), ("a..b",), (1,)])
def test_names_that_are_none(unseen: Any) -> None:
    with pytest.raises(ValueError, match="unseen"):
        Match(unseen=unseen)


def test_what_the_rules_compare_of_a_tool() -> None:
    asks: Any = [
        Rule(action="require_approval", match=Match(tool="pay", unseen=("to",))),
        Rule(action="require_approval", match=Match(tool="p*", unseen=True, input={"amount": {"gt": 9}})),
        Rule(action="auto_deny", match=Match(tool=("pay", "send"), unseen=("to",))),
        Rule(action="auto_deny", match=Match(tool="send")),
    ]
    assert compared([Policy(rules=asks)], "pay") == (("to",), ())
    assert compared([Policy(rules=asks)], "send") == (("to",),)
    assert compared([Policy(rules=asks)], "look") == ()
