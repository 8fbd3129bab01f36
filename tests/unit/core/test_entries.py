"""The entries about interrupts: what was said, by what right, how soon."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.core.test_decisions import SESSION, record

from holdfast.core import entries
from holdfast.core.audit import AuditEntry
from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit
from holdfast.core.entries import Vain
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Approvers, Decision, Interrupt, InterruptRecord

ALICE, MAX = By("person", "alice"), Principal("max", roles=("manager",))
YES, NO = {"approved": True}, {"approved": False}


def decided(payload: Any, status: Any = "resolved") -> Decision:
    return Decision(status, payload, ALICE, "rest", 1_500)


def opened(**fields: Any) -> InterruptRecord:
    shown = record(**fields)
    return replace(shown, interrupt=replace(shown.interrupt, openedAt=1_000))


@pytest.mark.parametrize(
    ("kind", "decision", "word"),
    [
        ("approval", decided(YES), "approved"),
        ("gate", decided(NO), "denied"),
        ("approval", decided({"approved": 1}), "denied"),
        ("question", decided({"text": "x"}), "answered"),
        ("approval", decided(None, "expired"), "expired"),
        ("form", decided(None, "withdrawn"), "withdrawn"),
    ],
)
def test_what_a_decision_came_to(kind: Any, decision: Decision, word: str) -> None:
    assert entries.decided_as(record(kind).interrupt, decision) == word


@pytest.mark.parametrize(
    ("principal", "by", "approvers", "right"),
    [
        (MAX, MAX.by, Approvers(roles=("manager",)), "role:manager"),
        (MAX, MAX.by, Approvers(roles=("manager",), subjects=("max",)), "subject"),
        (MAX, By("person", "max", deputyFor="dora"), Approvers(roles=("manager",)), "deputy:dora"),
        (Principal("bob"), By("person", "bob"), None, "member"),
        (Principal("eve", sessions=("*",)), By("person", "eve"), None, "scope"),
    ],
)
def test_by_what_right(principal: Principal, by: By, approvers: Approvers | None, right: str) -> None:
    assert entries.right_of(principal, by, SESSION, record(approvers=approvers).interrupt) == right


def test_a_closing_says_how_soon_which_rule_and_on_what() -> None:
    asked = opened(metadata={"policy": {"rule": "big ones"}})
    entry = entries.closed(SESSION, asked, decided({"approved": True, "input": {"n": 2}}))
    assert (entry.latency_ms, entry.rule, entry.inputHash) == (500, "big ones", "h")
    assert entry.effectiveHash == input_hash({"n": 2})
    assert entries.closed(SESSION, asked, decided(YES)).effectiveHash is None


@pytest.mark.parametrize("metadata", [None, {}, {"policy": "x"}, {"policy": {"rule": 1}}])
def test_metadata_of_authors_names_no_rule(metadata: Any) -> None:
    assert entries.rule_of(Interrupt("i", "approval", "s", "t", "r", metadata=metadata)) is None


@pytest.mark.parametrize(
    ("payload", "word"), [(YES, "approved"), (NO, "denied"), ({"approved": "yes"}, None), ([], None)]
)
def test_in_vain_says_what_it_meant(payload: Any, word: str | None) -> None:
    late = replace(opened(), decision=decided(None, "expired"))
    tried = Vain("answer", "i_1.s", "a", "rest", payload)
    lost = entries.in_vain(SESSION, late, ALICE, 3_000, tried)
    assert (lost.action, lost.status, lost.outcome, lost.latency_ms) == ("answer.lost", "expired", word, 2_000)
    refused = entries.in_vain(SESSION, late, ALICE, 3_000, replace(tried, refused="forbidden"))
    assert (refused.action, refused.status) == ("answer.refused", "forbidden")


def test_what_has_no_canonical_form_has_no_digest() -> None:
    tried = Vain("answer", "i_1.s", "a", "rest", {"n": 2**60}, "bad_input")
    entry = entries.in_vain(SESSION, opened(), ALICE, 1, tried)
    assert entry.digest is None


def test_only_the_entries_about_the_answer_say_how_it_was_given() -> None:
    told = [AuditEntry("interrupt.closed", "s", ALICE, interrupt="i_1.s"), AuditEntry("turn.cancelled", "s", ALICE)]
    commit = Commit("s", "x", audit=[*told, AuditEntry("interrupt.closed", "s", ALICE, interrupt="i_2.s")])
    entries.say_how(commit, "i_1.s", "member", "phone")
    assert [(one.right, one.device) for one in commit.audit] == [("member", "phone"), (None, None), (None, None)]
