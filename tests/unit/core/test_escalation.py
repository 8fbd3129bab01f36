"""Escalation: what a rung, a conflict and a deadline make of an interrupt, for every kind of it."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from msgspec.structs import replace
from tests.unit.core.test_decisions import CLOSED, GOOD, KINDS, SESSION, put, record, submit, turn

from holdfast.core import decisions, escalation, folding
from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline
from holdfast.core.decisions import Answer, Lost, Recorded, Voted, Won
from holdfast.core.errors import BadInput, Conflict
from holdfast.core.events import InterruptOpened, InterruptUpdated
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Approvers, Decision, Interrupt, InterruptRecord, Kind, Vote
from holdfast.core.ladders import Escalation, Rung
from holdfast.core.people import Away, People

REMIND, MANAGER = Rung("remind", 100), Rung("hand_over", 200, ("manager",))
DORA = Rung("hand_over", 300, (), ("dora",), instead=True)
LADDER = (REMIND, MANAGER, DORA)
FINANCE = Approvers(("finance",))
SOMEBODY = People({"finance": ("fay",), "manager": ("mona",), "director": ("dirk",)}, {})


def asked(kind: Kind = "approval", **fields: Any) -> InterruptRecord:
    return record(kind, **({"ladder": LADDER, "openedAt": 10} | fields))


def after(shown: InterruptRecord, commit: Commit) -> InterruptRecord:
    """The record once the commit is applied; as it was, if the commit does not set it."""
    [found] = [each for each in commit.puts if each.id == shown.id] or [shown]
    assert isinstance(found, InterruptRecord)
    return found


def climbed(shown: InterruptRecord, now_ms: int) -> InterruptRecord:
    return after(shown, escalation.climb(SESSION, shown, SOMEBODY, now_ms))


# ---------------------------------------------------------------- its ladder


@pytest.mark.parametrize("kind", KINDS)
def test_a_reminder_is_told_and_changes_nothing_else(kind: Kind) -> None:
    commit = escalation.climb(SESSION, asked(kind), SOMEBODY, 100)
    assert [notice.kind for notice in commit.notices] == ["interrupt.reminded"]
    [entry] = commit.audit
    assert (entry.action, entry.status, entry.by.kind) == ("interrupt.reminded", "time", "deadline")
    assert (commit.due, commit.set_deadlines) == (["rung i_1.s"], [Deadline("rung", "i_1.s", 200)])
    [event] = commit.events
    assert isinstance(event, InterruptUpdated)
    assert event.changes == {"climbed": 1, "escalations": ({"action": "remind", "at": 100, "why": "time"},)}
    assert (commit.jobs, commit.inbox_drop) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
def test_handing_over_adds_who_may_answer(kind: Kind) -> None:
    shown = climbed(asked(kind, approvers=FINANCE), 200)
    assert shown.interrupt.approvers == Approvers(("finance", "manager"))
    assert shown.interrupt.escalations[-1] == Escalation("hand_over", 200, "time", ("role:manager",))
    assert shown.version == 2  # as read: that is what the commit guards


def test_instead_takes_it_from_those_before() -> None:
    shown = climbed(asked(approvers=FINANCE), 300)
    assert shown.interrupt.approvers == Approvers(subjects=("dora",))


def test_all_that_was_missed_acts_at_once_and_in_order() -> None:
    commit = escalation.climb(SESSION, asked(), SOMEBODY, 10_000)
    assert [notice.kind for notice in commit.notices] == [
        "interrupt.reminded", "interrupt.escalated",
    ]  # fmt: skip
    assert [entry.to for entry in commit.audit] == [(), ("role:manager",), ("dora",)]
    assert (commit.set_deadlines, commit.drop_deadlines) == ([], ["rung i_1.s"])
    assert len(commit.events) == 1


def test_a_rung_whose_time_has_not_come_only_waits() -> None:
    commit = escalation.climb(SESSION, asked(), SOMEBODY, 99)
    assert (commit.puts, commit.events, commit.notices) == ([], [], [])
    assert [guard.id for guard in commit.guards] == ["i_1.s"]
    assert commit.set_deadlines == [Deadline("rung", "i_1.s", 100)]


def test_no_rung_acts_twice() -> None:
    once = climbed(asked(), 100)
    assert escalation.climb(SESSION, once, SOMEBODY, 100).puts == []


@pytest.mark.parametrize(
    ("principal", "before", "then"),
    [
        (Principal("alice"), True, True),  # a member: of nobody named, and of those too
        (Principal("mona", ("manager",)), False, True),
        (Principal("mallory"), False, False),
    ],
)
def test_members_still_may_when_others_are_asked_too(principal: Principal, before: bool, then: bool) -> None:
    shown = asked()
    assert decisions.entitled(principal, SESSION, shown) is before
    assert decisions.entitled(principal, SESSION, climbed(shown, 200)) is then


def test_rights_count_at_the_answer_whoever_was_asked_at_first() -> None:
    shown = climbed(asked(approvers=FINANCE), 200)
    lost_it, got_it = Principal("fay"), Principal("fay", ("manager",))
    assert not decisions.entitled(lost_it, SESSION, shown)
    assert decisions.entitled(got_it, SESSION, shown)


@pytest.mark.parametrize("not_requester", [False, True])
def test_the_requester_stays_left_out(not_requester: bool) -> None:
    rule = Approvers(("finance",), not_requester=not_requester)
    shown = climbed(asked(approvers=rule, requester="mona"), 200)
    assert decisions.entitled(Principal("mona", ("manager",)), SESSION, shown) is not not_requester


def test_votes_stay_where_others_are_asked_too_and_go_where_instead() -> None:
    rule = Approvers(("finance",), quorum=2)
    votes = tuple(Vote(By("person", who), True, 50, "rest", "h") for who in ("ann", "dora"))
    shown = asked(approvers=rule, votes=votes[:1], ladder=(MANAGER, replace(DORA, roles=("director",))))
    shown = climbed(shown, 200)
    assert shown.interrupt.votes == votes[:1]
    shown = replace(shown, interrupt=replace(shown.interrupt, votes=votes))
    assert climbed(shown, 300).interrupt.votes == votes[1:]  # she is named there too


def test_a_ladder_that_leaves_too_few_to_vote_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be met by 1"):
        escalation.check(asked(approvers=Approvers(("finance",), quorum=2)).interrupt)
    escalation.check(asked(approvers=FINANCE).interrupt)


def test_what_is_shown_is_what_is_folded() -> None:
    shown = asked(approvers=FINANCE)
    state = folding.State()
    folding.fold(state, 1, 1, InterruptOpened(shown.interrupt))
    commit = escalation.climb(SESSION, shown, SOMEBODY, 300)
    for seq, event in enumerate(commit.events, start=2):
        folding.fold(state, seq, 1, event)
    folded = state.interrupts["i_1.s"]
    assert (folded["climbed"], folded["approvers"]) == (3, {"subjects": ("dora",)})
    assert len(folded["escalations"]) == 3


# ---------------------------------------------------------------- nobody is there


NOBODY = People({}, {})


@pytest.mark.parametrize("kind", KINDS)
def test_while_nobody_is_there_the_next_is_asked_at_once(kind: Kind) -> None:
    commit = escalation.climb(SESSION, asked(kind, approvers=FINANCE), NOBODY, 50)
    shown = after(asked(), commit).interrupt
    assert [(each.action, each.why) for each in shown.escalations] == [
        ("unroutable", "nobody_known"), ("hand_over", "unroutable"),
        ("unroutable", "nobody_known"), ("hand_over", "unroutable"),
    ]  # fmt: skip
    assert (shown.approvers, shown.unroutable, shown.climbed) == (Approvers(subjects=("dora",)), None, 3)
    assert [notice.kind for notice in commit.notices] == ["interrupt.unroutable", "interrupt.escalated"]
    assert [entry.action for entry in commit.audit] == ["interrupt.unroutable", "interrupt.escalated"] * 2


def test_when_nobody_is_left_to_ask_it_is_said_once_and_waits() -> None:
    shown = climbed_by(asked(approvers=FINANCE, ladder=()), NOBODY)
    assert (shown.interrupt.unroutable, shown.interrupt.approvers) == ("nobody_known", FINANCE)
    again = escalation.climb(SESSION, shown, NOBODY, 60)
    assert (again.puts, again.notices) == ([], [])


def test_when_somebody_comes_it_is_not_unroutable_any_more() -> None:
    shown = climbed_by(asked(approvers=FINANCE, ladder=()), NOBODY)
    commit = escalation.climb(SESSION, shown, SOMEBODY, 60)
    assert after(shown, commit).interrupt.unroutable is None
    assert commit.notices == []


def test_who_must_be_known_is_whoever_may_come_to_be_asked() -> None:
    shown = asked(approvers=Approvers(("finance",), ("fay",))).interrupt
    assert escalation.who_may_be_asked(shown, ("alice",)) == ({"finance", "manager"}, {"fay", "dora", "alice"})


def climbed_by(shown: InterruptRecord, people: People) -> InterruptRecord:
    return after(shown, escalation.climb(SESSION, shown, people, 50))


# ---------------------------------------------------------------- its deadline


def expire(shown: InterruptRecord, now_ms: int) -> Commit:
    return decisions.expire(SESSION, turn(), shown, now_ms)


@pytest.mark.parametrize("kind", KINDS)
def test_expiry_climbs_to_the_operators_and_then_ends_it(kind: Kind) -> None:
    """Never silent, and never for ever: what on_expiry="escalate" does, to its end."""
    shown = asked(kind, onExpiry="escalate", expiresAt=60, approvers=FINANCE)
    told: list[tuple[str, ...]] = []
    for now_ms in (70, 80, 90):
        commit = expire(shown, now_ms)
        shown = after(shown, commit)
        assert commit.label == "extend"
        assert (shown.status, shown.interrupt.expiresAt) == ("open", now_ms + 50)  # as long as at first
        assert Deadline("expire", "i_1.s", now_ms + 50) in commit.set_deadlines
        told.append(shown.interrupt.escalations[-1].to)
    assert told == [("role:manager",), ("dora",), ("role:operator",)]
    assert {each.why for each in shown.interrupt.escalations} == {"expiry"}
    last = expire(shown, 95)
    assert last.label == "expire"
    assert put(last, "i_1.s").decision == Decision("expired", None, By("deadline", "deadline"), "deadline", 95)


def test_rungs_that_were_missed_come_before_the_expiry() -> None:
    shown = after(asked(), expire(asked(onExpiry="escalate", expiresAt=210, approvers=FINANCE), 250))
    assert [(each.action, each.why) for each in shown.interrupt.escalations] == [
        ("remind", "time"), ("hand_over", "time"), ("hand_over", "expiry"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_ladder_expiry_asks_the_operators(kind: Kind) -> None:
    shown = asked(kind, ladder=(), onExpiry="escalate", expiresAt=60)
    commit = expire(shown, 70)
    assert after(shown, commit).interrupt.approvers == Approvers(("operator",), members=True)
    assert commit.due == ["expire i_1.s"]
    assert commit.set_deadlines == [Deadline("expire", "i_1.s", 120), Deadline("rung", "i_1.s", 70)]
    assert [(entry.action, entry.to) for entry in commit.audit] == [("interrupt.escalated", ("role:operator",))]


def test_who_is_asked_already_is_not_asked_again() -> None:
    shown = asked(ladder=(), onExpiry="escalate", expiresAt=60, approvers=Approvers(("operator",)))
    assert put(expire(shown, 70), "i_1.s").status == "expired"


# ---------------------------------------------------------------- its votes


def vote(shown: InterruptRecord, who: str, payload: Any) -> tuple[Any, InterruptRecord]:
    verdict = decisions.answer(SESSION, turn(), shown, Answer("resolved", payload, By("person", who), "rest", who), 50)
    return verdict, after(shown, verdict.commit) if isinstance(verdict, Won | Recorded) else shown


def split(*, ladder: tuple[Rung, ...] = LADDER, quorum: int = 3) -> InterruptRecord:
    rule = Approvers(("finance",), quorum=quorum, conflict="escalate", not_requester=True)
    shown = asked(approvers=rule, ladder=ladder, requester="req")
    _, shown = vote(shown, "ann", {"approved": True})
    _, shown = vote(shown, "ben", {"approved": False, "reason": "no!"})
    return shown


@pytest.mark.parametrize(
    ("ladder", "roles", "subjects", "passed"),
    [
        (LADDER, ("manager",), (), 2),
        ((DORA,), (), ("dora",), 1),
        ((REMIND,), ("operator",), (), 0),
        ((), ("operator",), (), 0),
    ],
)
def test_votes_that_differ_go_to_the_next_rung(
    ladder: tuple[Rung, ...], roles: tuple[str, ...], subjects: tuple[str, ...], passed: int
) -> None:
    shown = split(ladder=ladder).interrupt
    assert shown.approvers == Approvers(roles, subjects, conflict="escalate", not_requester=True)
    assert (shown.tied, shown.climbed) == (True, passed)
    assert [each.by.id for each in shown.votes] == ["ann", "ben"]
    assert shown.escalations[-1].why == "conflict"


def test_the_vote_is_told_before_what_it_caused() -> None:
    rule = Approvers(("finance",), quorum=2, conflict="escalate")
    _, shown = vote(asked(approvers=rule), "ann", {"approved": True})
    verdict, _ = vote(shown, "ben", {"approved": False})
    assert isinstance(verdict, Recorded)
    commit = verdict.commit
    assert [next(iter(event.changes)) for event in commit.events] == ["votes", "approvers"]  # type: ignore[union-attr]
    assert [entry.action for entry in commit.audit] == ["interrupt.voted", "interrupt.escalated"]
    assert [entry.by.kind for entry in commit.audit] == ["person", "system"]
    assert [each.id for each in commit.puts] == ["i_1.s"]
    assert commit.set_deadlines == [Deadline("rung", "i_1.s", 50)]  # whether they can be reached is not known here


@pytest.mark.parametrize("approved", [True, False])
def test_the_next_voter_of_the_higher_rung_decides(approved: bool) -> None:
    verdict, closed = vote(split(), "mona", {"approved": approved})
    assert isinstance(verdict, Won)
    assert (verdict.decision.by.id, decisions.approves(verdict.decision)) == ("mona", approved)
    assert [each.by.id for each in closed.interrupt.votes] == ["ann", "ben", "mona"]


def test_who_voted_below_does_not_decide_above() -> None:
    shown = split()
    again, _ = vote(shown, "ann", {"approved": True})
    assert isinstance(again, Voted)
    with pytest.raises(Conflict, match="already"):
        vote(shown, "ann", {"approved": False})


def test_who_edits_above_decides_on_what_they_wrote() -> None:
    shown = split()
    shown = replace(shown, interrupt=replace(shown.interrupt, editable=True))
    verdict, _ = vote(shown, "mona", {"approved": True, "input": {"n": 2}})
    assert isinstance(verdict, Won)
    assert verdict.decision.body["input"] == {"n": 2}


def test_votes_that_agree_decide_by_themselves() -> None:
    rule = Approvers(("finance",), quorum=2, conflict="escalate")
    for approved in (True, False):
        _, shown = vote(asked(approvers=rule), "ann", {"approved": approved})
        verdict, _ = vote(shown, "ben", {"approved": approved})
        assert isinstance(verdict, Won)
        assert decisions.approves(verdict.decision) is approved


# ---------------------------------------------------------------- every kind, closed in every way


@pytest.mark.parametrize(("kind", "status"), list(itertools.product(KINDS, CLOSED)))
def test_whatever_closes_it_takes_its_ladder_along(kind: Kind, status: Any) -> None:
    commit = decisions.close(
        SESSION, turn(), asked(kind), Decision(status, GOOD[kind], By("person", "bob"), "rest", 50)
    )
    assert commit.drop_deadlines == ["expire i_1.s", "rung i_1.s", "claim i_1.s"]


@pytest.mark.parametrize(("kind", "status"), list(itertools.product(KINDS, CLOSED)))
def test_every_deed_on_a_closed_one_meets_the_decision(kind: Kind, status: Any) -> None:
    decision = Decision(status, None, By("person", "bob"), "rest", 50)
    closed = replace(asked(kind), status=status, decision=decision)
    assert decisions.answer(SESSION, turn(), closed, submit(GOOD[kind]), 60) == Lost(decision)
    withdrawal = decisions.Withdrawal(None, By("person", "olga"), "rest")
    assert decisions.withdraw(SESSION, turn(), closed, withdrawal, 60) == Lost(decision)
    with pytest.raises(AssertionError, match="open"):
        escalation.climb(SESSION, closed, SOMEBODY, 400)  # the sweeper drops it before it comes to that


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_answered_on_every_rung(kind: Kind) -> None:
    for now_ms in (0, 100, 200, 300):
        shown = climbed(asked(kind), now_ms)
        verdict = decisions.answer(SESSION, turn(), shown, submit(GOOD[kind]), now_ms)
        assert isinstance(verdict, Won)
        assert verdict.commit.drop_deadlines == ["expire i_1.s", "rung i_1.s", "claim i_1.s"]


def test_a_record_of_before_has_no_ladder() -> None:
    old = Interrupt("i_1.s", "approval", "s", "t_1.s", "tool_call")
    assert (old.ladder, old.climbed, old.escalations, old.tied) == ((), 0, (), False)
    assert escalation.upcoming(old) is None
    assert set(get_args(Kind)) == set(KINDS)


# ---------------------------------------------------------------- whom it asks, gone away


FAY_AWAY = People({"finance": ("fay",), "manager": ("mona",)}, {"fay": Away("fay", 1_000)})


@pytest.mark.parametrize("kind", KINDS)
def test_an_open_card_goes_to_the_next_when_all_go_away(kind: Kind) -> None:
    commit = escalation.reroute(SESSION, asked(kind, approvers=FINANCE), FAY_AWAY, 20)
    assert commit is not None
    shown = after(asked(kind), commit).interrupt
    assert [(each.action, each.why) for each in shown.escalations] == [
        ("unroutable", "all_away"), ("hand_over", "unroutable"),
    ]  # fmt: skip
    assert [notice.kind for notice in commit.notices] == ["interrupt.unroutable", "interrupt.escalated"]
    assert commit.set_deadlines == [Deadline("rung", "i_1.s", DORA.at)]
    assert commit.due == []  # nothing of its own is due: what guards it is its record


def test_a_reminder_that_is_due_is_given_whichever_comes_first() -> None:
    shown = asked(approvers=FINANCE)
    rerouted, climbed = (
        escalation.reroute(SESSION, shown, FAY_AWAY, 100),
        escalation.climb(SESSION, shown, FAY_AWAY, 100),
    )
    assert rerouted is not None
    assert after(shown, rerouted).interrupt.escalations == after(shown, climbed).interrupt.escalations
    assert after(shown, rerouted).interrupt.escalations[0].action == "remind"


def test_seen_once_it_is_not_seen_again() -> None:
    shown = asked(approvers=FINANCE)
    commit = escalation.reroute(SESSION, shown, FAY_AWAY, 20)
    assert commit is not None
    assert escalation.reroute(SESSION, after(shown, commit), FAY_AWAY, 21) is None


def test_who_is_back_can_be_reached_again() -> None:
    shown = asked(approvers=FINANCE, ladder=(), unroutable="all_away")
    commit = escalation.reroute(SESSION, shown, SOMEBODY, 2_000)
    assert commit is not None
    [event] = commit.events
    assert isinstance(event, InterruptUpdated)
    assert event.changes == {"unroutable": None}
    assert (commit.notices, commit.audit) == ([], [])


def test_what_is_decided_or_overdue_is_not_rerouted() -> None:
    decided = replace(asked(approvers=FINANCE), decision=Decision("resolved", None, By("person", "bob"), "rest", 5))
    assert escalation.reroute(SESSION, decided, FAY_AWAY, 20) is None
    assert escalation.reroute(SESSION, asked(approvers=FINANCE, expiresAt=19), FAY_AWAY, 20) is None
