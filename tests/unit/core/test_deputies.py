"""Deputies: as whom somebody answers, and never two people in one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.core.test_decisions import SESSION, put, record, turn

from holdfast.core import decisions, deputies
from holdfast.core.decisions import Answer, Recorded, Voted, Won
from holdfast.core.errors import Conflict, Forbidden, NotFound
from holdfast.core.identity import By, Principal, Right
from holdfast.core.interrupts import Approvers, Decision, InterruptRecord, Vote
from holdfast.core.people import Away

NOW = 50
ANSWER: tuple[Right, ...] = ("read", "answer")
FAY = Away("fay", 100, "dan", ("finance",), ("*",), ANSWER)
DAN = Principal("dan", name="Dan")
FOR_FAY = By("person", "dan", "Dan", deputyFor="fay")
FINANCE = Approvers(("finance",))


def asked(approvers: Approvers = FINANCE, **fields: Any) -> InterruptRecord:
    return record(approvers=approvers, **fields)


def as_whom(who: Principal, shown: InterruptRecord, *absent: Away) -> By | None:
    return deputies.stands_in(who, absent, SESSION, shown, NOW)


@pytest.mark.parametrize(
    ("who", "shown", "absence", "by"),
    [
        (DAN, asked(), FAY, FOR_FAY),
        (DAN, asked(), replace(FAY, until=NOW), None),  # she is back
        (DAN, asked(), replace(FAY, deputy="eve"), None),
        (DAN, asked(), replace(FAY, roles=()), None),  # she could not have answered herself
        (DAN, asked(), replace(FAY, can=("read",)), None),
        (Principal("dan", can=("read",)), asked(), FAY, None),  # he may not answer at all
        (Principal("dan", sessions=("s_other",)), asked(), FAY, None),  # a token for something else
        (Principal("dan", sessions=("s",)), asked(), FAY, replace(FOR_FAY, name=None)),
        (DAN, asked(Approvers(("finance",), not_requester=True), requester="dan"), FAY, None),
        (DAN, asked(Approvers(("finance",), not_requester=True), requester="fay"), FAY, None),
        (DAN, asked(Approvers(("finance",), not_requester=True), requester="alice"), FAY, FOR_FAY),
        (DAN, asked(Approvers(subjects=("fay",))), FAY, FOR_FAY),
        (DAN, asked(Approvers(), kind="question"), replace(FAY, sessions=("mine",)), None),  # no member
    ],
)
def test_in_whose_place(who: Principal, shown: InterruptRecord, absence: Away, by: By | None) -> None:
    assert as_whom(who, shown, absence) == by


def test_one_s_own_right_comes_first() -> None:
    finn = Principal("finn", ("finance",))
    assert deputies.answering_as(finn, [replace(FAY, deputy="finn")], SESSION, asked(), NOW) == finn.by


@pytest.mark.parametrize(("sessions", "refused"), [(("mine",), NotFound), (("*",), Forbidden)])
def test_who_stands_in_for_nobody_is_refused_as_ever(sessions: Any, refused: type[Exception]) -> None:
    with pytest.raises(refused):
        deputies.answering_as(Principal("dan", sessions=sessions), [replace(FAY, until=1)], SESSION, asked(), NOW)


def test_a_deputy_of_a_deputy_stands_in_for_nobody() -> None:
    eve = Principal("eve")
    assert as_whom(eve, asked(), FAY, Away("dan", 100, "eve", (), ("*",), ANSWER)) is None


# ---------------------------------------------------------------- votes: distinct people, distinct seats


def vote(shown: InterruptRecord, by: By, approved: bool = True) -> tuple[Any, InterruptRecord]:
    given = Answer("resolved", {"approved": approved}, by, "rest", f"ref-{by.id}-{approved}")
    verdict = decisions.answer(SESSION, turn(), shown, given, NOW)
    return verdict, put(verdict.commit, shown.id) if isinstance(verdict, Won | Recorded) else shown


def four_eyes() -> InterruptRecord:
    return asked(Approvers(("finance",), quorum=2))


def test_a_deputy_s_vote_is_the_deputy_s_and_says_for_whom() -> None:
    verdict, shown = vote(four_eyes(), FOR_FAY)
    [counted] = shown.interrupt.votes
    assert counted.by == FOR_FAY
    [entry] = verdict.commit.audit
    assert entry.by.deputyFor == "fay"


def test_who_has_voted_has_no_second_vote_for_somebody_else() -> None:
    _, shown = vote(four_eyes(), DAN.by)
    again, _ = vote(shown, FOR_FAY)
    assert isinstance(again, Voted)
    assert not deputies.may_still_answer(DAN, [FAY], SESSION, shown, NOW)


def test_the_absent_have_none_beside_their_deputy_s() -> None:
    _, shown = vote(four_eyes(), FOR_FAY)
    fay = Principal("fay", ("finance",))
    again, _ = vote(shown, fay.by)
    assert isinstance(again, Voted)
    with pytest.raises(Conflict):
        vote(shown, fay.by, approved=False)
    assert not deputies.may_still_answer(fay, [], SESSION, shown, NOW)


def test_nobody_stands_in_for_who_has_voted() -> None:
    shown = asked(Approvers(("finance",), quorum=2), votes=(Vote(By("person", "fay"), True, 1, "rest", "h"),))
    assert as_whom(DAN, shown, FAY) is None


def test_of_two_that_are_away_one_deputy_is_one_vote() -> None:
    finn = replace(FAY, subject="finn")
    _, shown = vote(four_eyes(), FOR_FAY)
    by = as_whom(DAN, shown, FAY, finn)
    assert by == replace(FOR_FAY, deputyFor="finn")
    again, _ = vote(shown, by)
    assert isinstance(again, Voted)


def test_what_is_closed_is_nobody_s_any_more() -> None:
    assert deputies.may_still_answer(DAN, [FAY], SESSION, asked(), NOW)
    closed = replace(asked(), status="expired", decision=Decision("expired", None, DAN.by, "deadline", 1))
    assert not deputies.may_still_answer(DAN, [FAY], SESSION, closed, NOW)
