"""Turns: the whole table, and what each step makes true together."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from holdfast.core import turns
from holdfast.core.commit import Commit, Fence, Job, Writer
from holdfast.core.deadlines import Deadline, member
from holdfast.core.events import (
    TurnBlocked,
    TurnFinished,
    TurnResumed,
    TurnStarted,
    TurnWaiting,
)
from holdfast.core.identity import By
from holdfast.core.session import SessionInfo, SessionRecord
from holdfast.core.turns import Requester, Step, TurnRecord, TurnStatus, next_status

STATES: tuple[TurnStatus, ...] = get_args(TurnStatus)
STEPS: tuple[Step, ...] = get_args(Step)
ALICE = By("person", "alice")
FENCE = Fence("1-a", 3)
WRITER = Writer("t_1.s", FENCE, 4)

AFTER: dict[tuple[str, str], str] = {
    ("queued", "promote"): "ready",
    ("queued", "cancel"): "finished",
    ("ready", "take"): "running",
    ("ready", "block"): "blocked",
    ("ready", "cancel"): "finished",
    ("running", "wait"): "waiting",
    ("running", "resume"): "running",
    ("running", "release"): "ready",
    ("running", "block"): "blocked",
    ("running", "finish"): "finished",
    ("running", "cancel"): "running",
    ("waiting", "hold"): "waiting",
    ("waiting", "resume"): "ready",
    ("waiting", "cancel"): "finished",
    ("waiting", "finish"): "finished",
    ("blocked", "take"): "running",
    ("blocked", "retry"): "ready",
    ("blocked", "cancel"): "finished",
    ("finished", "reopen"): "queued",
}


def turn(status: TurnStatus = "running", own_id: str = "t_1.s", **fields: Any) -> TurnRecord:
    given = {"requester": Requester("alice"), "created_at_ms": 1, "message": "m", "version": 5, "takes": 3}
    return TurnRecord(turn=own_id, session="s", agent="a", agent_version="1", status=status, **(given | fields))


def session(active: str | None = "t_1.s", *queue: str) -> SessionRecord:
    info = SessionInfo("s", "a", "alice", {"alice": "owner"}, 1)
    return SessionRecord(info=info, salt="x", active=active, queue=queue, version=9)


def put(commit: Commit, own_id: str) -> Any:
    [record] = [record for record in commit.puts if record.id == own_id]
    return record


def test_the_table() -> None:
    every = itertools.product(STATES, STEPS)
    assert {pair: next_status(*pair) for pair in every} == {
        pair: AFTER.get(pair) for pair in itertools.product(STATES, STEPS)
    }


def test_only_a_retry_leaves_the_end_and_every_state_can_be_cancelled() -> None:
    assert [step for step in STEPS if next_status("finished", step)] == ["reopen"]
    assert all(next_status(state, "cancel") is not None for state in STATES if state != "finished")


def test_every_state_can_be_reached_and_left_for_the_end() -> None:
    reached: set[str] = {"queued", "ready"}
    for _ in STATES:
        reached |= {after for (before, _), after in AFTER.items() if before in reached}
    assert reached == set(STATES)
    ending = {"finished"}
    for _ in STATES:
        ending |= {before for (before, _), after in AFTER.items() if after in ending}
    assert ending == set(STATES)


# ---------------------------------------------------------------- a worker's steps


def test_a_take_raises_the_fence_and_is_told_once() -> None:
    commit, fence = turns.take(turn("ready"), "1-a")
    taken = put(commit, "t_1.s")
    assert (taken.status, taken.takes, taken.version) == ("running", 4, 5)
    assert fence == Fence("1-a", 4)
    assert commit.fences == {"t_1.s": fence}
    assert commit.set_deadlines == [Deadline("lease", "t_1.s", in_ms=turns.LEASE_MS)]
    assert commit.drop_jobs == [Job("t_1.s", "a@1")]
    assert commit.events == [TurnStarted("t_1.s", "a", "m")]
    again, _ = turns.take(replace(taken, status="ready"), "1-a")
    assert again.events == []


def test_a_take_of_a_blocked_turn_unblocks_it() -> None:
    commit, _ = turns.take(turn("blocked", blocked={"code": "x", "message": "y"}), "1-a")
    assert put(commit, "t_1.s").blocked is None


@pytest.mark.parametrize("status", ["queued", "running", "waiting", "finished"])
def test_what_is_not_ready_is_not_taken(status: TurnStatus) -> None:
    with pytest.raises(AssertionError):
        turns.take(turn(status), "1-a")


def test_a_heartbeat_changes_the_lease_alone() -> None:
    commit = turns.heartbeat(turn(), WRITER, 500)
    assert (commit.by, commit.puts, commit.events) == (WRITER, [], [])
    assert commit.set_deadlines == [Deadline("lease", "t_1.s", in_ms=500)]


def test_waiting_lets_go() -> None:
    commit = turns.wait(turn(open=("i_1.s", "timer sleep:x:1")), WRITER)
    assert put(commit, "t_1.s").status == "waiting"
    assert commit.events == [TurnWaiting("t_1.s", ("i_1.s", "timer sleep:x:1"))]
    assert (commit.fences, commit.drop_deadlines) == ({"t_1.s": None}, ["lease t_1.s"])


def test_waiting_for_what_has_come_already_goes_on_at_once() -> None:
    commit = turns.wait(turn(open=()), WRITER)
    assert put(commit, "t_1.s").status == "running"
    assert commit.events == [TurnResumed("t_1.s")]
    assert (commit.fences, commit.drop_deadlines, commit.jobs) == ({}, [], [])


def test_a_race_goes_on_with_the_first_and_only_once() -> None:
    waiting = put(turns.wait(turn(open=("i_1.s", "i_2.s")), WRITER, ("i_1.s", "i_2.s")), "t_1.s")
    assert (waiting.status, waiting.race) == ("waiting", True)
    ready, events, jobs = turns.close_open(waiting, "i_1.s")
    assert (ready.status, ready.open, ready.race) == ("ready", ("i_2.s",), False)
    assert (events, jobs) == ([TurnResumed("t_1.s")], [Job("t_1.s", "a@1")])
    assert turns.close_open(ready, "i_2.s")[1:] == ([], [])


def test_a_race_that_was_won_before_the_worker_let_go_goes_on_at_once() -> None:
    commit = turns.wait(turn(open=("i_2.s",)), WRITER, ("i_1.s", "i_2.s"))
    assert put(commit, "t_1.s").status == "running"
    assert commit.events == [TurnResumed("t_1.s")]


def test_only_deaths_at_the_same_place_count() -> None:
    first = put(turns.lapse(turn(lapses=4, done_at_lapse=2), done=2), "t_1.s")
    assert (first.lapses, first.done_at_lapse) == (5, 2)
    further = put(turns.lapse(first_running(first), done=3), "t_1.s")
    assert (further.lapses, further.done_at_lapse) == (1, 3)


def first_running(record: TurnRecord) -> TurnRecord:
    return replace(record, status="running")


def test_both_ends_of_the_race_guard_the_same_version() -> None:
    waiting = put(turns.wait(turn(open=("i_1.s",)), WRITER), "t_1.s")
    closing, _, _ = turns.close_open(turn(open=("i_1.s",)), "i_1.s")
    assert waiting.version == closing.version == 5


def test_a_release_makes_it_anybodys() -> None:
    commit = turns.release(turn(), WRITER)
    assert (put(commit, "t_1.s").status, commit.jobs, commit.due) == ("ready", [Job("t_1.s", "a@1")], [])
    assert (commit.label, commit.fences) == ("release", {"t_1.s": None})
    lapse = turns.lapse(turn())
    assert (lapse.label, lapse.by, lapse.due) == ("lapse", None, [member("lease", "t_1.s")])
    assert (put(lapse, "t_1.s").status, put(lapse, "t_1.s").lapses, lapse.jobs) == ("ready", 1, [Job("t_1.s", "a@1")])


def test_a_turn_whose_workers_die_again_and_again_is_blocked() -> None:
    poison = turns.lapse(turn(lapses=turns.LAPSES_MAX - 1))
    blocked = put(poison, "t_1.s")
    assert (blocked.status, blocked.blocked and blocked.blocked["code"]) == ("blocked", "workers_die")
    assert (poison.jobs, poison.due, poison.fences) == ([], [member("lease", "t_1.s")], {"t_1.s": None})
    assert put(turns.retry(blocked), "t_1.s").lapses == 0
    assert put(turns.wait(turn(lapses=3, open=("i_1.s",)), WRITER), "t_1.s").lapses == 0


@pytest.mark.parametrize("status", ["ready", "running"])
def test_a_block_is_visible_and_keeps_what_is_asked(status: TurnStatus) -> None:
    commit = turns.block(turn(status, open=("i_1.s",)), "replay_diverged", "why")
    blocked = put(commit, "t_1.s")
    assert (blocked.status, blocked.open) == ("blocked", ("i_1.s",))
    assert blocked.blocked == {"code": "replay_diverged", "message": "why"}
    assert commit.events == [TurnBlocked("t_1.s", "replay_diverged", "why")]
    assert commit.fences == ({"t_1.s": None} if status == "running" else {})


# ---------------------------------------------------------------- the continuation


def test_the_last_one_closed_resumes_exactly_once() -> None:
    waiting = turn("waiting", open=("i_1.s", "i_2.s", "timer sleep:x:1"))
    told: list[Any] = []
    for name in ("i_2.s", "timer sleep:x:1", "i_1.s", "i_1.s", "i_9.s"):
        waiting, events, jobs = turns.close_open(waiting, name)
        told += events
        assert [job.turn for job in jobs] == [event.turn for event in events]
    assert told == [TurnResumed("t_1.s")]
    assert (waiting.status, waiting.open) == ("ready", ())


def test_in_whatever_order() -> None:
    names = ("i_1.s", "i_2.s", "i_3.s")
    for order in itertools.permutations(names):
        current, resumed = turn("waiting", open=names), []
        for name in order:
            current, events, _ = turns.close_open(current, name)
            resumed.append(len(events))
        assert resumed == [0, 0, 1]


@pytest.mark.parametrize("status", ["running", "blocked", "ready", "finished"])
def test_only_what_waits_is_resumed(status: TurnStatus) -> None:
    # A running turn sees at its own "now waiting" that nothing is open; a blocked one is an operator's.
    changed, events, jobs = turns.close_open(turn(status, open=("i_1.s",)), "i_1.s")
    assert (changed.status, changed.open, events, jobs) == (status, (), [], [])


def test_what_it_does_not_wait_for_resumes_nothing() -> None:
    waiting = turn("waiting", open=("i_1.s",))
    assert turns.close_open(waiting, "i_2.s") == (waiting, [], [])


# ---------------------------------------------------------------- an operator's and a person's steps


def test_a_retry_is_ready_again() -> None:
    commit = turns.retry(turn("blocked", blocked={"code": "x", "message": "y"}))
    retried = put(commit, "t_1.s")
    assert (retried.status, retried.blocked, commit.jobs) == ("ready", None, [Job("t_1.s", "a@1")])
    assert commit.events == [TurnResumed("t_1.s")]


def test_a_retry_of_what_still_asks_waits_on_and_says_so() -> None:
    commit = turns.retry(turn("blocked", open=("i_1.s",), blocked={"code": "x", "message": "y"}))
    assert (put(commit, "t_1.s").status, commit.jobs) == ("waiting", [])
    assert commit.events == [TurnWaiting("t_1.s", ("i_1.s",))]


@pytest.mark.parametrize("status", [state for state in STATES if state != "blocked"])
@pytest.mark.parametrize("opened", [(), ("i_1.s",)])
def test_only_what_is_blocked_is_retried(status: TurnStatus, opened: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError):
        turns.retry(turn(status, open=opened))


def test_asking_a_running_turn_to_stop_is_a_flag() -> None:
    commit = turns.ask_to_stop(turn(), ALICE)
    asked = put(commit, "t_1.s")
    assert (asked.status, asked.cancel, commit.events, commit.nudges) == ("running", ALICE, [], ["t_1.s"])


# ---------------------------------------------------------------- the end


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_the_end_is_told_with_all_there_is(end: Any) -> None:
    running = turn(open=("i_1.s",), cancel=ALICE)
    error = {"code": "x", "message": "y"}
    commit = turns.finish(session(), running, None, end, by=WRITER, result=[1], error=error, who=ALICE)
    ended = put(commit, "t_1.s")
    assert (ended.status, ended.end, ended.open, ended.cancel) == ("finished", end, (), None)
    assert commit.events == [TurnFinished("t_1.s", end, [1], error, ALICE)]
    assert (commit.fences, commit.drop_deadlines) == ({"t_1.s": None}, ["lease t_1.s"])
    assert put(commit, "s").active is None


def test_whoever_ends_a_turn_starts_the_next_one() -> None:
    following = turn("queued", "t_2.s", version=2)
    commit = turns.finish(session("t_1.s", "t_2.s", "t_3.s"), turn(), following, "completed", by=WRITER)
    after = put(commit, "s")
    assert (after.active, after.queue) == ("t_2.s", ("t_3.s",))
    assert (put(commit, "t_2.s").status, put(commit, "t_2.s").version) == ("ready", 2)
    assert commit.jobs == [Job("t_2.s", "a@1")]


def test_a_queue_is_never_dropped_by_an_end() -> None:
    with pytest.raises(AssertionError):
        turns.finish(session("t_1.s", "t_2.s"), turn(), None, "completed")
    with pytest.raises(AssertionError):
        turns.finish(session("t_1.s", "t_2.s", "t_3.s"), turn(), turn("queued", "t_3.s"), "completed")


def test_a_queued_turn_ends_without_moving_the_active_one() -> None:
    commit = turns.finish(session("t_1.s", "t_2.s", "t_3.s"), turn("queued", "t_2.s"), None, "cancelled", who=ALICE)
    after = put(commit, "s")
    assert (after.active, after.queue, commit.jobs) == ("t_1.s", ("t_3.s",), [])
    assert (commit.fences, commit.drop_deadlines) == ({}, [])


@pytest.mark.parametrize("status", ["ready", "waiting", "blocked"])
def test_what_no_worker_has_ends_without_one(status: TurnStatus) -> None:
    commit = turns.finish(session(), turn(status, blocked={"code": "x", "message": "y"}), None, "cancelled")
    ended = put(commit, "t_1.s")
    assert (ended.status, ended.blocked, commit.by) == ("finished", None, None)
    assert commit.drop_jobs == [Job("t_1.s", "a@1")]


def test_what_has_ended_does_not_end_again() -> None:
    with pytest.raises(AssertionError):
        turns.finish(session(None), turn("finished", end="completed"), None, "cancelled")


def test_who_cancelled_is_in_the_trail() -> None:
    entry = turns.cancelled_entry(turn(), ALICE, "rest", "r")
    assert (entry.action, entry.by, entry.turn, entry.via, entry.ref) == (
        "turn.cancelled", ALICE, "t_1.s", "rest", "r"
    )  # fmt: skip


# ---------------------------------------------------------------- ready to continue


@pytest.mark.parametrize(
    ("status", "open_", "left", "after", "events"),
    [
        ("waiting", ("i_1",), ("continue",), "waiting", [TurnWaiting("t_1.s", ("continue",))]),
        ("waiting", ("i_1", "i_2"), ("i_2", "continue"), "waiting", []),
        ("waiting", ("continue", "i_1"), ("continue",), "waiting", [TurnWaiting("t_1.s", ("continue",))]),
        ("running", ("i_1",), ("continue",), "running", []),
        ("blocked", ("i_1",), ("continue",), "blocked", []),
        ("waiting", ("i_2",), ("i_2",), "waiting", []),
    ],
)
def test_a_decision_that_does_not_continue(
    status: TurnStatus, open_: tuple[str, ...], left: tuple[str, ...], after: str, events: list[Any]
) -> None:
    changed, told, jobs = turns.close_open(turn(status, open=open_), "i_1", hold=True)
    assert (changed.open, changed.status, told, jobs) == (left, after, events, [])


def test_what_continues_by_itself_does_not_where_another_does_not() -> None:
    changed, told, jobs = turns.close_open(turn("waiting", open=("i_1", "continue")), "i_1")
    assert (changed.ready_to_continue, changed.status, jobs) == (True, "waiting", [])
    assert told == [TurnWaiting("t_1.s", ("continue",))]


def test_where_the_first_is_enough_it_waits_for_the_continue_alone() -> None:
    racing = turn("waiting", open=("i_1", "i_2"), race=True)
    held, told, jobs = turns.close_open(racing, "i_1", hold=True)
    assert (held.ready_to_continue, told, jobs) == (True, [TurnWaiting("t_1.s", ("i_2", "continue"))], [])
    assert put(turns.carry_on(held, turns.Continued(ALICE, 7, "test")), "t_1.s").status == "ready"
    running = turn(open=("i_2", "continue"))
    assert put(turns.wait(running, WRITER, ("i_1", "i_2")), "t_1.s").ready_to_continue


def test_continuing_is_the_continuation() -> None:
    continued = turns.Continued(ALICE, 7, "test", "r1")
    commit = turns.carry_on(turn("waiting", open=("continue",)), continued)
    record = put(commit, "t_1.s")
    assert (record.status, record.open, record.continued) == ("ready", (), continued)
    assert (commit.events, commit.jobs) == ([TurnResumed("t_1.s")], [Job("t_1.s", "a@1")])
    assert [entry.action for entry in commit.audit] == ["turn.continued"]
    assert commit.durable


def test_a_worker_that_has_not_let_go_is_told_by_the_record() -> None:
    commit = turns.carry_on(turn("running", open=("continue",)), turns.Continued(ALICE, 7, "test"))
    assert (put(commit, "t_1.s").status, commit.events, commit.jobs) == ("running", [], [])
    assert isinstance(turns.wait(put(commit, "t_1.s"), WRITER).events[0], TurnResumed)
    waiting = turns.wait(turn(open=("continue",)), WRITER)
    assert (put(waiting, "t_1.s").status, waiting.events) == ("waiting", [TurnWaiting("t_1.s", ("continue",))])
