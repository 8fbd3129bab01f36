"""Links without a server: the page's words, and what its form means."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import reviews
from holdfast.core.errors import BadInput, TokenExpired, Unauthenticated
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import REVIEW, Approvers, Decision, Interrupt, Vote
from holdfast.gateways.links import answers, words
from holdfast.gateways.links.fields import fields
from holdfast.gateways.links.token import Links, ref_of

SECRET = "a secret of more than thirty-two bytes"
ALICE = Principal("alice", ("manager",), ("s",), ("answer",), "Alice")


def asked(kind: Any = "approval", **more: Any) -> Interrupt:
    return Interrupt("i_1.s", kind, "s", "t_1.s", "tool_call", **more)


def test_a_link_says_who_answers_what_and_no_more() -> None:
    link = Links(SECRET).make("https://a.example/", asked(inputHash="h"), ALICE, "1 h")
    base, token = link.url.rsplit("/", 1)
    assert base == "https://a.example/link"
    claims = Links(SECRET).read(token)
    assert (claims.iid, claims.hash, claims.principal) == ("i_1.s", "h", ALICE)
    assert ref_of(token) == ref_of(token) != ref_of(token + "x")


def test_a_link_of_another_secret_or_time_is_none() -> None:
    token = Links(SECRET).make("", asked(), ALICE).url.removeprefix("/link/")
    for other, given in (
        (Links("another " + SECRET), token),
        (Links(SECRET), token[:-2]),
        (Links(SECRET), "x" * 9_999),
    ):
        with pytest.raises(Unauthenticated):
            other.read(given)
    past = Links(SECRET).make("", asked(expiresAt=1_000), ALICE).url.removeprefix("/link/")
    with pytest.raises(TokenExpired):
        Links(SECRET).read(past)


def test_the_choices_of_a_question() -> None:
    question = asked(
        "question", message="Which?", input={"question": "Which?", "options": ["red", {"id": "b", "label": "Blue"}]}
    )
    assert words.options(question) == ([("red", "red"), ("b", "Blue")], False)
    assert words.heading(question) == "Which?"
    assert words.input_of(question) is None
    told = asked("question", input={"question": "Which?", "context": "For the hall.", "multiple": True})
    assert words.options(told) == ([], True)
    assert words.input_of(told) == {"context": "For the hall."}


def test_what_is_shown_afterwards() -> None:
    given = {"question": "Right?", "options": reviews.OPTIONS, "freeText": True, "context": {"tool": "tip"}}
    shown = Interrupt("i_1.s", "question", "s", "t_1.s", REVIEW, input=given, expiresAt=60_000)
    assert words.options(shown) == ([("right", "Right"), ("wrong", "Wrong")], False)
    assert words.input_of(shown) == {"context": {"tool": "tip"}}
    assert (words.until(shown, 0) or "").endswith("then nothing comes of it")
    said = Decision("resolved", {"selected": ["wrong"]}, By("person", "bob"), "link", 0)
    assert words.decided(shown, said, "bob")[0].startswith("Found wrong by you")
    assert words.decided(shown, replace(said, status="expired"), "bob")[0].startswith("Nobody looked in time")


def test_arguments_are_shown_exactly() -> None:
    fields = words.arguments({"order_id": "A-17", "sendNow": True, "note": None, "lines": [1, 2]})
    assert fields == [
        ("Order id", "A-17", False),
        ("Send now", "yes", False),
        ("Note", "none", False),
        ("Lines", "[1, 2]".replace("[", "[\n  ").replace(", ", ",\n  ").replace("]", "\n]"), True),
    ]
    assert words.arguments([1]) is None


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (-5, "less than a minute"),
        (59_000, "less than a minute"),
        (3_540_000, "59 min"),
        (12_000_000, "3 h 20 min"),
        (6 * 86_400_000, "6 days"),
    ],
)
def test_what_is_left(ms: int, said: str) -> None:
    assert words.remaining(ms) == said


@pytest.mark.parametrize(
    ("decision", "said", "yes"),
    [
        (Decision("resolved", {"approved": True}, By("person", "bob", "Bob"), "rest", 0), "Approved by Bob", True),
        (Decision("resolved", {"approved": 1}, By("person", "bob"), "rest", 0), "Denied by bob", False),
        (
            Decision("resolved", {"approved": True, "input": {}}, By("person", "alice"), "rest", 0),
            "Approved with changes by you",
            True,
        ),
        (Decision("expired", None, By("deadline", "d"), "system", 0), "Nobody answered in time", False),
        (Decision("withdrawn", None, By("system", "agent"), "system", 0), "Taken back,", False),
        (Decision("superseded", None, By("policy", "p"), "system", 0), "No longer needed by the rule p", False),
    ],
)
def test_what_was_decided(decision: Decision, said: str, yes: bool) -> None:
    told, was_yes = words.decided(asked(), decision, "alice")
    assert (told.startswith(said), was_yes) == (True, yes), told


def test_the_tally() -> None:
    votes = (Vote(By("person", "bob", "Bob"), True, 0, "rest"), Vote(By("person", "eve"), False, 0, "rest"))
    shown = asked(approvers=Approvers(quorum=3, conflict="majority"), votes=votes)
    assert words.tally(shown) == "1 of 3 have approved (Bob: yes, eve: no)"
    assert words.tally(asked()) is None
    tied = asked(approvers=Approvers(), votes=votes, tied=True)
    assert words.tally(tied) == "The votes differ (Bob: yes, eve: no): the next one decides"


def test_when_its_time_is_up_and_what_then() -> None:
    shown = asked(expiresAt=3_600_000, onExpiry="cancel")
    assert words.until(shown, 0) == "1 h 0 min left, until 1 Jan 1970, 01:00 UTC; then: cancelled"
    assert words.until(asked(), 0) is None


@pytest.mark.parametrize(
    ("kind", "sent", "payload"),
    [
        ("approval", {"answer": ["approve"]}, {"approved": True}),
        ("approval", {"answer": ["deny"], "reason": [" no "]}, {"approved": False, "reason": "no"}),
        ("gate", {"answer": ["approve"], "reason": [" "]}, {"approved": True}),
        ("question", {"selected": ["a", "b"]}, {"selected": ["a", "b"]}),
        ("question", {"text": ["x"]}, {"selected": [], "text": "x"}),
        ("in_doubt", {"answer": ["ran"]}, {"ran": True}),
    ],
)
def test_what_the_form_means(kind: Any, sent: dict[str, list[str]], payload: dict[str, Any]) -> None:
    assert answers.payload_of(asked(kind), sent) == payload


@pytest.mark.parametrize("kind", ["approval", "gate", "question", "form", "in_doubt"])
@pytest.mark.parametrize("sent", [{}, {"answer": [""]}, {"answer": ["yes"]}, {"approved": ["true"]}, {"text": [" "]}])
def test_only_a_clear_answer_is_one(kind: Any, sent: dict[str, list[str]]) -> None:
    with pytest.raises(BadInput):
        answers.payload_of(asked(kind), sent)


FORM: dict[str, Any] = {
    "type": "object",
    "required": ["city", "guests"],
    "properties": {
        "city": {"type": "string", "title": "Where to"},
        "guests": {"type": "integer", "default": 2},
        "budget": {"type": "number"},
        "smoking": {"type": "boolean", "default": True},
        "bed": {"enum": ["one", 2]},
        "extras": {"type": "array", "items": {"oneOf": [{"const": "b", "title": "Breakfast"}, {"const": "p"}]}},
        "mail": {"type": "string", "format": "email"},
    },
}


def test_the_fields_of_a_form() -> None:
    made = fields(asked("form", responseSchema=FORM)) or []
    assert [(one.name, one.label, one.kind, one.required) for one in made] == [
        ("city", "Where to", "text", True),
        ("guests", "Guests", "number", True),
        ("budget", "Budget", "number", False),
        ("smoking", "Smoking", "checkbox", False),
        ("bed", "Bed", "select", False),
        ("extras", "Extras", "several", False),
        ("mail", "Mail", "email", False),
    ]
    guests, smoking, extras = made[1], made[3], made[5]
    assert (guests.text({}), guests.text({"field:guests": ["x"]})) == ("2", "x")
    assert (smoking.ticked({}), smoking.ticked({"answer": ["send"]})) == (True, False)
    assert [label for _, label in extras.options] == ["Breakfast", "p"]
    assert extras.chosen(1, {"field:extras": ["1"]})


def test_what_was_filled_in_fits_the_schema() -> None:
    sent = {
        "answer": ["send"],
        "field:city": ["Rome"],
        "field:guests": [" 3 "],
        "field:budget": ["99.5"],
        "field:bed": ["1"],
        "field:extras": ["0", "1"],
        "field:mail": [""],
    }
    payload = answers.payload_of(asked("form", responseSchema=FORM), sent)
    content = {"city": "Rome", "guests": 3, "budget": 99.5, "smoking": False, "bed": 2, "extras": ["b", "p"]}
    assert payload == {"action": "accept", "content": content}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("guests", "3.5", "whole number"),
        ("budget", "nan", "number"),
        ("bed", "2", "choose"),
        ("extras", "-1", "choose"),
    ],
)
def test_what_is_no_value_is_said_by_its_label(name: str, value: str, words: str) -> None:
    sent = {"answer": ["send"], f"field:{name}": [value]}
    with pytest.raises(BadInput, match=f"{name.capitalize()}: .*{words}"):
        answers.payload_of(asked("form", responseSchema=FORM), sent)


@pytest.mark.parametrize("schema", [None, {}, {"properties": {"a": {"type": "object"}}}, {"properties": {"a": {}}}])
def test_a_form_with_parts_in_its_parts_has_no_page(schema: Any) -> None:
    assert not answers.answerable(asked("form", responseSchema=schema))


def test_a_yes_is_to_what_was_shown() -> None:
    assert answers.payload_of(asked(inputHash="h"), {"answer": ["approve"]})["inputHash"] == "h"
