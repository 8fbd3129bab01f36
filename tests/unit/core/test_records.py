"""Records: each has a kind, an id, and a version that is 0 until it is written."""

from __future__ import annotations

import pytest

from holdfast.core.interrupts import Interrupt, InterruptRecord
from holdfast.core.records import Record
from holdfast.core.session import SessionInfo, SessionRecord
from holdfast.core.turns import Requester, TurnRecord

SESSION = SessionRecord(info=SessionInfo("s", "a", "alice", {"alice": "owner"}, 1), salt="x")
TURN = TurnRecord(
    turn="t_1.s",
    session="s",
    agent="a",
    agent_version="1",
    status="ready",
    requester=Requester("alice"),
    created_at_ms=1,
    message="m",
)
INTERRUPT = InterruptRecord(interrupt=Interrupt("i_1.s", "gate", "s", "t_1.s", "confirmation"), operation="gate:g:1")


@pytest.mark.parametrize(
    ("record", "kind", "own_id"),
    [(SESSION, "session", "s"), (TURN, "turn", "t_1.s"), (INTERRUPT, "interrupt", "i_1.s")],
)
def test_a_record_knows_what_it_is(record: Record, kind: str, own_id: str) -> None:
    assert (record.kind, record.id, record.version) == (kind, own_id, 0)


def test_a_record_is_changed_by_making_another() -> None:
    with pytest.raises(AttributeError):
        SESSION.version = 1  # type: ignore[misc]


def test_a_kind_without_an_id_is_none() -> None:
    with pytest.raises(NotImplementedError):
        Record().id  # noqa: B018
