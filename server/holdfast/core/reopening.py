"""Reopening: a turn that failed is retried, from what it has recorded."""

from __future__ import annotations

from msgspec.structs import replace

from holdfast.core.commit import Commit
from holdfast.core.errors import LimitReached
from holdfast.core.events import TurnQueued
from holdfast.core.operations import Operation
from holdfast.core.session import QUEUE_MAX, SessionRecord
from holdfast.core.turns import TurnRecord, next_status


def reopen(session: SessionRecord, turn: TurnRecord, clear: list[Operation]) -> Commit:
    """An operator retries a turn that failed: it goes on from its record, behind what the session does now.

    `clear` are the failed steps that are tried anew. All else that is recorded stays: no effect happens again.

    Raises:
        LimitReached: too many turns are queued already.
    """
    assert next_status(turn.status, "reopen") == "queued"
    assert turn.end == "failed", "what was done or cancelled stays so"
    queued = replace(turn, status="queued", end=None, result=None, error=None, lapses=0, done_at_lapse=0, reopened=True)
    ahead = len(session.queue) + bool(session.active)
    told = TurnQueued(turn.id, turn.agent, session.active, ahead, branch=turn.branch or None)
    commit = Commit(turn.session, "retry", events=[told], forgets=clear)
    if session.active is not None or session.info.takeover is not None:  # nothing starts before the handback
        if len(session.queue) >= QUEUE_MAX:
            raise LimitReached(f"{QUEUE_MAX} turns are queued already.", limit=QUEUE_MAX, behind=session.active)
        commit.puts = [queued, replace(session, queue=(*session.queue, turn.id))]
        return commit
    ready = replace(queued, status="ready")
    commit.puts = [ready, replace(session, active=turn.id)]
    commit.jobs = [turn.job]
    return commit


def failed_steps(operations: list[Operation]) -> list[Operation]:
    """The steps that failed last, if they are what a turn failed of: to be tried anew when it is retried.

    Steps alone may be done again. One from which the function went on stays failed, for what followed is recorded.
    """
    last = max((operation.place for operation in operations), default=0)
    there = [operation for operation in operations if operation.place == last and "/" not in operation.key]
    if any(operation.kind == "first" for operation in there):  # who won is recorded
        return []
    return [operation for operation in there if operation.kind == "step" and operation.outcome == "failed"]
