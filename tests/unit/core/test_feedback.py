"""Feedback: one thing by one person about one target, and never too much."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import feedback
from holdfast.core.errors import BadInput, LimitReached, NotFound
from holdfast.core.feedback import Feedback, FeedbackBook, Target
from holdfast.core.identity import By

ALICE = By("person", "alice")


def said(message: str = "m_1", by: By = ALICE, **fields: Any) -> Feedback:
    given: dict[str, Any] = {"score": 1.0} | fields
    return Feedback(Target(message), by, 5, **given)


@pytest.mark.parametrize(
    "good",
    [
        said(),
        said(score=None, labels=("kind",)),
        said(score=None, correction=False),
        replace(said(), target=Target(interrupt="i_1.s")),
        replace(said(), target=Target(operation="t_1.s/tool:refund:1")),
    ],
)
def test_what_can_be_said(good: Feedback) -> None:
    feedback.check("s", good)


@pytest.mark.parametrize(
    "bad",
    [
        replace(said(), target=Target()),
        replace(said(), target=Target("m", interrupt="i_1.s")),
        said(""),
        said("m" * 513),
        said(score=None),
        said(score=1.01),
        said(score=float("nan")),
        said(labels=("",)),
        said(labels=("x",) * 21),
        said(comment="x" * 4_001),
        said(correction="x" * 16_384),
    ],
)
def test_what_cannot(bad: Feedback) -> None:
    with pytest.raises(BadInput):
        feedback.check("s", bad)


@pytest.mark.parametrize("target", [Target(interrupt="i_1.other"), Target(operation="tool:refund:1")])
def test_a_target_of_another_session_is_not_there(target: Target) -> None:
    with pytest.raises(NotFound):
        feedback.check("s", replace(said(), target=target))


def kept(book: FeedbackBook, one: Feedback) -> FeedbackBook:
    [put] = feedback.giving(book, one).puts
    assert isinstance(put, FeedbackBook)
    return put


def test_saying_it_again_takes_its_place() -> None:
    book = kept(kept(FeedbackBook(session="s"), said()), said("m_2"))
    again = kept(book, said(score=-1.0))
    assert [(one.target.message, one.score) for one in again.items] == [("m_2", 1.0), ("m_1", -1.0)]
    assert len(kept(again, said(by=By("person", "bob"))).items) == 3


def test_a_session_has_a_bounded_number_and_size() -> None:
    full = FeedbackBook(session="s", items=tuple(said(f"m_{n}") for n in range(feedback.FEEDBACK_MAX)))
    with pytest.raises(LimitReached):
        feedback.giving(full, said("one more"))
    kept(full, said("m_7", score=0.0))
    large = FeedbackBook(session="s", items=tuple(said(f"m_{n}", correction="x" * 16_000) for n in range(16)))
    with pytest.raises(LimitReached):
        feedback.giving(large, said("one more", correction="x" * 16_000))
