"""Principals: what they may touch, and what they may do there."""

from __future__ import annotations

import pytest

from holdfast.core.errors import Forbidden, NotFound
from holdfast.core.identity import By, Principal, Right, check, check_work

MEMBERS = {"alice": "owner", "bob": "member"}


@pytest.mark.parametrize(
    ("subject", "sessions", "within"),
    [
        ("alice", ("mine",), True),
        ("bob", ("mine",), True),
        ("eve", ("mine",), False),
        ("eve", ("*",), True),
        ("eve", ("s_1",), True),
        ("eve", ("s_2",), False),
        ("eve", ("s_?",), True),
        ("eve", ("s_[2-9]",), False),
        ("eve", ("S_1",), False),  # ids are case-sensitive
        ("eve", ("s_2", "s_1"), True),
        ("alice", (), False),  # a token for nothing is for nothing, whoever holds it
        ("alice", ("s_2",), False),  # a token narrowed to one session does not open another of one's own
    ],
)
def test_sessions_within_reach(subject: str, sessions: tuple[str, ...], within: bool) -> None:
    assert Principal(subject, sessions=sessions).within(session="s_1", members=MEMBERS) is within


def test_mine_is_a_word_and_not_a_pattern() -> None:
    assert not Principal("eve", sessions=("mine",)).within(session="mine", members=MEMBERS)


@pytest.mark.parametrize("right", ["read", "send", "answer", "cancel", "mint"])
def test_a_right_is_had_or_not(right: str) -> None:
    assert Principal("a", can=(right,)).has(right)  # type: ignore[arg-type]
    assert not Principal("a", can=()).has(right)  # type: ignore[arg-type]
    assert Principal("a", can=("admin",)).has(right)  # type: ignore[arg-type]


def test_nobody_may_mint_or_administer_unless_told() -> None:
    assert not Principal("a").has("mint")
    assert not Principal("a").has("admin")


def test_nobody_works_unless_told_not_even_an_admin() -> None:
    assert Principal("w", can=("work",)).has("work")
    for can in (Principal("a").can, ("read", "send", "answer", "cancel", "mint", "admin")):
        assert not Principal("a", can=can).has("work")


@pytest.mark.parametrize(
    ("can", "agents", "may"),
    [
        (("work",), ("*",), True),
        (("work",), ("node-*",), True),
        (("work",), ("node",), False),
        (("admin",), ("*",), False),
    ],
)
def test_as_whom_a_worker_may_speak(can: tuple[Right, ...], agents: tuple[str, ...], may: bool) -> None:
    worker = Principal("w", can=can, agents=agents)
    if may:
        check_work(worker, "node-support")
    else:
        with pytest.raises(Forbidden, match="'work'"):
            check_work(worker, "node-support")


def test_out_of_reach_looks_like_not_there_whatever_rights_there_are() -> None:
    for principal in (Principal("eve"), Principal("eve", can=()), Principal("eve", can=("admin",))):
        with pytest.raises(NotFound):
            check(principal, "read", "s_1", MEMBERS)


def test_within_reach_without_the_right_says_so() -> None:
    with pytest.raises(Forbidden, match="'send'"):
        check(Principal("bob", can=("read",)), "send", "s_1", MEMBERS)
    check(Principal("bob", can=("read",)), "read", "s_1", MEMBERS)


def test_who_acted_and_for_whom_is_shown() -> None:
    assert Principal("alice", name="Alice", actor="slack").by == By("person", "alice", "Alice", "slack")
