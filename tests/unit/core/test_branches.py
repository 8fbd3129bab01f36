"""Branches: which messages are shown on which, and what stands beside what."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest

from holdfast.core import branches
from holdfast.core.events import Event, MessageWritten, SessionCreated, SessionUpdated, TurnFinished, TurnQueued
from holdfast.core.events import TurnStarted as Started
from holdfast.core.folding import State, absorb, dump, fold, from_snapshot, history, load, snapshot
from holdfast.core.messages import Message
from holdfast.core.session import Branch, SessionInfo

# root: t1 t2 t3 · b = t4 t5, for t2 · c = t6, for t5 on b · d = t7, for t2 once more (t4 edited)
B, C, D = Branch("t4", "", "t2"), Branch("t6", "t4", "t5"), Branch("t7", "", "t2")
ON = {"t1": "", "t2": "", "t3": "", "t4": "t4", "t5": "t4", "t6": "t6", "t7": "t7"}
SHOWN = {
    "": ["t1", "t2", "t3"],
    "t4": ["t1", "t4", "t5"],
    "t6": ["t1", "t4", "t6"],
    "t7": ["t1", "t7"],
}


def info(branch: str = "", *known: Branch) -> SessionInfo:
    return SessionInfo("s", "a", "alice", {"alice": "owner"}, 1, branch=branch, branches=known)


def said(turn: str, role: Any = "user") -> Message:
    return Message(f"{turn}{role[0]}", role, [{"type": "text", "text": turn}])


def events() -> list[Event]:
    found: list[Event] = [SessionCreated(info())]
    begins = {"t4": info("t4", B), "t6": info("t6", B, C), "t7": info("t7", B, C, D)}
    for turn, branch in ON.items():
        if turn in begins:
            found.append(SessionUpdated(begins[turn]))
        found += [
            MessageWritten(said(turn), turn),
            TurnQueued(turn, "a", branch=branch or None),
            Started(turn, "a", f"{turn}a"),
            MessageWritten(said(turn, "assistant"), turn),
            TurnFinished(turn, "completed"),
        ]
    return found


def folded(upto: int | None = None, state: State | None = None) -> State:
    state = state or State(epoch="e")
    for seq, event in enumerate(events()[:upto], start=1):
        fold(state, seq, seq * 10, event)
    return state


def texts(state: State, branch: str | None = None) -> list[str]:
    return [placed.message.text for placed in branches.visible(state, branch)]


def pairs(turns: list[str]) -> list[str]:
    return [turn for turn in turns for _ in range(2)]


@pytest.mark.parametrize("branch", SHOWN)
def test_a_branch_shows_what_was_before_it_and_what_was_said_on_it(branch: str) -> None:
    assert texts(folded(), branch) == pairs(SHOWN[branch])


def test_without_a_name_it_is_the_one_that_is_shown() -> None:
    assert texts(folded()) == pairs(SHOWN["t7"])
    assert texts(folded(6)) == ["t1", "t1"]


def test_versions_stand_side_by_side_whichever_of_them_was_replaced() -> None:
    now = info("t7", B, C, D)
    for turn, branch in (("t2", ""), ("t4", "t4"), ("t7", "t7")):
        assert branches.versions(now, turn, branch) == ["t2", "t4", "t7"]
        assert branches.fork(now, turn, branch) == ("", "t2")
    assert branches.versions(now, "t6", "t6") == branches.versions(now, "t5", "t4") == ["t5", "t6"]
    assert branches.versions(now, "t1", "") == ["t1"]


def test_the_past_is_the_same_by_snapshot_checkpoint_and_log() -> None:
    """Promise 9, with branches."""
    whole = json.dumps(snapshot(folded(), None, None), sort_keys=True)
    for upto in range(len(events()) + 1):
        device = from_snapshot(json.loads(json.dumps(snapshot(folded(upto), None, None))), "e", upto)
        assert json.dumps(snapshot(folded(state=device), None, None), sort_keys=True) == whole
        kept = load(dump(folded(upto)))
        assert json.dumps(snapshot(folded(state=kept), None, None), sort_keys=True) == whole


@pytest.mark.parametrize(("limit", "branch"), list(itertools.product([1, 2, 5], SHOWN)))
def test_a_device_with_a_page_shows_a_part_and_with_all_pages_all(limit: int, branch: str) -> None:
    server = folded()
    given = json.loads(msgspec.json.encode(snapshot(server, limit)))
    device = from_snapshot(given, "e", server.seq)
    before, more = given["before"], given["more"]
    while more:
        part = texts(device, branch)
        assert part == pairs(SHOWN[branch])[len(pairs(SHOWN[branch])) - len(part) :]
        past = history(server, before, limit)
        absorb(device, past.events)
        before, more = past.start, past.more
    assert texts(device, branch) == pairs(SHOWN[branch])
