"""Policies in TOML: read strictly, and a mistake is named with its line and field."""

from __future__ import annotations

import pytest

from holdfast.core.errors import BadInput
from holdfast.core.ladders import HandOver, Remind
from holdfast.core.policies import Match, Policy, Rule
from holdfast.core.policy_text import RULES_MAX, parse

TEXT = """
default = "require_approval"
expires = "1 day"
on_expiry = "cancel"

[[rules]]
name = "small refunds"
action = "auto_approve"
match = { tool = "refund", input = { amount = { lte = 50 } } }

[[rules]]
action = "auto_deny"
reason = "Never."
[rules.match]
tool = ["drop_*", "truncate"]
roles = ["guest"]
"""


def test_it_is_what_python_would_say() -> None:
    assert parse(TEXT, "policy.toml") == Policy(
        rules=[
            Rule(
                name="small refunds", action="auto_approve", match=Match(tool="refund", input={"amount": {"lte": 50}})
            ),
            Rule(action="auto_deny", reason="Never.", match=Match(tool=("drop_*", "truncate"), roles=("guest",))),
        ],
        default="require_approval",
        expires="1 day",
        on_expiry="cancel",
    )


def test_an_empty_text_is_a_policy_that_says_nothing() -> None:
    assert parse("", "policy.toml") == Policy()


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("lte", "lteq", "line 6: rules[0].match: input.amount.lteq: there is no such condition"),
        ('"auto_deny"', '"deny"', "line 11: rules[1].action: "),
        ('action = "auto_deny"', "", "line 11: rules[1]: Object missing required field `action`"),
        ("reason", "because", "line 11: rules[1]: Object contains unknown field `because`"),
        ('["guest"]', "[1]", "line 11: rules[1].match.roles"),
        ('"1 day"', '"soon"', "expires: 'soon' is no duration"),
        ('"1 day"', "5", "expires: Expected `str"),
        ('"cancel"', '"forget"', "on_expiry: "),
        ("default", "defualt", "unknown field `defualt`"),
        ('"small refunds"', '"rule 2"', "two rules have the name 'rule 2'"),
        ('"small refunds"', '"default"', "line 6: rules[0]: name: 'default'"),
        ("[[rules]]", "[[rules]", "(at line 6,"),
        ("50 }", "2026-01-01 }", "line 6: rules[0].match: input.amount.lte: must be a number or a text"),
    ],
)
def test_a_mistake_has_a_place(right: str, wrong: str, said: str) -> None:
    assert TEXT.replace(right, wrong) != TEXT
    with pytest.raises(BadInput) as refused:
        parse(TEXT.replace(right, wrong), "policy.toml")
    assert refused.value.message.startswith("policy.toml: ")
    assert said in refused.value.message
    assert "\n" not in refused.value.message


def test_a_file_has_a_bounded_number_of_rules() -> None:
    text = '[[rules]]\naction = "auto_deny"\n' * (RULES_MAX + 1)
    with pytest.raises(BadInput, match=f"at most {RULES_MAX}"):
        parse(text, "policy.toml")


def test_a_ladder_in_a_file() -> None:
    text = """
    [[escalate]]
    action = "remind"
    after = "10 min"

    [[escalate]]
    action = "hand_over"
    after = "1 h"
    to = ["role:manager", "dora"]
    instead = true
    """
    assert parse(text, "p.toml").escalate == [
        Remind("10 min"),
        HandOver("1 h", ["role:manager", "dora"], instead=True),
    ]


@pytest.mark.parametrize(
    ("rung", "said"),
    [
        ('action = "remind"\nafter = "soon"', "after: 'soon' is no duration"),
        ('action = "hand_over"\nafter = "1 h"\nto = []', "to: say who is asked"),
        ('action = "nag"\nafter = "1 h"', "Invalid value 'nag'"),
        ('action = "remind"\nafter = "1 h"\nto = "dora"', "unknown field `to`"),
    ],
)
def test_a_ladder_that_cannot_be_climbed_is_refused(rung: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse(f"[[escalate]]\n{rung}\n", "p.toml")


def test_what_is_shown_afterwards_in_a_file() -> None:
    policy = parse('sample = 5\nreviewers = "role:audit"\n[[rules]]\naction = "auto_approve"\nsample = 0.5\n', "p.toml")
    assert (policy.sample, policy.reviewers, policy.rules[0].sample) == (5, "role:audit", 0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample = 101\n", "0 to 100 percent, not 101"),
        ('reviewers = ""\n', "say who looks"),
        ('[[rules]]\naction = "auto_deny"\nsample = 5\n', r"line 1: rules\[0\]: sample: only what"),
    ],
)
def test_what_cannot_be_shown_so_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse(text, "p.toml")
