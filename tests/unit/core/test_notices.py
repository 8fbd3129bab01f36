"""Notices: their names, whether there is still a reason to send them, and how often it is tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import notices
from holdfast.core.commit import Notice
from holdfast.core.errors import BadInput
from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, Interrupt, InterruptRecord
from holdfast.core.notices import ATTEMPTS_MAX, FIRST_MS, LIMIT_MS, TEXT_MAX, TO_MAX

OPENED = Notice("interrupt.opened", "s", "i_1.s", 1)
SHOWN = Interrupt("i_1.s", "approval", "s", "t_1.s", "tool_call", toolName="refund", input={"amount": 200})
OPEN = InterruptRecord(interrupt=SHOWN, operation="tool:refund:1", version=1)
DECISION = Decision("resolved", {"approved": True}, By("person", "bob"), "rest", 5)
SETTLED = InterruptRecord(interrupt=SHOWN, operation="tool:refund:1", version=2, status="resolved", decision=DECISION)


def of(kind: str, version: int = 1) -> Notice:
    return Notice(kind, "s", "i_1.s", version)


@pytest.mark.parametrize(
    ("kind", "record", "told", "due"),
    [
        ("interrupt.opened", OPEN, False, True),
        ("interrupt.opened", SETTLED, False, False),
        ("interrupt.opened", None, True, False),
        ("interrupt.reminded", OPEN, True, True),
        ("interrupt.escalated", SETTLED, True, False),
        ("interrupt.something_new", OPEN, False, True),
        ("interrupt.closed", SETTLED, True, True),
        ("interrupt.closed", SETTLED, False, False),
        ("interrupt.closed", None, True, True),  # its session was deleted
        ("interrupt.closed", None, False, False),
    ],
)
def test_whether_there_is_still_a_reason(kind: str, record: InterruptRecord | None, told: bool, due: bool) -> None:
    assert notices.is_due(of(kind), record, told=told) is due


def test_what_is_about_no_interrupt_is_always_sent() -> None:
    assert notices.is_due(notices.said("s", "t_1.s", "notify:notify:1", "Done.", ()), None, told=False)


def test_a_notice_has_one_name_and_no_other_has_it() -> None:
    said = [notices.said("s", "t_1.s", f"notify:notify:{nth}", "Done.", ()) for nth in (1, 2)]
    # The last two are written in one commit, about one version.
    kinds = [of("interrupt.closed", 2), of("interrupt.opened"), of("interrupt.unroutable")]
    names = [notices.id_of(one) for one in (OPENED, *said, *kinds)]
    assert names[0] == names[4]
    assert len(set(names)) == len(names) - 1


def test_all_of_one_interrupt_stands_in_one_lane() -> None:
    assert notices.lane_of(OPENED) == notices.lane_of(of("interrupt.closed", 2)) == "i_1.s"
    one, other = (notices.said("s", "t_1.s", f"notify:notify:{nth}", "Done.", ()) for nth in (1, 2))
    assert notices.lane_of(one) != notices.lane_of(other)


def test_a_notice_shows_what_it_is_about_as_that_is_now() -> None:
    body = notices.body(notices.shown(of("interrupt.closed", 2), 7, SETTLED))
    assert body["interrupt"]["input"] == {"amount": 200}
    assert (body["status"], body["decision"]["by"]["id"]) == ("resolved", "bob")
    gone = notices.body(notices.shown(of("interrupt.closed", 2), 7, None))
    assert (gone["interrupt"], gone["status"]) == ({"id": "i_1.s"}, "deleted")


def test_a_notice_of_ones_own_shows_no_interrupt() -> None:
    said = notices.said("s", "t_1.s", "notify:notify:1", "The report is there.", ("alice",))
    body = notices.body(notices.shown(said, 7, None))
    assert body == {
        "id": notices.id_of(said),
        "session": "s",
        "turn": "t_1.s",
        "text": "The report is there.",
        "to": ("alice",),
    }


@pytest.mark.parametrize(
    ("text", "to"), [("", ()), (" \n", ()), ("x" * (TEXT_MAX + 1), ()), ("x", ("a",) * (TO_MAX + 1)), ("x", ("",))]
)
def test_what_says_nothing_or_too_much_is_refused(text: str, to: tuple[str, ...]) -> None:
    with pytest.raises(BadInput):
        notices.said("s", "t_1.s", "notify:notify:1", text, to)


@given(st.integers(1, 1_000), st.floats(0, 1, exclude_max=True))
def test_each_wait_is_longer_and_none_is_too_long(attempts: int, chance: float) -> None:
    assert FIRST_MS // 2 <= notices.wait_ms(attempts, chance) <= LIMIT_MS
    assert notices.wait_ms(attempts, chance) <= notices.wait_ms(attempts + 1, chance)


def test_a_target_may_ask_for_more_time_and_not_for_any() -> None:
    attempts = 1
    assert notices.wait_ms(attempts, 0.5, 60_000) == 60_000
    assert notices.wait_ms(attempts, 0.5, 1) == notices.wait_ms(attempts, 0.5)
    assert notices.wait_ms(attempts, 0.5, 10 * LIMIT_MS) == LIMIT_MS


def test_a_target_may_be_down_for_a_day() -> None:
    shortest = sum(notices.wait_ms(attempts, 0.0) for attempts in range(1, ATTEMPTS_MAX))
    longest = sum(notices.wait_ms(attempts, 0.999) for attempts in range(1, ATTEMPTS_MAX))
    assert shortest > 18 * 3_600_000
    assert longest < 48 * 3_600_000
