"""Messages that do not wait for a turn's end: every status of the turn, by every way of arriving."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from msgspec.structs import replace as changed

from holdfast.core import arriving, ids, turns
from holdfast.core.commit import Commit, Fence, Writer
from holdfast.core.conversation import Sent, user_message
from holdfast.core.decisions import approves
from holdfast.core.errors import LimitReached
from holdfast.core.events import InterruptClosed, MessageWritten, TurnFinished, TurnQueued, TurnSteered
from holdfast.core.identity import Principal
from holdfast.core.interrupts import REASONS, Interrupt, InterruptRecord
from holdfast.core.operations import Operation
from holdfast.core.session import STEERING_MAX, SessionInfo, SessionRecord
from holdfast.core.turns import Requester, Steering, TurnRecord, TurnStatus

ALICE = Principal("alice", roles=("customer",), name="Alice")
ACTIVE: list[TurnStatus] = [one for one in get_args(TurnStatus) if one not in ("queued", "finished")]
NEW = ids.turn_id("s", "alice", "r1")


def session(*queue: str) -> SessionRecord:
    info = SessionInfo("s", "a", "alice", {"alice": "owner"}, 1)
    return SessionRecord(info=info, salt="x", active="t_1.s", queue=queue, version=9)


def turn(status: TurnStatus = "running", own_id: str = "t_1.s", **fields: Any) -> TurnRecord:
    given = {"requester": Requester("bob"), "created_at_ms": 1, "message": "m", "version": 5, "takes": 3}
    return TurnRecord(turn=own_id, session="s", agent="a", agent_version="1", status=status, **(given | fields))


def asked() -> InterruptRecord:
    shown = Interrupt("i_1.s", "approval", "s", "t_1.s", REASONS["approval"], toolCallId="c", toolName="refund")
    return InterruptRecord(interrupt=shown, operation="tool:x:1", version=2)


def sent(ref: str = "r1") -> Sent:
    return Sent(user_message("No, wait", session="s", principal=ALICE, ref=ref), None, "alice", ref)


def put(commit: Commit, own_id: str) -> Any:
    [record] = [record for record in commit.puts if record.id == own_id]
    return record


def replace(
    now: SessionRecord, active: TurnRecord, void: TurnRecord | None = None, *, open: bool = True
) -> tuple[Commit, TurnRecord]:
    records = [asked()] if open else []
    return arriving.replace(now, active, [void] if void else [], records, ALICE, sent(), "2", 50, "test")


# ---------------------------------------------------------------- steer


@pytest.mark.parametrize("status", ACTIVE)
def test_a_steering_message_is_said_at_once_and_kept_for_the_turn(status: TurnStatus) -> None:
    before = turn(status, open=("i_1.s",))
    commit = arriving.steer(session("t_2.s"), before, ALICE, sent(), "2", 50)
    [event] = commit.events
    assert isinstance(event, MessageWritten)
    assert event.turn == "t_1.s"
    assert event.message.metadata is not None
    assert event.message.metadata["steers"] == "t_1.s"
    said = Steering(event.message.id, NEW, Requester("alice", ("customer",), "Alice"), "2", 50)
    # What is pending stays pending, and a turn that waits goes on waiting.
    assert commit.puts == [changed(before, steering=(said,))]
    assert (commit.nudges, commit.jobs) == (["t_1.s"], [])


def test_a_turn_keeps_so_many_messages_and_no_more() -> None:
    full = turn(steering=tuple(Steering(f"m{n}", f"t_{n}.s", Requester("x"), "1", 1) for n in range(STEERING_MAX)))
    with pytest.raises(LimitReached):
        arriving.steer(session(), full, ALICE, sent(), "1", 50)
    arriving.steer(session(), changed(full, steering=full.steering[1:]), ALICE, sent(), "1", 50)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_what_the_agent_never_looked_at_causes_the_next_turns(end: Any) -> None:
    steering = (
        Steering("m_a", "t_a.s", Requester("alice"), "2", 30),
        Steering("m_b", "t_b.s", Requester("bob"), "2", 40),
    )
    commit = turns.finish(session("t_2.s"), turn(steering=steering), turn("queued", "t_2.s"), end)
    left = put(commit, "s")
    assert (left.active, left.queue) == ("t_a.s", ("t_b.s", "t_2.s"))
    first, second = put(commit, "t_a.s"), put(commit, "t_b.s")
    assert (first.status, first.cause, first.requester.subject) == ("ready", "m_a", "alice")
    assert (second.status, second.cause, second.agent_version) == ("queued", "m_b", "2")
    assert commit.jobs == [first.job]
    assert commit.events[1:] == [
        TurnQueued("t_a.s", "a", None, 0, "m_a"),
        TurnQueued("t_b.s", "a", "t_a.s", 1, "m_b"),
    ]
    assert put(commit, "t_1.s").steering == ()


def test_what_the_agent_has_taken_in_is_its_own_and_no_more_to_come() -> None:
    one, two = (Steering(f"m_{name}", f"t_{name}.s", Requester("alice"), "2", 30) for name in "ab")
    operation = Operation("t_1.s", "observed:steering:1", "observed", "done", outcome="done", value=[])
    writer = Writer("t_1.s", Fence("1-a", 3), 4)
    commit = arriving.taken_in(turn(steering=(one, two)), writer, ["m_a"], operation)
    assert put(commit, "t_1.s").steering == (two,)  # it came after the look
    assert commit.events == [TurnSteered("t_1.s", ("m_a",))]
    assert (commit.by, commit.operations) == (writer, [operation])


# ---------------------------------------------------------------- replace


@pytest.mark.parametrize("status", ["ready", "waiting", "blocked"])
def test_a_turn_that_does_not_run_ends_in_the_commit_that_replaces_it(status: TurnStatus) -> None:
    commit, new = replace(session("t_2.s"), turn(status, open=("i_1.s",)))
    assert (put(commit, "t_1.s").status, put(commit, "t_1.s").end) == ("finished", "cancelled")
    now = put(commit, "s")
    assert (now.active, now.queue) == (new.id, ("t_2.s",))  # older ones wait on, behind it
    assert put(commit, new.id).status == "ready"
    assert commit.jobs == [new.job]
    kinds = [type(event) for event in commit.events]
    assert kinds.index(InterruptClosed) < kinds.index(TurnFinished) < kinds.index(MessageWritten)
    assert commit.events[-1] == TurnQueued(new.id, "a")


def test_a_turn_that_runs_is_asked_to_stop_and_its_cards_close_at_once() -> None:
    commit, new = replace(session("t_2.s"), turn(open=("i_1.s", "timer sleep:sleep:1")))
    stopped = put(commit, "t_1.s")
    assert (stopped.status, stopped.replaced_by, stopped.open) == ("running", new.id, ("timer sleep:sleep:1",))
    assert stopped.cancel == ALICE.by
    assert (put(commit, "s").active, put(commit, "s").queue) == ("t_1.s", (new.id, "t_2.s"))
    assert put(commit, new.id).status == "queued"
    assert (commit.nudges, commit.jobs) == (["t_1.s"], [])
    assert commit.events[-1] == TurnQueued(new.id, "a", "t_1.s", 1)


@pytest.mark.parametrize("status", ACTIVE)
def test_a_question_that_was_superseded_reads_as_neither_yes_nor_no(status: TurnStatus) -> None:
    commit, _ = replace(session(), turn(status, open=("i_1.s",)))
    [closed] = [event for event in commit.events if isinstance(event, InterruptClosed)]
    assert (closed.decision.status, closed.decision.by) == ("superseded", ALICE.by)
    assert not approves(closed.decision)
    assert "newer message" in closed.decision.payload["reason"]
    assert commit.inbox_drop == ["i_1.s"]
    assert [entry.action for entry in commit.audit] == ["interrupt.closed", "turn.cancelled"]


def test_what_replaces_twice_makes_the_first_void() -> None:
    stopping = turn(cancel=ALICE.by, replaced_by="t_2.s")
    now = session("t_2.s", "t_3.s")
    assert arriving.earlier(stopping, now) == ("t_2.s",)
    assert arriving.earlier(turn(), now) == ()
    commit, new = replace(now, stopping, turn("queued", "t_2.s"), open=False)
    assert (put(commit, "t_2.s").status, put(commit, "t_2.s").end) == ("finished", "cancelled")
    assert put(commit, "s").queue == (new.id, "t_3.s")
    assert put(commit, "t_1.s").replaced_by == new.id


def test_what_steered_a_turn_that_was_replaced_causes_none() -> None:
    said = Steering("m_a", "t_a.s", Requester("alice"), "2", 30)
    commit, new = replace(session(), turn("waiting", steering=(said,)), open=False)
    assert {record.id for record in commit.puts} == {"t_1.s", "s", new.id}


# ---------------------------------------------------------------- reject


@pytest.mark.parametrize("status", ACTIVE)
def test_the_refusal_says_what_it_would_wait_for(status: TurnStatus) -> None:
    error = arriving.busy(session("t_2.s"), turn(status, open=("i_1.s",)))
    assert (error.code, error.retry, error.status) == ("session_busy", True, 503)
    assert error.details == {"turn": "t_1.s", "status": status, "open": ["i_1.s"], "queued": 1}
