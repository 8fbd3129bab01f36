"""Promise 9: state up to any position plus what follows is the whole, whatever was compacted in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.logs import ALICE, EPOCH, Log, logs, message

from holdfast.core import events
from holdfast.core.events import (
    ChunkWritten,
    InterruptClosed,
    InterruptOpened,
    InterruptUpdated,
    MessageWritten,
    TurnBlocked,
    TurnFinished,
    TurnProgress,
    TurnResumed,
    TurnStarted,
    TurnWaiting,
    UnknownEvent,
)
from holdfast.core.folding import (
    PAGE_MAX_BYTES,
    Past,
    PastEvent,
    State,
    absorb,
    dump,
    fold,
    from_snapshot,
    history,
    load,
    snapshot,
)
from holdfast.core.interrupts import Decision, Interrupt

CASES = json.loads((Path(__file__).parents[2] / "conformance" / "folding.json").read_text("utf-8"))


def shown(state: State) -> dict[str, Any]:
    """All of a state, as a device would get it."""
    return json.loads(msgspec.json.encode({**snapshot(state, None, None), "seq": state.seq}))


def whole(state: State) -> str:
    """All of a state, in a form that tells 1 from True."""
    return json.dumps(shown(state), sort_keys=True, indent=1)


# ---------------------------------------------------------------- shared cases


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_shared_case(case: dict[str, Any]) -> None:
    start = case.get("attached")
    state = from_snapshot(start["snapshot"], start["epoch"], start["seq"]) if start else State(EPOCH)
    for frame in case["events"]:
        fold(state, frame["seq"], frame["at"], events.decode(json.dumps(frame["event"]).encode()))
    for page in case.get("pages", []):
        absorb(state, msgspec.convert(page["events"], list[PastEvent]))
    expected = {"more": False, **case["state"]}
    got = shown(state)
    assert {key: got[key] for key in expected} == expected


def replay(state: State, entries: list[tuple[int, int, bytes]]) -> State:
    for seq, at, data in entries:
        fold(state, seq, at, events.decode(data))
    return state


def at_position(log: Log, position: int) -> State:
    return replay(State(EPOCH), log.all[:position])


def load_older(state: State, server: State, before: int, limit: int | None, max_bytes: int | None) -> int:
    """All pages before `before`, one after the other, as a device asks for them. Gives their number."""
    pages, more = 0, True
    while more:
        page = history(server, before, limit, max_bytes)
        assert page.end == before - 1
        wire = msgspec.json.decode(msgspec.json.encode(page), type=Past)
        assert list(wire.events) == sorted(wire.events, key=lambda past: past.seq)
        absorb(state, wire.events)
        more, before, pages = page.more, page.start, pages + 1
    return pages


# ---------------------------------------------------------------- promise 9


@settings(max_examples=300)
@given(logs(), st.data())
def test_any_position_plus_what_follows_is_the_whole(log: Log, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(log.all)), label="position")
    state = replay(at_position(log, position), log.after(position, compacted=True))
    assert whole(state) == whole(log.state)


@settings(max_examples=25)
@given(logs())
def test_every_position_plus_what_follows_is_the_whole(log: Log) -> None:
    expected = whole(log.state)
    for position in range(len(log.all) + 1):
        assert whole(replay(at_position(log, position), log.after(position, compacted=True))) == expected


@settings(max_examples=200)
@given(logs(), st.data())
def test_a_snapshot_plus_what_follows_is_the_whole(log: Log, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(log.all)), label="position")
    given_state = at_position(log, position)
    wire = msgspec.json.decode(msgspec.json.encode(snapshot(given_state, None, None)))
    state = from_snapshot(wire, EPOCH, position)
    assert whole(state) == whole(given_state)
    assert whole(replay(state, log.after(position, compacted=True))) == whole(log.state)


@settings(max_examples=200)
@given(logs(), st.data())
def test_a_small_snapshot_and_what_follows_and_the_older_pages_are_the_whole(log: Log, data: st.DataObject) -> None:
    position = data.draw(st.integers(1, len(log.all)), label="position")
    limit = data.draw(st.none() | st.integers(1, 5), label="limit")
    max_bytes = data.draw(st.none() | st.integers(1, 2_000), label="max_bytes")
    page = snapshot(at_position(log, position), limit, max_bytes)
    state = from_snapshot(msgspec.json.decode(msgspec.json.encode(page)), EPOCH, position)
    replay(state, log.after(position, compacted=True))
    if page["more"]:
        load_older(state, log.state, page["before"], limit, max_bytes)
    assert whole(state) == whole(log.state)


@settings(max_examples=100)
@given(logs(), st.data())
def test_a_checkpoint_plus_what_follows_is_the_whole(log: Log, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(log.all)), label="position")
    before = at_position(log, position)
    state = load(dump(before))
    assert state == before
    assert whole(replay(state, log.after(position, compacted=True))) == whole(log.state)


@settings(max_examples=100)
@given(logs(), st.data())
def test_what_is_delivered_again_changes_nothing(log: Log, data: st.DataObject) -> None:
    state = State(EPOCH)
    for entry in log.all:
        again = data.draw(st.integers(0, entry[0]), label="again")
        replay(state, [entry, *log.all[again : entry[0]]])
    assert whole(state) == whole(log.state)


@settings(max_examples=100)
@given(logs())
def test_folding_changes_no_event_and_a_snapshot_shares_nothing(log: Log) -> None:
    decoded = [(seq, at, events.decode(data)) for seq, at, data in log.all]
    state = State(EPOCH)
    snapshots: list[dict[str, Any]] = []
    for seq, at, event in decoded:
        fold(state, seq, at, event)
        snapshots.append(snapshot(state, None, None))
    for (_, _, data), (_, _, event) in zip(log.all, decoded, strict=True):
        assert event == events.decode(data)
    for position, then in enumerate(snapshots, start=1):
        assert then == snapshot(at_position(log, position), None, None)


# ---------------------------------------------------------------- pages


def chat(turns: int, *, size: int = 10) -> State:
    """A conversation of so many finished turns, of two messages each."""
    state, seq = State(EPOCH), 0
    for number in range(turns):
        turn = f"t{number}"
        for event in (
            MessageWritten(message(f"u{number}", "?" * size), turn),
            TurnStarted(turn, "support", f"m{number}"),
            MessageWritten(message(f"m{number}", "!" * size, "assistant"), turn),
            TurnFinished(turn, "completed"),
        ):
            seq += 1
            fold(state, seq, seq, event)
    return state


def ids_of(listed: list[dict[str, Any]]) -> set[str]:
    return {one["id"] for one in listed}


def test_a_page_is_of_the_newest_messages_oldest_first() -> None:
    page = snapshot(chat(100), limit=4)
    assert [each["id"] for each in page["messages"]] == ["u98", "m98", "u99", "m99"]
    assert (page["more"], page["before"]) == (True, 98 * 4 + 1)
    assert ids_of(page["turns"]) == {"t98", "t99"}


def test_a_page_stays_under_its_bytes() -> None:
    state = chat(100, size=10_000)
    page = snapshot(state)
    assert len(msgspec.json.encode(page)) < PAGE_MAX_BYTES + 4_096
    assert len(page["messages"]) == pytest.approx(20, abs=2)
    past = history(state, page["before"])
    assert len(msgspec.json.encode(past)) < PAGE_MAX_BYTES + 8_192
    assert past.more


def test_a_message_that_is_larger_than_a_page_is_a_page() -> None:
    state = chat(2, size=1_000)
    page = snapshot(state, max_bytes=10)
    assert [each["id"] for each in page["messages"]] == ["m1"]
    assert load_older(from_snapshot(page, EPOCH, state.seq), state, page["before"], None, 10) == 3


def test_the_message_that_is_being_written_is_on_every_page_and_no_gap_is_hidden_by_it() -> None:
    state = State(EPOCH)
    fold(state, 1, 1, TurnStarted("t0", "support", "m0"))
    fold(state, 2, 2, ChunkWritten("t0", "m0", {"type": "text-start", "id": "0"}))
    for seq in range(3, 10):
        fold(state, seq, seq, MessageWritten(message(f"u{seq}", "?")))
    page = snapshot(state, limit=2)
    assert [each["id"] for each in page["messages"]] == ["m0", "u8", "u9"]
    assert (page["more"], page["before"]) == (True, 8)
    assert snapshot(state, limit=7)["more"] is False


def test_an_open_interrupt_is_shown_however_small_the_page() -> None:
    state = chat(1)
    fold(state, 5, 5, TurnStarted("t9", "support", "m9"))
    fold(state, 6, 6, InterruptOpened(Interrupt("i1", "approval", "s1", "t9", "tool_call")))
    page = snapshot(state, limit=1, max_bytes=1)
    assert ids_of(page["interrupts"]) == {"i1"}
    assert ids_of(page["turns"]) == {"t9", "t0"}


def test_a_turn_without_a_message_is_on_the_page_of_its_time() -> None:
    state = State(EPOCH)
    for event in (
        TurnStarted("t1", "support", "m1"),
        TurnProgress("t1", {"done": 7}),
        TurnFinished("t1", "completed", {"total": 7}, by=ALICE),
        MessageWritten(message("u1", "?")),
        MessageWritten(message("u2", "?")),
    ):
        fold(state, state.seq + 1, 1_000, event)
    page = snapshot(state, limit=1)
    assert page["turns"] == []
    device = from_snapshot(page, EPOCH, state.seq)
    assert load_older(device, state, page["before"], 1, None) == 1
    assert device.turns == state.turns


def test_history_before_the_first_message_is_empty() -> None:
    assert history(chat(1), 1) == Past((), 1, 0, more=False)


# ---------------------------------------------------------------- rules


def test_a_decision_never_changes() -> None:
    state = State(EPOCH)
    asked = Interrupt("i1", "approval", "s1", "t1", "tool_call")
    yes = Decision("resolved", {"approved": True}, ALICE, "rest", 1)
    no = Decision("resolved", {"approved": False}, ALICE, "rest", 2)
    steps = [
        InterruptOpened(asked),
        InterruptClosed("i1", yes),
        InterruptClosed("i1", no),
        InterruptOpened(asked),
    ]
    for seq, event in enumerate(steps, start=1):
        fold(state, seq, seq, event)
    assert state.interrupts["i1"]["decision"]["payload"] == {"approved": True}


def test_what_belongs_to_nothing_that_is_known_is_passed_over() -> None:
    state = State(EPOCH)
    for seq, event in enumerate(
        [
            TurnWaiting("t1", ("i1",)),
            TurnResumed("t1"),
            TurnBlocked("t1", "error", "?"),
            TurnProgress("t1", 1),
            TurnFinished("t1", "completed"),
            InterruptUpdated("i1", {"claim": {}}),
            InterruptClosed("i1", Decision("resolved", None, ALICE, "rest", 1)),
            UnknownEvent("later"),
        ],
        start=1,
    ):
        fold(state, seq, seq, event)
    assert state == State(EPOCH, seq=8)


def test_a_page_without_end_has_everything() -> None:
    assert snapshot(chat(3), None, None)["more"] is False
    assert len(snapshot(chat(3), None, None)["messages"]) == 6
