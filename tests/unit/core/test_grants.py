"""Grants: they say yes in their giver's place, to what they were given for, and to nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import ids
from holdfast.core.canonical import input_hash
from holdfast.core.errors import BadInput
from holdfast.core.grants import LONGEST_MS, WIDE_MS, Grant, covering, covers, given
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Approvers, GrantWish, Interrupt
from holdfast.core.matching import Case
from holdfast.core.session import SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord

NOW = 1_000
INPUT = {"amount": 70, "to": "bob"}
BOB = Principal("bob", roles=("finance",))
SESSION = SessionRecord(info=SessionInfo("s1", "support", "alice", {"alice": "owner", "bob": "member"}, 1), salt="x")
TURN = TurnRecord(
    turn=ids.turn_id("s1", "alice", "r"),
    session="s1",
    agent="support",
    agent_version="1",
    status="waiting",
    requester=Requester("alice"),
    created_at_ms=1,
    message="m",
)
ASKED = Interrupt("i_1.s1", "approval", "s1", TURN.id, "tool_call", toolName="pay", input=INPUT, grantable=True)
CASE = Case(tool="pay", input=INPUT, agent="support", person="alice")


def grant(effective: Any = None, shown: Interrupt = ASKED, giver: Principal = BOB, **wish: Any) -> Grant:
    return given(GrantWish(**({"scope": "session"} | wish)), TURN, shown, effective or INPUT, giver, NOW)


def says_yes(one: Grant, case: Case = CASE, approvers: Approvers | None = None, now_ms: int = NOW) -> bool:
    return covers(one, case, SESSION, approvers, now_ms)


@pytest.mark.parametrize(
    ("change", "yes"),
    [
        ({}, True),
        ({"tool": "send"}, False),
        ({"agent": "other"}, False),
        ({"input": {"amount": 70.0, "to": "bob"}}, True),
        ({"input": {"amount": 71, "to": "bob"}}, False),
        ({"input": INPUT | {"more": None}}, False),
        ({"input": {"amount": 70}}, False),
        ({"input": {"amount": "70", "to": "bob"}}, False),
    ],
)
@pytest.mark.parametrize("scope", ["session", "agent", "person"])
def test_without_conditions_it_is_about_exactly_these_arguments(scope: Any, change: dict[str, Any], yes: bool) -> None:
    case = Case(**({"tool": "pay", "input": INPUT, "agent": "support", "person": "alice"} | change))
    assert says_yes(grant(scope=scope), case) is yes


@pytest.mark.parametrize(
    ("conditions", "values", "yes"),
    [
        ({}, {"anything": 1}, True),
        ({"amount": {"lte": 100}}, {"amount": 100}, True),
        ({"amount": {"lte": 100}}, {"amount": 101}, False),
        ({"amount": {"lte": 100}}, {"amount": "7"}, False),
        ({"amount": {"lte": 100}}, {}, False),
        ({"to": {"ne": "eve"}}, {}, False),
        ({"to": "bob", "amount": {"gt": 1}}, {"to": "bob", "amount": 2}, True),
        ({"to": "bob", "amount": {"gt": 1}}, {"to": "eve", "amount": 2}, False),
    ],
)
def test_conditions(conditions: dict[str, Any], values: dict[str, Any], yes: bool) -> None:
    assert says_yes(grant(input=conditions), replace(CASE, input=values)) is yes


def test_a_scope_is_whom_it_is_for() -> None:
    other = replace(SESSION, info=replace(SESSION.info, id="s2"))
    carol = replace(CASE, person="carol")
    for scope, elsewhere, for_another in (("session", False, True), ("agent", True, True), ("person", True, False)):
        one = grant(scope=scope)
        assert covers(one, CASE, other, None, NOW) is elsewhere, scope
        assert covers(one, carol, SESSION, None, NOW) is for_another, scope
        home = "s1" if scope == "session" else ids.wide_home(scope, "alice" if scope == "person" else "support")
        assert one.home == home


@pytest.mark.parametrize(
    ("giver", "approvers", "yes"),
    [
        (BOB, None, True),
        (Principal("carol"), None, False),  # no member of the session
        (Principal("carol", sessions=("*",)), None, True),
        (Principal("bob", can=("read",)), None, False),
        (BOB, Approvers(roles=("finance",)), True),
        (BOB, Approvers(roles=("legal",)), False),
        (Principal("carol", roles=("finance",)), Approvers(roles=("finance",)), True),
        (BOB, Approvers(subjects=("bob",)), True),
        (BOB, Approvers(roles=("finance",), quorum=2), False),
        (Principal("alice"), Approvers(not_requester=True), False),
        (BOB, Approvers(not_requester=True), True),
    ],
)
def test_it_never_speaks_where_its_giver_could_not(giver: Principal, approvers: Approvers | None, yes: bool) -> None:
    assert says_yes(grant(giver=giver, scope="agent"), approvers=approvers) is yes


def test_it_ends() -> None:
    one = grant(until=NOW + 5)
    assert says_yes(one, now_ms=NOW + 4)
    assert not says_yes(one, now_ms=NOW + 5)
    assert not says_yes(replace(one, revoked_by=By("person", "bob"), revoked_at=NOW))
    assert grant().until is None
    assert grant(scope="agent").until == NOW + WIDE_MS
    assert covering([replace(one, revoked_at=1), one], CASE, SESSION, None, NOW) == one


@pytest.mark.parametrize("until", [0, -1, NOW, NOW + LONGEST_MS + 1])
def test_an_end_that_is_none(until: int) -> None:
    with pytest.raises(BadInput, match="until"):
        grant(until=until)


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"amount": {"lteq": 5}}, "no such condition"),
        ({"amount": {}}, "give a value"),
        ({"": 5}, "names no argument"),
        ({"amount": {"lte": 50}}, "does not cover"),
        ({"amount": {"exists": False}}, "does not cover"),
        ({"to": "x" * 9_000}, "at most"),
    ],
)
def test_conditions_that_cannot_be_given(conditions: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        grant(input=conditions)


def test_edited_arguments_are_the_ones_that_must_be_covered() -> None:
    edited = {"amount": 7, "to": "bob"}
    with pytest.raises(BadInput, match="does not cover"):
        grant(edited, input={"amount": 70})
    one = grant(edited)
    assert one.input_hash == input_hash(edited)
    assert not says_yes(one)


def test_what_is_not_grantable() -> None:
    with pytest.raises(BadInput, match="standing grant"):
        grant(shown=replace(ASKED, grantable=False))


def test_its_words() -> None:
    one = grant(scope="person", input={"amount": {"lte": 100}, "to": "bob"})
    assert one.words == (
        'Always allow pay with amount lte 100 and to eq "bob", whenever alice has the agent support call it.'
    )
    assert grant(input={}).words == "Always allow pay with any arguments, in this session."
    assert grant().words == "Always allow pay with exactly these arguments, in this session."
