"""Takeover: by every status of the turn; who may, what is held, and what goes on after it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from holdfast.core import conversation, takeover, turns
from holdfast.core.commit import Commit
from holdfast.core.conversation import Sent, user_message
from holdfast.core.errors import Forbidden
from holdfast.core.events import MessageWritten, SessionUpdated, TurnFinished
from holdfast.core.identity import OPERATOR, Principal
from holdfast.core.session import SessionInfo, SessionRecord, Takeover
from holdfast.core.turns import Requester, Steering, TurnRecord, TurnStatus

ALICE, OLGA = Principal("alice", name="Alice"), Principal("olga", roles=(OPERATOR,), name="Olga")
ACTIVE: list[TurnStatus] = [one for one in get_args(TurnStatus) if one not in ("queued", "finished")]
INFO = SessionInfo("s", "a", "alice", {"alice": "owner"}, 1)
TAKEN = replace(INFO, takeover=Takeover(OLGA.by, 40))


def session(active: str | None, *queue: str, info: SessionInfo = TAKEN) -> SessionRecord:
    return SessionRecord(info=info, salt="x", active=active, queue=queue, version=9)


def turn(status: TurnStatus = "running", own_id: str = "t_1.s", **fields: Any) -> TurnRecord:
    given = {"requester": Requester("alice"), "created_at_ms": 1, "message": "m", "version": 5, "takes": 3}
    return TurnRecord(turn=own_id, session="s", agent="a", agent_version="1", status=status, **(given | fields))


def put(commit: Commit, own_id: str) -> Any:
    [record] = [record for record in commit.puts if record.id == own_id]
    return record


def sent(by: Principal = ALICE) -> Sent:
    return Sent(user_message("Hello", session="s", principal=by, ref="r1"), None, by.subject, "r1")


def back(active: TurnRecord | None, *queued: TurnRecord, answered: bool = False) -> Commit:
    now = session(active.id if active else None, *(one.id for one in queued))
    return takeover.hand_back(now, active, list(queued), OLGA, "test", "r", answered=answered)


@pytest.mark.parametrize(
    ("who", "may"),
    [(ALICE, False), (OLGA, True), (Principal("root", can=("admin",)), True), (Principal("x", roles=("boss",)), False)],
)
def test_who_may(who: Principal, may: bool) -> None:
    with nullcontext() if may else pytest.raises(Forbidden):
        takeover.check_may(who)


@pytest.mark.parametrize("status", ACTIVE)
def test_what_runs_is_asked_to_stop_and_what_waits_is_left_alone(status: TurnStatus) -> None:
    before = turn(status, open=("i_1.s",))
    commit = takeover.take(session("t_1.s", info=INFO), before, OLGA, 40, "test", "r")
    assert put(commit, "s").info == TAKEN
    assert commit.events == [SessionUpdated(TAKEN)]
    stops = status == "running"
    assert put(commit, "t_1.s") == replace(before, cancel=OLGA.by if stops else None)
    assert [entry.action for entry in commit.audit] == ["session.taken_over", *(["turn.cancelled"] if stops else [])]


@pytest.mark.parametrize("status", ACTIVE)
def test_no_turn_runs_meanwhile_but_one_that_is_to_end(status: TurnStatus) -> None:
    assert takeover.keeps_from_running(session("t_1.s"), turn(status))
    assert not takeover.keeps_from_running(session("t_1.s"), turn(status, cancel=ALICE.by))
    assert not takeover.keeps_from_running(session("t_1.s", info=INFO), turn(status))


def test_a_message_queues_though_nothing_runs() -> None:
    commit, new = conversation.send(session(None, "t_1.s"), ALICE, sent(), "1", 50)
    assert (new.status, commit.jobs) == ("queued", [])
    assert (put(commit, "s").active, put(commit, "s").queue) == (None, ("t_1.s", new.id))


@pytest.mark.parametrize("steering", [(), (Steering("m_a", "t_a.s", Requester("alice"), "1", 30),)])
def test_who_ends_a_turn_starts_none(steering: tuple[Steering, ...]) -> None:
    commit = turns.finish(session("t_1.s", "t_2.s"), turn(steering=steering), turn("queued", "t_2.s"), "completed")
    assert put(commit, "s").active is None
    assert put(commit, "s").queue == (*(one.turn for one in steering), "t_2.s")
    assert commit.jobs == []
    assert [record.status for record in commit.puts if isinstance(record, TurnRecord)][1:] == ["queued"] * len(steering)


@pytest.mark.parametrize("status", ACTIVE)
def test_handed_back_the_held_turn_goes_on_if_it_can(status: TurnStatus) -> None:
    held = turn(status)
    commit = back(held, turn("queued", "t_2.s"))
    assert put(commit, "s").info == INFO
    assert commit.guards == [held]
    assert commit.jobs == ([held.job] if status in ("ready", "blocked") else [])


def test_handed_back_the_first_that_queued_starts() -> None:
    commit = back(None, turn("queued", "t_2.s"))
    assert (put(commit, "t_2.s").status, put(commit, "s").active, put(commit, "s").queue) == ("ready", "t_2.s", ())
    assert len(commit.jobs) == 1
    assert put(back(None), "s").active is None


def test_what_the_operator_has_answered_needs_no_turn() -> None:
    commit = back(None, turn("queued", "t_2.s"), turn("queued", "t_3.s"), answered=True)
    assert (put(commit, "s").active, put(commit, "s").queue, commit.jobs) == (None, (), [])
    ended = [(event.turn, event.status) for event in commit.events if isinstance(event, TurnFinished)]
    assert ended == [("t_2.s", "cancelled"), ("t_3.s", "cancelled")]


def test_an_operator_speaks_in_the_agents_place_under_their_own_name() -> None:
    now = session(None)
    assert takeover.holds(now, OLGA)
    assert not takeover.holds(now, ALICE)
    assert not takeover.holds(session(None, info=INFO), OLGA)
    commit = takeover.say(now, sent(OLGA))
    [event] = commit.events
    assert isinstance(event, MessageWritten)
    assert (event.turn, event.message.role, event.message.text) == (None, "assistant", "Hello")
    assert event.message.metadata is not None
    assert event.message.metadata["by"] == {"kind": "person", "id": "olga", "name": "Olga"}
    assert (commit.puts, commit.jobs, commit.guards) == ([], [], [now])
