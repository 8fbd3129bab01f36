"""People: whether an interrupt reaches anybody, by what is known of them; and what may be said of an absence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.core.test_decisions import record

from holdfast.core import people
from holdfast.core.errors import BadInput
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Approvers, Interrupt, Vote
from holdfast.core.people import AWAY_MAX_MS, Away, People, unreachable

NOW = 1_000
MEMBERS = ("alice", "bob")
FINANCE = Approvers(("finance",))


def shown(approvers: Approvers | None = FINANCE, **fields: Any) -> Interrupt:
    return record(approvers=approvers, **fields).interrupt


def known(*finance: str, learning: bool = False, **away: str | None) -> People:
    """Who of finance was seen, and who is away with which deputy."""
    absences = {who: Away(who, NOW + 1, deputy) for who, deputy in away.items()}
    return People({"finance": finance}, absences, learning)


VOTED = (Vote(By("person", "fay"), True, 1, "rest", "h"),)
STOOD_IN = (Vote(By("person", "dan", deputyFor="fay"), True, 1, "rest", "h"),)
NOT_REQUESTER = Approvers(("finance",), not_requester=True)

ROUTES: list[tuple[str, Interrupt, People, str | None]] = [
    ("somebody of the role was seen", shown(), known("fay"), None),
    ("nobody was", shown(), known(), "nobody_known"),
    ("it is too early to say", shown(), known(learning=True), None),
    ("early, but who was seen is away", shown(), known("fay", learning=True, fay=None), "all_away"),
    ("who was seen is away", shown(), known("fay", fay=None), "all_away"),
    ("one of two is there", shown(), known("fay", "finn", fay=None), None),
    ("the deputy is there", shown(), known("fay", fay="dan"), None),
    ("the deputy is away too", shown(), known("fay", fay="dan", dan=None), "all_away"),
    ("a named person was never seen", shown(Approvers(subjects=("dora",))), known(), None),
    ("a named person is away", shown(Approvers(subjects=("dora",))), known(dora=None), "all_away"),
    ("nobody is named", shown(None), known(), None),
    ("all members are away", shown(None), known(alice=None, bob=None), "all_away"),
    ("members may too", shown(Approvers(("finance",), members=True)), known(), None),
    ("only the requester was seen", shown(NOT_REQUESTER, requester="fay"), known("fay"), "nobody_known"),
    ("the deputy asked", shown(NOT_REQUESTER, requester="dan"), known("fay", fay="dan"), "all_away"),
    ("who was seen has voted", shown(Approvers(("finance",), quorum=2), votes=VOTED), known("fay"), "nobody_known"),
    ("a deputy has, for them", shown(Approvers(("finance",), quorum=2), votes=STOOD_IN), known("fay"), "nobody_known"),
    ("the deputy has voted", shown(Approvers(("finance",), quorum=2), votes=VOTED),
     known("finn", finn="fay"), "all_away"),
]  # fmt: skip


@pytest.mark.parametrize(("interrupt", "facts", "why"), [case[1:] for case in ROUTES], ids=[case[0] for case in ROUTES])
def test_whether_anybody_is_reached(interrupt: Interrupt, facts: People, why: str | None) -> None:
    assert unreachable(interrupt, MEMBERS, facts, NOW) == why


def test_an_absence_ends_by_itself() -> None:
    facts = known("fay", fay=None)
    assert unreachable(shown(), MEMBERS, facts, NOW) == "all_away"
    assert unreachable(shown(), MEMBERS, facts, NOW + 1) is None


def test_what_is_lent_is_what_the_token_said() -> None:
    fay = Principal("fay", ("finance",), ("s*",), ("read", "answer"), "Fay")
    absence = people.away(fay, NOW + 5, "dan", NOW)
    assert absence == Away("fay", NOW + 5, "dan", ("finance",), ("s*",), ("read", "answer"))
    assert absence.principal == Principal("fay", ("finance",), ("s*",), ("read", "answer"))
    assert msgspec.json.decode(msgspec.json.encode(absence), type=Away) == absence


@pytest.mark.parametrize(
    ("until", "deputy", "said"),
    [
        (NOW, None, "until"),
        (NOW + AWAY_MAX_MS + 1, None, "until"),
        (NOW + 1, "fay", "somebody else"),
        (NOW + 1, "", "deputy: 1 to"),
        (NOW + 1, "x" * 257, "deputy: 1 to"),
    ],
)
def test_an_absence_that_cannot_be(until: int, deputy: str | None, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        people.away(Principal("fay"), until, deputy, NOW)
