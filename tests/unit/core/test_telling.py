"""What a model is told: nothing but a person's yes reads as one."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from holdfast.core.identity import By
from holdfast.core.interrupts import REASONS, Closed, Decision, Interrupt, Kind
from holdfast.core.telling import INPUT_MAX, NOTES_MAX, notes, words

BOB = By("person", "bob", "Bob")
KINDS: tuple[Kind, ...] = get_args(Kind)
UNANSWERED = [status for status in get_args(Closed) if status != "resolved"]


def shown(kind: Kind = "approval", **fields: Any) -> Interrupt:
    given: dict[str, Any] = {"toolName": "refund", "input": {"amount": 5}, "message": "How much?"}
    return Interrupt("i_1.s", kind, "s", "t_1.s", REASONS[kind], **(given | fields))


def decision(status: Any, payload: Any = None) -> Decision:
    return Decision(status, payload, BOB, "test", 9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [None, *UNANSWERED])
def test_what_was_not_answered_is_neither_yes_nor_no(kind: Kind, status: Any) -> None:
    told = words(shown(kind), decision(status) if status else None)
    assert "neither a yes nor a no" in told
    assert "Approved" not in told
    assert "Denied" not in told


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        ({"approved": True}, "Approved by Bob: approval of refund({"),
        ({"approved": False, "reason": "Too much."}, "Denied by Bob"),
        ({"approved": "true"}, "Denied by Bob"),
        ({"approved": 1}, "Denied by Bob"),
        ({}, "Denied by Bob"),
        (None, "Denied by Bob"),
    ],
)
def test_only_json_true_reads_as_a_yes(payload: Any, begins: str) -> None:
    assert words(shown(), decision("resolved", payload)).startswith(begins)


def test_a_reason_is_told_word_for_word() -> None:
    assert words(shown(), decision("resolved", {"approved": False, "reason": "Not today."})).endswith("Not today.")
    assert words(shown(), decision("withdrawn", {"reason": "Wrong order."})).endswith("Wrong order.")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("gate", "the gate refund"),
        ("question", 'the question "How much?"'),
        ("form", 'the form "How much?"'),
        ("client_tool", 'refund({"amount":5}) on a device'),
        ("in_doubt", 'whether refund({"amount":5}) has run'),
    ],
)
def test_every_kind_is_named(kind: Kind, what: str) -> None:
    assert what in words(shown(kind))


def test_what_is_long_is_cut() -> None:
    assert len(words(shown(input={"text": "x" * 10_000}))) < INPUT_MAX + 200


def test_notes_tell_what_no_answer_settled_oldest_first_and_not_too_much() -> None:
    asked = [
        (shown(input={"n": 2}, openedAt=2), decision("superseded")),
        (shown(input={"n": 1}, openedAt=1), None),
        (shown(input={"n": 3}, openedAt=3), decision("resolved", {"approved": True})),
    ]
    first, second = notes(asked)
    assert first.startswith("Still pending")
    assert '{"n":2}' in second
    many = [(shown(openedAt=n), None) for n in range(NOTES_MAX + 5)]
    assert len(notes(many)) == NOTES_MAX
