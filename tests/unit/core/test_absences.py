"""Absences: the look at what is open is foretold, comes when it is noted, and goes on where it was."""

from __future__ import annotations

from holdfast.core import absences
from holdfast.core.deadlines import Deadline
from holdfast.core.identity import By
from holdfast.core.people import Away

HOME = "~person-fay"


def test_a_look_is_foretold_for_the_beginning_and_the_end() -> None:
    commit = absences.foretell(HOME, 9_000)
    begins, ends = commit.set_deadlines
    assert (begins.member, begins.in_ms, begins.due_ms) == ("absence ~person-fay", absences.NOTED_WITHIN_MS, None)
    assert (ends.member, ends.due_ms) == ("absence ~person-fay end", 9_000)
    assert commit.on_shelf  # of a person's home: no session lives there


def test_what_is_noted_is_looked_at_now_and_under_the_same_name() -> None:
    fay = By("person", "fay")
    said = absences.gone(HOME, Away("fay", 9_000, "dan"), fay, "rest")
    commit = absences.look(HOME, said)
    assert (commit.set_deadlines, commit.audit) == ([Deadline("absence", HOME)], [said])
    assert (said.action, said.session, said.to, said.until) == ("person.away", HOME, ("dan",), 9_000)
    assert absences.gone(HOME, Away("fay", 9_000), fay, "rest").to == ()
    assert absences.back(HOME, fay, "rest").action == "person.back"


def test_who_is_back_early_has_no_end_left() -> None:
    commit = absences.foretell_return(HOME)
    assert commit.drop_deadlines == ["absence ~person-fay end"]
    assert [each.member for each in commit.set_deadlines] == ["absence ~person-fay"]


def test_a_piece_leads_to_the_next_and_the_last_to_none() -> None:
    first = absences.looked(HOME, "", "7:i_x.s")
    assert (first.due, first.drop_deadlines) == (["absence ~person-fay"], ["absence ~person-fay"])
    assert [each.member for each in first.set_deadlines] == ["absence ~person-fay 7:i_x.s"]
    last = absences.looked(HOME, "7:i_x.s", None)
    assert (last.due, last.set_deadlines) == (["absence ~person-fay 7:i_x.s"], [])
