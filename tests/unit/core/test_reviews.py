"""What is asked about a call that has run, who may say it, and how that is kept."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import decisions, feedback, reviews
from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline
from holdfast.core.errors import BadInput, LimitReached
from holdfast.core.events import InterruptClosed
from holdfast.core.feedback import COMMENT_MAX, FEEDBACK_MAX, Feedback, FeedbackBook, Target
from holdfast.core.identity import By
from holdfast.core.interrupts import Approvers, Decision, InterruptRecord, QuestionPayload
from holdfast.core.operations import Operation
from holdfast.core.policies import Judged
from holdfast.core.session import SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord

TURN = TurnRecord(
    turn="t_1.s",
    session="s",
    agent="support",
    agent_version="1",
    status="running",
    requester=Requester("alice"),
    created_at_ms=0,
    message="m",
)
SESSION = SessionRecord(info=SessionInfo("s", "support", "alice", {"alice": "owner"}, 0), salt="salt")
CALL = Operation(
    "t_1.s",
    "tool:pay:1",
    "tool",
    "done",
    inputHash="h",
    input={"amount": 7},
    judged=Judged("allow", "small", sample=5),
    outcome="done",
    value="paid",
)
BOOK = FeedbackBook(session="s", version=3)
BOB = By("person", "bob")


def record(operation: Operation = CALL, approvers: Approvers | None = None) -> InterruptRecord:
    return InterruptRecord(interrupt=reviews.shown_of(TURN, operation, "pay", approvers, 10), operation=operation.key)


def decision(selected: list[str], text: str | None = None) -> Decision:
    return Decision("resolved", {"selected": selected, "text": text}, BOB, "test", 20)


def test_one_commit_holds_all_of_it() -> None:
    commit = Commit("s", "record")
    shown = record().interrupt
    reviews.open_with(commit, TURN, CALL, shown, BOOK, ["i_0.s"])
    asked, book = commit.puts
    assert asked == record()
    assert book == replace(BOOK, reviews=("i_0.s", shown.id))
    assert (commit.inbox_add, commit.notices) == ([shown.id], [])
    assert commit.set_deadlines == [Deadline("expire", shown.id, 10 + reviews.REVIEW_MS)]
    [entry] = commit.audit
    assert (entry.action, entry.rule, entry.operation) == ("interrupt.opened", "small", "tool:pay:1")


def test_closing_it_carries_nothing_on_and_calls_nobody() -> None:
    commit = decisions.close(SESSION, TURN, record(), decision(["right"]))
    [closed] = commit.puts
    assert isinstance(closed, InterruptRecord)
    assert [type(event) for event in commit.events] == [InterruptClosed]
    assert (commit.jobs, commit.notices, commit.inbox_drop) == ([], [], [closed.id])
    assert commit.audit[0].outcome == "right"


@pytest.mark.parametrize(("word", "score"), [("right", 1), ("wrong", -1)])
def test_what_is_said_is_kept(word: str, score: int) -> None:
    commit = Commit("s", "decide")
    own = record()
    reviews.keep(commit, replace(BOOK, reviews=("i_0.s", own.id)), own, decision([word], "Why."))
    [book] = commit.puts
    assert isinstance(book, FeedbackBook)
    target = Target(operation="t_1.s/tool:pay:1")
    assert book.items == (Feedback(target, BOB, 20, score, ("review", word), "Why."),)
    assert (book.reviews, book.version) == (("i_0.s",), 3)


@pytest.mark.parametrize("selected", [[], ["right", "wrong"], ["Right"], ["x"]])
def test_only_one_of_two_words(selected: list[str]) -> None:
    with pytest.raises(BadInput, match="right"):
        reviews.check_said(QuestionPayload(selected))


def test_a_comment_has_the_length_of_feedback() -> None:
    reviews.check_said(QuestionPayload(["right"], "x" * COMMENT_MAX))
    with pytest.raises(BadInput, match="text"):
        reviews.check_said(QuestionPayload(["right"], "x" * (COMMENT_MAX + 1)))


@pytest.mark.parametrize(
    ("named", "asked", "expected"),
    [
        (None, None, None),
        (None, Approvers(roles=("f",), quorum=2, conflict="majority", require_reason=True), Approvers(roles=("f",))),
        (None, Approvers(not_requester=True), Approvers(not_requester=True)),
        (Approvers(roles=("audit",)), Approvers(roles=("f",)), Approvers(roles=("audit",), not_requester=True)),
    ],
)
def test_who_may_say_it(named: Approvers | None, asked: Approvers | None, expected: Approvers | None) -> None:
    assert reviews.reviewers(named, asked) == expected


def test_whose_request_it_was_is_noted_where_it_matters() -> None:
    assert record(approvers=Approvers(not_requester=True)).interrupt.requester == "alice"
    assert record().interrupt.requester is None


def test_room_is_for_what_will_be_said_too() -> None:
    said = tuple(Feedback(Target(f"m_{n}"), BOB, 1, 1.0) for n in range(FEEDBACK_MAX - 2))
    book = replace(BOOK, items=said)
    assert reviews.has_room(book, ["i_1.s"])
    assert not reviews.has_room(book, ["i_1.s", "i_2.s"])
    assert not reviews.has_room(BOOK, [f"i_{n}.s" for n in range(reviews.OPEN_MAX)])
    one = Feedback(Target("m"), BOB, 1, 1.0)
    with pytest.raises(LimitReached):  # others leave the room to it
        feedback.giving(replace(book, reviews=("i_1.s", "i_2.s")), one)


@pytest.mark.parametrize(
    ("value", "why"), [("x" * 20_000, "It has 20002 bytes."), (2**60, "beyond"), (float("inf"), "inf")]
)
def test_what_cannot_be_shown_is_left_out(value: Any, why: str) -> None:
    context = record(replace(CALL, value=value)).interrupt.input["context"]
    assert "output" not in context
    assert why in context["outputOmitted"]
    context = record(replace(CALL, input={"all": value})).interrupt.input["context"]
    assert "inputOmitted" in context
    assert reviews.called({"context": context}) == {}
