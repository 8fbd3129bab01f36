"""Voting: every rule with every order of votes, and arguments that change under them."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.core.test_decisions import SESSION, put, record, turn

from holdfast.core import decisions, voting
from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit
from holdfast.core.decisions import Answer, Lost, Recorded, Voted, Won
from holdfast.core.errors import BadInput, HoldfastError
from holdfast.core.errors import Conflict as ConflictError
from holdfast.core.events import InterruptClosed, InterruptUpdated
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import QUORUM_MAX, Approvers, Conflict, InterruptRecord, Vote

RULES: tuple[Conflict, ...] = get_args(Conflict)
PEOPLE = [f"p{n}" for n in range(8)]
EDIT = {"n": 2}
EDITED = input_hash(EDIT)

Verdict = Won | Recorded | Lost | Voted


def asked(quorum: int = 2, conflict: Conflict = "veto", **fields: Any) -> InterruptRecord:
    return record(approvers=Approvers(("m",), quorum=quorum, conflict=conflict), **fields)


def submit(shown: InterruptRecord, who: str, payload: Any, status: Any = "resolved") -> Verdict:
    given = Answer(status, payload, By("person", who), "rest", f"ref-{who}")
    return decisions.answer(SESSION, turn(), shown, given, 50)


def after(shown: InterruptRecord, verdict: Verdict) -> InterruptRecord:
    """The record once the commit is applied."""
    return put(verdict.commit, shown.id) if isinstance(verdict, Won | Recorded) else shown


def say(shown: InterruptRecord, who: str, approved: bool, **more: Any) -> tuple[Verdict, InterruptRecord]:
    verdict = submit(shown, who, {"approved": approved, **more})
    return verdict, after(shown, verdict)


def votes(pattern: str) -> tuple[Vote, ...]:
    return tuple(Vote(By("person", PEOPLE[n]), each == "y", n, "rest") for n, each in enumerate(pattern))


TALLIES: list[tuple[Conflict, int, str, bool | None]] = [
    ("veto", 2, "", None), ("veto", 2, "y", None), ("veto", 2, "yy", True), ("veto", 2, "n", False),
    ("veto", 3, "yyn", False), ("veto", 3, "yy", None), ("veto", 3, "yyy", True),
    ("majority", 2, "n", None), ("majority", 2, "yn", None), ("majority", 2, "yny", True),
    ("majority", 2, "ynn", False), ("majority", 3, "yy", None), ("majority", 3, "nn", None),
    ("majority", 3, "yyn", True), ("majority", 3, "nny", False), ("majority", 4, "yynn", None),
    ("unanimous", 2, "n", None), ("unanimous", 2, "ny", False), ("unanimous", 2, "nn", False),
    ("unanimous", 2, "yy", True), ("unanimous", 3, "yyn", False), ("unanimous", 3, "yy", None),
    ("escalate", 2, "y", None), ("escalate", 2, "n", None), ("escalate", 2, "yy", True), ("escalate", 2, "nn", False),
    ("escalate", 2, "yn", None), ("escalate", 3, "yy", None), ("escalate", 3, "nnn", False),
]  # fmt: skip


@pytest.mark.parametrize(("conflict", "quorum", "pattern", "decided"), TALLIES)
def test_the_tally(conflict: Conflict, quorum: int, pattern: str, decided: bool | None) -> None:
    assert voting.verdict(Approvers(quorum=quorum, conflict=conflict), votes(pattern)) is decided


@given(st.sampled_from(RULES), st.integers(2, 5), st.lists(st.booleans(), min_size=8, max_size=8))
def test_one_vote_decides_and_never_a_yes_by_fewer_than_the_quorum(
    conflict: Conflict, quorum: int, said: list[bool]
) -> None:
    shown, decided = asked(quorum, conflict), list[Any]()
    for who, approved in zip(PEOPLE, said, strict=True):
        verdict, shown = say(shown, who, approved)
        if isinstance(verdict, Lost):
            assert verdict.decision == shown.decision
        elif verdict.decision is not None:  # type: ignore[union-attr]
            decided.append(verdict.decision)  # type: ignore[union-attr]
    assert len(decided) <= 1
    if shown.decision is not None and decisions.approves(shown.decision):
        counted = shown.interrupt.votes
        assert len({vote.by.id for vote in counted}) == len(counted)
        assert len(counted) >= quorum or shown.interrupt.tied  # then one of those above them decided
        assert sum(vote.approved for vote in counted) > len(counted) / 2 or conflict == "escalate"
        assert conflict in ("majority", "escalate") or all(vote.approved for vote in counted)


def test_a_vote_that_does_not_decide_is_kept_shown_and_in_the_trail() -> None:
    verdict, shown = say(asked(), "ann", True, reason="fine", metadata={"k": 1})
    assert isinstance(verdict, Recorded)
    assert verdict.decision is None
    commit = verdict.commit
    [vote] = shown.interrupt.votes
    assert vote == Vote(By("person", "ann"), True, 50, "rest", "h", "fine", {"k": 1}, "ref-ann")
    assert (shown.status, [each.id for each in commit.puts], commit.durable) == ("open", [shown.id], True)
    [event] = commit.events
    assert isinstance(event, InterruptUpdated)
    assert event.changes["votes"][0]["by"] == {"kind": "person", "id": "ann"}
    [entry] = commit.audit
    assert (entry.action, entry.by.id, entry.status, entry.inputHash) == ("interrupt.voted", "ann", "approved", "h")
    assert (commit.jobs, commit.drop_deadlines, commit.inbox_drop) == ([], [], [])


def test_the_last_vote_closes_with_the_whole_tally_before() -> None:
    _, shown = say(asked(), "ann", True, reason="fine")
    verdict, closed = say(shown, "ben", True, reason="mine too")
    assert isinstance(verdict, Won)
    assert (verdict.decision.by.id, verdict.decision.payload) == ("ben", {"approved": True, "reason": "mine too"})
    updated, shut, *_ = verdict.commit.events
    assert isinstance(updated, InterruptUpdated)
    assert isinstance(shut, InterruptClosed)
    assert [vote["by"]["id"] for vote in updated.changes["votes"]] == ["ann", "ben"]
    assert [entry.action for entry in verdict.commit.audit] == ["interrupt.voted", "interrupt.closed"]
    assert (closed.status, len(closed.interrupt.votes)) == ("resolved", 2)
    assert len(verdict.commit.jobs) == 1


def test_who_completes_the_quorum_for_the_other_side_has_not_won() -> None:
    shown = asked(3, "majority")
    _, shown = say(shown, "ann", True)
    _, shown = say(shown, "ben", True, reason="because")
    verdict, _ = say(shown, "cid", False, reason="no!")
    assert isinstance(verdict, Recorded)
    assert verdict.decision is not None
    assert (verdict.decision.by.id, verdict.decision.payload) == ("ben", {"approved": True, "reason": "because"})


def test_a_person_has_one_vote() -> None:
    _, shown = say(asked(3), "ann", True)
    again, _ = say(shown, "ann", True)
    assert again == Voted(shown.interrupt.votes[0])
    for payload, status in (({"approved": False}, "resolved"), (None, "cancelled")):
        with pytest.raises(ConflictError, match="already") as caught:
            submit(shown, "ann", payload, status)
        assert caught.value.details["vote"]["approved"] is True


# ---------------------------------------------------------------- arguments


def test_an_edit_voids_what_was_said_of_other_arguments() -> None:
    shown = asked(3, editable=True)
    _, shown = say(shown, "ann", True)
    _, shown = say(shown, "ben", True)
    verdict, shown = say(shown, "cid", True, input=EDIT)
    assert isinstance(verdict, Recorded)
    assert verdict.decision is None
    edited = shown.interrupt.edited
    assert edited is not None
    assert (edited.input, edited.inputHash, edited.by.id) == (EDIT, EDITED, "cid")
    assert ([vote.by.id for vote in shown.interrupt.votes], shown.interrupt.input) == (["cid"], {"n": 1})
    _, shown = say(shown, "ann", True, inputHash=EDITED)  # whose first vote is void
    verdict, _ = say(shown, "ben", True, input=EDIT)
    assert isinstance(verdict, Won)
    assert verdict.decision.payload == {"approved": True, "input": EDIT}


def test_a_yes_to_what_was_not_seen_is_refused_and_a_no_is_not() -> None:
    _, shown = say(asked(3, editable=True), "cid", True, input=EDIT)
    for payload in ({}, {"inputHash": "h"}):
        with pytest.raises(ConflictError) as caught:
            say(shown, "ann", True, **payload)
        assert caught.value.details["inputHash"] == EDITED
    verdict, _ = say(shown, "ann", False)
    assert isinstance(verdict, Won)
    assert verdict.decision.payload == {"approved": False}


def test_an_edit_back_to_what_was_proposed_is_no_edit() -> None:
    shown = asked(2, editable=True, inputHash=input_hash({"n": 1}))
    _, shown = say(shown, "cid", True, input=EDIT)
    verdict, shown = say(shown, "ann", True, input={"n": 1})
    assert isinstance(verdict, Recorded)
    assert shown.interrupt.edited is None
    assert isinstance(verdict.commit.events[0], InterruptUpdated)
    assert verdict.commit.events[0].changes["edited"] is None
    verdict, _ = say(shown, "cid", True)
    assert isinstance(verdict, Won)
    assert verdict.decision.payload == {"approved": True}


def test_one_answer_too_may_say_what_it_saw() -> None:
    with pytest.raises(ConflictError):
        say(record(), "ann", True, inputHash="another")
    assert isinstance(say(record(), "ann", True, inputHash="h")[0], Won)


def test_a_vote_is_not_a_letter() -> None:
    with pytest.raises(BadInput, match="bytes"):
        say(asked(), "ann", True, reason="x" * 5_000)


@pytest.mark.parametrize("conflict", RULES)
def test_cancelled_is_a_veto_or_nothing(conflict: Conflict) -> None:
    shown = asked(2, conflict)
    if conflict == "veto":
        assert isinstance(submit(shown, "ann", None, "cancelled"), Won)
        return
    with pytest.raises(BadInput, match="vote"):
        submit(shown, "ann", None, "cancelled")


# ---------------------------------------------------------------- every state with every command

COMMANDS: dict[str, tuple[Any, Any]] = {
    "yes": ({"approved": True}, "resolved"),
    "no": ({"approved": False}, "resolved"),
    "edit": ({"approved": True, "input": EDIT}, "resolved"),
    "stale yes": ({"approved": True, "inputHash": "other"}, "resolved"),
    "malformed": ({"approved": 1}, "resolved"),
    "cancel": (None, "cancelled"),
}
#: State → what each command comes to, of a new voter, under veto with a quorum of 2.
TABLE: dict[str, dict[str, type[Any]]] = {
    "fresh": dict(zip(COMMANDS, [Recorded, Won, Recorded, ConflictError, BadInput, Won], strict=True)),
    "one yes": dict(zip(COMMANDS, [Won, Won, Recorded, ConflictError, BadInput, Won], strict=True)),
    "edited": dict(zip(COMMANDS, [ConflictError, Won, Won, ConflictError, BadInput, Won], strict=True)),
    "closed": dict.fromkeys(COMMANDS, Lost),
}


def in_state(state: str) -> InterruptRecord:
    shown = asked(editable=True)
    if state == "one yes":
        return say(shown, "ann", True)[1]
    if state == "edited":
        return say(shown, "ann", True, input=EDIT)[1]
    return say(shown, "ann", False)[1] if state == "closed" else shown


@pytest.mark.parametrize(("state", "command"), list(itertools.product(TABLE, COMMANDS)))
def test_every_state_with_every_command(state: str, command: str) -> None:
    shown, (payload, status) = in_state(state), COMMANDS[command]
    expected = TABLE[state][command]
    if issubclass(expected, HoldfastError):
        with pytest.raises(expected):
            submit(shown, "ben", payload, status)
    else:
        assert isinstance(submit(shown, "ben", payload, status), expected)


@pytest.mark.parametrize("state", ["one yes", "edited"])
def test_withdrawal_and_deadline_end_a_vote(state: str) -> None:
    shown = in_state(state)
    withdrawn = decisions.withdraw(SESSION, turn(), shown, decisions.Withdrawal("moot", By("person", "op"), "rest"), 50)
    assert isinstance(withdrawn, Won)
    assert withdrawn.decision.status == "withdrawn"
    expired: Commit = decisions.expire(SESSION, turn(), shown, 50)
    assert put(expired, shown.id).decision.status == "expired"


# ---------------------------------------------------------------- reasons, and who may

BLANK: list[Any] = [{}, {"reason": None}, {"reason": ""}, {"reason": " \n\t"}]


@pytest.mark.parametrize("more", BLANK)
@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("kind", ["approval", "gate"])
def test_where_a_reason_is_required_blanks_are_none(kind: Any, approved: bool, more: Any) -> None:
    shown = record(kind, approvers=Approvers(require_reason=True))
    with pytest.raises(BadInput, match="reason"):
        say(shown, "ann", approved, **more)
    assert isinstance(say(shown, "ann", approved, reason="seen")[0], Won)
    for payload in (None, {}, {"reason": " "}):
        with pytest.raises(BadInput, match="reason"):
            submit(shown, "ann", payload, "cancelled")


def test_a_question_has_no_reason_to_give() -> None:
    shown = record("question", approvers=Approvers(require_reason=True))
    assert isinstance(submit(shown, "ann", {"text": "x"}), Won)
    assert isinstance(submit(shown, "ann", None, "cancelled"), Won)


@pytest.mark.parametrize("roles", [(), ("m",)])
def test_the_requester_may_not_whatever_their_roles(roles: tuple[str, ...]) -> None:
    shown = record(approvers=Approvers(roles, not_requester=True), requester="alice")
    assert not decisions.entitled(Principal("alice", roles=("m",)), SESSION, shown)
    assert not decisions.entitled(Principal("alice", roles=("m",), actor="bot", can=("admin",)), SESSION, shown)
    assert decisions.entitled(Principal("bob", roles=("m",)), SESSION, shown)


def test_who_has_voted_has_nothing_left_to_do() -> None:
    ann = Principal("ann", roles=("m",))
    shown = asked()
    assert decisions.may_still_answer(ann, SESSION, shown)
    _, shown = say(shown, "ann", True)
    assert not decisions.may_still_answer(ann, SESSION, shown)
    assert decisions.entitled(ann, SESSION, shown)


def test_rules_that_nobody_could_follow() -> None:
    for wrong in (
        {"roles": "finance"}, {"subjects": "alice"}, {"quorum": 0}, {"quorum": QUORUM_MAX + 1},
        {"subjects": ("a", "a"), "quorum": 2},
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError)):
            Approvers(**wrong)  # type: ignore[arg-type]
    assert Approvers(("r",), ("a",), quorum=2).quorum == 2


def test_a_quorum_of_one_is_the_first_answer() -> None:
    for conflict in RULES:
        shown = replace(record(), interrupt=replace(record().interrupt, approvers=Approvers(("m",), conflict=conflict)))
        assert isinstance(say(shown, "ann", False)[0], Won)
