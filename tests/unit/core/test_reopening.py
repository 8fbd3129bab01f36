"""Reopening: where a failed turn goes on, and which of its steps are tried anew."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import reopening, turns
from holdfast.core.commit import Commit, Job
from holdfast.core.errors import LimitReached
from holdfast.core.events import TurnQueued, TurnResumed
from holdfast.core.identity import By
from holdfast.core.operations import Operation
from holdfast.core.session import QUEUE_MAX, SessionInfo, SessionRecord, Takeover
from holdfast.core.turns import Requester, TurnRecord


def session(active: str | None, *queue: str) -> SessionRecord:
    info = SessionInfo("s", "a", "alice", {"alice": "owner"}, 1)
    return SessionRecord(info=info, salt="x", active=active, queue=queue, version=9)


def failed(**fields: Any) -> TurnRecord:
    given = {"requester": Requester("alice"), "created_at_ms": 1, "message": "m", "version": 5, "end": "failed"}
    given |= {"error": {"code": "x", "message": "y"}, "lapses": 3}
    return TurnRecord(turn="t_1.s", session="s", agent="a", agent_version="1", status="finished", **(given | fields))


def put(commit: Commit, own_id: str) -> Any:
    [record] = [record for record in commit.puts if record.id == own_id]
    return record


@pytest.mark.parametrize("changed", [{"end": "completed"}, {"end": "cancelled"}])
def test_only_what_failed_is_opened_again(changed: Any) -> None:
    with pytest.raises(AssertionError):
        reopening.reopen(session(None), failed(**changed), [])


def test_a_failed_turn_goes_on_at_once_where_nothing_else_does() -> None:
    commit = reopening.reopen(session(None), failed(), [])
    again = put(commit, "t_1.s")
    assert (again.status, again.end, again.error, again.lapses, again.reopened) == ("ready", None, None, 0, True)
    assert (put(commit, "s").active, commit.jobs) == ("t_1.s", [Job("t_1.s", "a@1")])
    assert commit.events == [TurnQueued("t_1.s", "a")]
    taken, _ = turns.take(replace(again, started=True), "1-a")
    assert (taken.events, put(taken, "t_1.s").reopened) == ([TurnResumed("t_1.s")], False)


def test_it_goes_on_on_its_own_branch() -> None:
    commit = reopening.reopen(session(None), failed(branch="t_0.s"), [])
    assert commit.events == [TurnQueued("t_1.s", "a", branch="t_0.s")]
    assert put(commit, "t_1.s").branch == "t_0.s"


def test_a_failed_turn_queues_behind_what_is_there() -> None:
    commit = reopening.reopen(session("t_2.s", "t_3.s"), failed(), [])
    assert (put(commit, "t_1.s").status, put(commit, "s").queue) == ("queued", ("t_3.s", "t_1.s"))
    assert (commit.jobs, commit.events) == ([], [TurnQueued("t_1.s", "a", behind="t_2.s", ahead=2)])
    with pytest.raises(LimitReached):
        reopening.reopen(session("t_2.s", *["t_9.s"] * QUEUE_MAX), failed(), [])


def test_nothing_starts_while_somebody_speaks_in_the_agents_place() -> None:
    quiet = session(None)
    taken = replace(quiet, info=replace(quiet.info, takeover=Takeover(By("person", "olga"), 1)))
    commit = reopening.reopen(taken, failed(), [])
    assert (put(commit, "t_1.s").status, put(commit, "s").queue, commit.jobs) == ("queued", ("t_1.s",), [])


def step(key: str, place: int, outcome: Any = "failed", kind: Any = "step") -> Operation:
    return Operation("t_1.s", key, kind, "done", place=place, outcome=outcome)


CLEARED: list[tuple[list[Operation], list[str]]] = [
    ([], []),
    ([step("step:a:1", 1)], ["step:a:1"]),
    ([step("step:a:1", 2), step("step:b:1", 2), step("step:c:1", 2, "done")], ["step:a:1", "step:b:1"]),
    ([step("step:a:1", 1), step("step:b:1", 2, "done")], []),  # the function went on from it
    ([step("tool:a:1", 1, kind="tool")], []),  # its effect may have happened
    ([step("tool:a:1/step:b:1", 1)], []),
    ([step("step:a:1", 1), step("first:first:1", 1, "done", "first")], []),
]


@pytest.mark.parametrize(("operations", "cleared"), CLEARED)
def test_only_the_steps_that_failed_last_are_tried_anew(operations: list[Operation], cleared: list[str]) -> None:
    assert [one.key for one in reopening.failed_steps(operations)] == cleared
