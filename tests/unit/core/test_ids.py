"""Ids: the same command makes the same id, other commands make others, and each leads to its session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import ids
from holdfast.core.errors import BadRequest, NotFound

TEXT = st.text(max_size=30)
SESSIONS = st.from_regex(ids.SESSION_ID, fullmatch=True)

SESSION = "s_3e2yxq6zh5jfj277bsw3syd3"
TURN = "t_4hqaqjfqgart2rbr.s_1"
MESSAGE = "m_kufcpgted5a4pm6a"
INTERRUPT = "i_bhumuzreszvrnstd.s_1"

DERIVED: list[Callable[[str, str], str]] = [
    ids.session_id,
    lambda a, b: ids.turn_id("s", a, b),
    lambda a, b: ids.interrupt_id("t_1.s", a + b),
    lambda a, b: ids.user_message_id("s", a, b),
]


@given(subject=TEXT, ref=TEXT)
def test_a_command_repeated_makes_the_same_id(subject: str, ref: str) -> None:
    for derive in DERIVED:
        assert derive(subject, ref) == derive(subject, ref)


@given(first=st.tuples(TEXT, TEXT), second=st.tuples(TEXT, TEXT))
def test_another_command_makes_another_id(first: tuple[str, str], second: tuple[str, str]) -> None:
    # Also where the parts, put together, read the same: ("ab", "c") and ("a", "bc").
    same = first == second
    assert (ids.session_id(*first) == ids.session_id(*second)) == same
    assert (ids.turn_id("s", *first) == ids.turn_id("s", *second)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ids.session_id("ab", "c"), ids.session_id("a", "bc")),
        (ids.session_id("a", "2:b"), ids.session_id("a2:", "b")),
        (ids.session_id("é", "x"), ids.session_id("e\u0301", "x")),  # looks the same, is another
        (ids.turn_id("s", "a", "r"), ids.turn_id("s2", "a", "r")),
        (ids.message_id("t_1.s"), ids.message_id("t_2.s")),
        (ids.call_id("t_1.s", "tool:a:1"), ids.call_id("t_1.s", "tool:a:2")),
        (ids.call_id("t_1.s", "tool:a:1"), ids.call_id("t_2.s", "tool:a:1")),
        (ids.idempotency_key("t_1.s", "tool:a:1"), ids.call_id("t_1.s", "tool:a:1")),
    ],
)
def test_distinct(one: str, other: str) -> None:
    assert one != other


def test_what_names_the_same_thing_for_another_purpose_is_another_id() -> None:
    made = {
        ids.session_id("a", "b")[2:18],
        ids.turn_id("a", "b", "")[2:18],
        ids.message_id("a")[2:18],
        ids.user_message_id("a", "b", "")[2:18],
        ids.call_id("a", "b")[5:21],
        ids.idempotency_key("a", "b")[:16],
        ids.interrupt_id("t_a.a", "b")[2:18],
    }
    assert len(made) == 7


@given(session=SESSIONS, subject=TEXT, ref=TEXT, operation=TEXT)
def test_a_turn_and_an_interrupt_lead_to_their_session(session: str, subject: str, ref: str, operation: str) -> None:
    turn = ids.turn_id(session, subject, ref)
    interrupt = ids.interrupt_id(turn, operation)
    assert ids.session_of(turn) == session == ids.session_of(interrupt)
    assert (turn[:2], interrupt[:2]) == ("t_", "i_")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "t_",
        "t_x",
        "t_x.",
        "i_x.s.y",
        "m_x.s",
        "s_1",
        ".s",
        "t_x.s/../y",
        "t_x.sé",
        "t_x.s\n",
        "x" * 10_000,
    ],
)
def test_what_leads_nowhere(value: str) -> None:
    with pytest.raises(NotFound) as caught:
        ids.session_of(value)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("value", ["a", "A-_9", "x" * 128, ids.session_id("alice", "r")])
def test_a_good_session_id(value: str) -> None:
    assert ids.check_session_id(value) == value


@pytest.mark.parametrize("value", ["", "a.b", "a b", "ä", "٣", "x" * 129, "a\n", "{a}", "*"])
def test_a_bad_session_id(value: str) -> None:
    with pytest.raises(BadRequest):
        ids.check_session_id(value)


@pytest.mark.parametrize("value", ["r", "r" * ids.REF_MAX, "🦊", "a b"])
def test_a_good_ref(value: str) -> None:
    assert ids.check_ref(value) == value


@pytest.mark.parametrize("value", ["", "r" * (ids.REF_MAX + 1)])
def test_a_bad_ref(value: str) -> None:
    with pytest.raises(BadRequest):
        ids.check_ref(value)


@given(session=TEXT, partitions=st.integers(1, 64))
def test_a_partition_is_one_of_those_there_are(session: str, partitions: int) -> None:
    assert 0 <= ids.partition_of(session, partitions) < partitions


@pytest.mark.parametrize(
    ("session", "partition"), [("", 0), ("s", 11), ("s_1", 10), ("s_9f2d", 15), ("a-session", 4), ("é", 14)]
)
def test_partitions_never_move(session: str, partition: int) -> None:
    # Where everything is stored: if this fails, the store of everybody who upgrades is unreadable.
    assert ids.partition_of(session, 16) == partition


def test_ids_never_change() -> None:
    # Repeating a command after an upgrade must still be repeating it.
    turn = ids.turn_id("s_1", "alice", "r1")
    assert ids.session_id("alice", "r1") == SESSION
    assert (turn, ids.message_id(turn), ids.interrupt_id(turn, "tool:refund:1")) == (TURN, MESSAGE, INTERRUPT)
