"""Events: stored bytes come back as they went, and what a later version wrote is passed over."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.core import events
from holdfast.core.identity import By
from holdfast.core.interrupts import Approvers, Decision, Interrupt
from holdfast.core.messages import Message
from holdfast.core.session import SessionInfo

INFO = SessionInfo("s", "a", "alice", {"alice": "owner"}, 1, "Title", {"k": [1, None]})
MESSAGE = Message("m", "user", [{"type": "text", "text": "é🦊\u2028"}], {"by": {"id": "alice"}})
SHOWN = Interrupt("i_1.s", "approval", "s", "t_1.s", "tool_call", input={"n": 0}, approvers=Approvers(("m",)))
DECISION = Decision("resolved", {"approved": False}, By("person", "bob"), "rest", 5)

ALL: list[events.Event] = [
    events.SessionCreated(INFO),
    events.SessionUpdated(INFO),
    events.SessionDeleted(By("person", "alice")),
    events.StateChanged({"a": [1, None]}, 3, By("person", "alice")),
    events.MessageWritten(MESSAGE, "t_1.s", 3),
    events.MessageRewound(MESSAGE, "t_1.s"),
    events.ChunkWritten("t_1.s", "m", {"type": "text-delta", "id": "0", "delta": "\x00"}, "text:0"),
    events.TurnQueued("t_1.s", "a", "t_0.s", 2, "m"),
    events.TurnStarted("t_1.s", "a", "m"),
    events.TurnSteered("t_1.s", ("m_1",)),
    events.TurnWaiting("t_1.s", ("i_1.s",)),
    events.TurnResumed("t_1.s"),
    events.TurnBlocked("t_1.s", "replay_diverged", "why"),
    events.TurnProgress("t_1.s", {"done": 0.5}),
    events.TurnFinished("t_1.s", "failed", None, {"code": "x", "message": "y"}, By("system", "a")),
    events.InterruptOpened(SHOWN),
    events.InterruptUpdated("i_1.s", {"claim": None}),
    events.InterruptClosed("i_1.s", DECISION),
]


def test_every_event_is_tried_here() -> None:
    assert {type(event) for event in ALL} == set(events.Event.__args__)


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_round_trip(event: events.Event) -> None:
    stored = events.encode(event)
    assert events.decode(stored) == event
    assert msgspec.json.decode(stored)["type"] == type(event).__struct_config__.tag
    assert b"\n" not in stored


def test_position_and_time_are_not_in_the_bytes() -> None:
    for event in ALL:
        assert not {"seq", "epoch"} & set(msgspec.json.decode(events.encode(event)))


def test_a_later_field_is_passed_over() -> None:
    assert events.decode(b'{"type":"turn.resumed","turn":"t","new":1}') == events.TurnResumed("t")


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        (b'{"type":"state.changed","x":1}', "state.changed"),
        (b'{"type":"turn.resumed"}', "turn.resumed"),
        (b"{}", ""),
    ],
)
def test_what_is_not_understood_is_kept_as_unknown(stored: bytes, kind: str) -> None:
    assert events.decode(stored) == events.UnknownEvent(kind)
