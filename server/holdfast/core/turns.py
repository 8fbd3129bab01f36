"""Turns: one run of an agent, from what caused it to its end.

    queued ──promote──▶ ready ──take──▶ running ──wait──▶ waiting
                          ▲               │  │               │
                          ├───release─────┘  └──finish──▶ finished
                          └───resume─────────────────────────┘

At most one turn of a session is not queued and not finished: the session's record names it, and whoever ends it
promotes the next in the same commit. Only turns of gates (core/gates.py) are beside that: they begin as waiting, and
nobody runs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit, Fence, Job, Writer
from holdfast.core.deadlines import Deadline, member
from holdfast.core.events import (
    Event,
    TurnBlocked,
    TurnEnd,
    TurnFinished,
    TurnQueued,
    TurnResumed,
    TurnStarted,
    TurnWaiting,
)
from holdfast.core.identity import By
from holdfast.core.ids import message_id
from holdfast.core.records import Record
from holdfast.core.session import SessionRecord

LAPSES_MAX = 10  # workers that one turn may cost at the same place before an operator must look at it
LEASE_MS = 12_000  # three missed heartbeats; a turn is taken over at most 15 s after its worker was killed

TurnStatus = Literal["queued", "ready", "running", "waiting", "blocked", "finished"]
Step = Literal["promote", "take", "wait", "hold", "resume", "release", "block", "retry", "finish", "cancel", "reopen"]

#: How turns are listed: those that have not ended, those that failed and may be retried, and the others.
TurnGroup = Literal["open", "failed", "ended"]
TURN_GROUPS: tuple[TurnGroup, ...] = ("open", "failed", "ended")

TRANSITIONS: dict[tuple[TurnStatus, Step], TurnStatus] = {
    ("queued", "promote"): "ready",  # the turn before it ended
    ("queued", "cancel"): "finished",
    ("ready", "take"): "running",  # a worker has the lease
    ("ready", "block"): "blocked",  # no worker has its version
    ("ready", "cancel"): "finished",
    ("running", "wait"): "waiting",  # only people or time can carry it on; nothing is held in memory
    ("running", "resume"): "running",  # the last answer came before the worker let go
    ("running", "release"): "ready",  # the worker stops, or its lease ran out
    ("running", "block"): "blocked",  # the code diverged from its record
    ("running", "finish"): "finished",
    ("running", "cancel"): "running",  # a flag: results in flight are recorded first
    ("waiting", "hold"): "waiting",  # all is settled: ready to continue, as soon as somebody says so
    ("waiting", "resume"): "ready",  # nothing it waits for is open
    ("waiting", "cancel"): "finished",  # in the cancel's own commit, without running user code
    ("waiting", "finish"): "finished",  # a gate's: its decision is its result
    ("blocked", "take"): "running",  # a worker of its version appeared
    ("blocked", "retry"): "ready",
    ("blocked", "cancel"): "finished",
    ("finished", "reopen"): "queued",  # it failed, and an operator retries it: what is recorded stays
}


def next_status(status: TurnStatus, step: Step) -> TurnStatus | None:
    """The status after `step`, or None where the step makes no sense."""
    return TRANSITIONS.get((status, step))


#: Stands among what a turn waits for, from a decision that does not continue it by itself until one `continue` wins.
CONTINUE = "continue"


class Requester(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose message caused the turn."""

    subject: str
    roles: tuple[str, ...] = ()
    name: str | None = None


class Continued(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who let the turn go on, where its decisions did not."""

    by: By
    at: int
    via: str
    ref: str | None = None


class Steering(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message for a turn that runs or waits, until its agent looks. If that never does, it causes `turn`."""

    message: str
    turn: str
    requester: Requester
    agent_version: str
    at_ms: int


class TurnRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """What is stored of a turn."""

    kind = "turn"
    turn: str
    session: str
    agent: str
    #: Only workers that registered this version of the agent take it.
    agent_version: str
    status: TurnStatus
    requester: Requester
    created_at_ms: int
    #: The message that caused it.
    cause: str | None = None
    input: Any = None
    #: The agent's message that it writes.
    message: str
    #: Ids of interrupts that are open for it, names of its timers, and CONTINUE.
    open: tuple[str, ...] = ()
    #: The last `continue` that won.
    continued: Continued | None = None
    #: It waits for the first of them, not for all (`turn.first`).
    race: bool = False
    #: Leases that ran out in a row: since it last waited, was retried, or recorded something as done.
    lapses: int = 0
    #: Operations that were done when a lease of it last ran out.
    done_at_lapse: int = 0
    #: How often it was taken: the number of its next fence.
    takes: int = 0
    started: bool = False
    #: It had failed, and has not been taken since it was retried.
    reopened: bool = False
    #: Where its `turn.started` stands in the log, once its worker has noted it. A hint: the core has no use for it.
    begins: int | None = None
    #: It is a gate's, and waits from its beginning: no worker runs it, and its decision ends it.
    external: bool = False
    #: Who asked that it stop, while it runs.
    cancel: By | None = None
    #: What was said to it while it ran or waited, and its agent has not looked at yet.
    steering: tuple[Steering, ...] = ()
    #: The branch on which it speaks; empty: the one on which the session began.
    branch: str = ""
    #: The turn by which somebody replaced it.
    replaced_by: str | None = None
    #: Why it is blocked: {code, message}.
    blocked: dict[str, str] | None = None
    end: TurnEnd | None = None
    result: Any = None
    error: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return self.turn

    @property
    def held(self) -> bool:
        """Whether somebody must say that it may go on, once nothing else is open."""
        return CONTINUE in self.open

    @property
    def ready_to_continue(self) -> bool:
        """Whether that is all that it waits for; what else is open may stay so, where the first was enough."""
        return self.held and (self.race or len(self.open) == 1)

    @property
    def group(self) -> TurnGroup:
        if self.status != "finished":
            return "open"
        return "failed" if self.end == "failed" else "ended"

    @property
    def queue(self) -> str:
        return f"{self.agent}@{self.agent_version}"

    @property
    def job(self) -> Job:
        return Job(self.turn, self.queue)


def open_interrupts(turn: TurnRecord) -> tuple[str, ...]:
    """The interrupts that a turn waits for; what else it waits for are its timers."""
    return tuple(name for name in turn.open if name.startswith("i_"))


def take(turn: TurnRecord, epoch: str, lease_ms: int = LEASE_MS) -> tuple[Commit, Fence]:
    """A worker takes a ready turn: its fence makes everything older bounce."""
    number = turn.takes + 1
    fence = Fence(epoch, number)
    events: list[Event] = []
    if not turn.started:
        events.append(TurnStarted(turn=turn.id, agent=turn.agent, message=turn.message))
    elif turn.status == "blocked" or turn.reopened:
        events.append(TurnResumed(turn=turn.id))
    taken = replace(turn, reopened=False, status=_step(turn, "take"), takes=number, started=True, blocked=None)
    commit = Commit(
        turn.session,
        "take",
        puts=[taken],
        events=events,
        fences={turn.id: fence},
        set_deadlines=[Deadline("lease", turn.id, in_ms=lease_ms)],
        drop_jobs=[turn.job],
        epoch=epoch,
    )
    return commit, fence


def renew(turn: TurnRecord, epoch: str, lease_ms: int = LEASE_MS) -> tuple[Commit, Fence]:
    """The store restarted and shows all that the turn's worker wrote: the same worker goes on, under a new fence."""
    number = turn.takes + 1
    fence = Fence(epoch, number)
    commit = Commit(
        turn.session,
        "renew",
        puts=[replace(turn, takes=number)],
        fences={turn.id: fence},
        set_deadlines=[Deadline("lease", turn.id, in_ms=lease_ms)],
        epoch=epoch,
    )
    return commit, fence


def heartbeat(turn: TurnRecord, writer: Writer, lease_ms: int = LEASE_MS) -> Commit:
    """The worker is alive and keeps the turn."""
    return Commit(turn.session, "heartbeat", by=writer, set_deadlines=[Deadline("lease", turn.id, in_ms=lease_ms)])


def wait(turn: TurnRecord, writer: Writer, race: tuple[str, ...] = ()) -> Commit:
    """Nothing can go on: let go of the turn, unless the last answer has come meanwhile; then it goes on at once.

    Of those in `race`, the first answer is enough. The commit guards the same version as every closing of its
    interrupts, so that of an answer and this exactly one comes first and the other one sees it.
    """
    if not turn.open or (not turn.held and any(name not in turn.open for name in race)):
        return Commit(
            turn.session,
            "resume",
            by=writer,
            puts=[replace(turn, status=_step(turn, "resume"))],
            events=[TurnResumed(turn=turn.id)],
        )
    return Commit(
        turn.session,
        "wait",
        by=writer,
        puts=[replace(turn, status=_step(turn, "wait"), lapses=0, race=bool(race))],
        events=[TurnWaiting(turn=turn.id, open=turn.open)],
        **_let_go(turn),
    )


def close_open(turn: TurnRecord, name: str, *, hold: bool = False) -> tuple[TurnRecord, list[Event], list[Job]]:
    """One thing that the turn waited for is settled. When it was the last, or it waited for the first, it goes on.

    Exactly once: who goes on is not waiting any more. With `hold` it goes on after a `continue`, as the last of all.
    """
    left = tuple(other for other in turn.open if other != name)
    if hold and name in turn.open and not turn.held:
        left = (*left, CONTINUE)
    changed = replace(turn, open=left)
    if turn.status != "waiting" or name not in turn.open:
        return changed, [], []
    if changed.ready_to_continue:
        return replace(changed, status=_step(turn, "hold")), [TurnWaiting(turn=turn.id, open=left)], []
    if left and (changed.held or not turn.race):
        return changed, [], []
    ready = replace(changed, status=_step(turn, "resume"), race=False)
    return ready, [TurnResumed(turn=turn.id)], [turn.job]


def carry_on(turn: TurnRecord, continued: Continued) -> Commit:
    """Somebody says that a turn whose questions are all settled may go on. The caller has seen that it is ready to."""
    assert turn.ready_to_continue
    changed, events, jobs = close_open(replace(turn, continued=continued), CONTINUE)
    entry = AuditEntry("turn.continued", turn.session, continued.by, turn=turn.id, via=continued.via, ref=continued.ref)
    return Commit(turn.session, "continue", puts=[changed], events=events, jobs=jobs, audit=[entry], durable=True)


def ring(turn: TurnRecord, operation: str, name: str) -> Commit:
    """A sleep of the turn is over."""
    changed, events, jobs = close_open(turn, name)
    return Commit(
        turn.session,
        "ring",
        puts=[changed],
        events=events,
        jobs=jobs,
        due=[member("timer", turn.id, operation)],
        drop_deadlines=[member("timer", turn.id, operation)],
    )


def release(turn: TurnRecord, by: Writer | None = None) -> Commit:
    """Its worker stops: the turn is anybody's again."""
    return Commit(
        turn.session,
        "release",
        by=by,
        puts=[replace(turn, status=_step(turn, "release"))],
        jobs=[turn.job],
        **_let_go(turn),
    )


def lapse(turn: TurnRecord, done: int = 0) -> Commit:
    """Its lease ran out: the turn is anybody's again. One whose workers die again and again is blocked.

    `done` operations are recorded as done. A long turn that gets on between two deaths is not one that kills.
    """
    lapses = 1 if done > turn.done_at_lapse else turn.lapses + 1
    counted = replace(turn, lapses=lapses, done_at_lapse=done)
    if lapses >= LAPSES_MAX:
        commit = block(counted, "workers_die", f"Its worker was lost {lapses} times in a row.")
    else:
        freed = replace(counted, status=_step(turn, "release"))
        commit = Commit(turn.session, "lapse", puts=[freed], jobs=[turn.job], **_let_go(turn))
    commit.due.append(member("lease", turn.id))
    return commit


def block(turn: TurnRecord, code: str, message: str, by: Writer | None = None) -> Commit:
    """The turn cannot go on until an operator acts. What it asks stays answerable."""
    return Commit(
        turn.session,
        "block",
        by=by,
        puts=[replace(turn, status=_step(turn, "block"), blocked={"code": code, "message": message})],
        events=[TurnBlocked(turn=turn.id, code=code, message=message)],
        **(_let_go(turn) if turn.status == "running" else {}),
    )


def retry(turn: TurnRecord) -> Commit:
    """An operator lets a blocked turn try again."""
    ready = _step(turn, "retry")
    if turn.open:  # only an answer can carry it on; then it tries
        return Commit(
            turn.session,
            "retry",
            puts=[replace(turn, status="waiting", blocked=None)],
            events=[TurnWaiting(turn=turn.id, open=turn.open)],
        )
    return Commit(
        turn.session,
        "retry",
        puts=[replace(turn, status=ready, blocked=None, lapses=0)],
        jobs=[turn.job],
        events=[TurnResumed(turn=turn.id)],
    )


def finish(
    session: SessionRecord,
    turn: TurnRecord,
    following: TurnRecord | None,
    end: TurnEnd,
    *,
    by: Writer | None = None,
    result: Any = None,
    error: dict[str, Any] | None = None,
    who: By | None = None,
) -> Commit:
    """End the turn and start the next one, in one commit (rule a).

    `following` is the record of the first turn in the session's queue, if there is one. What was said to steer the
    turn, and its agent never looked at, comes before that: each such message causes a turn now. Where the turn was
    replaced it does not: what replaces it has it in its history.
    """
    _step(turn, "finish" if turn.status == "running" else "cancel")
    ended = replace(
        turn,
        status="finished",
        end=end,
        result=result,
        error=error,
        open=(),
        cancel=None,
        blocked=None,
        steering=(),
    )
    commit = Commit(
        turn.session,
        "finish",
        by=by,
        puts=[ended],
        events=[TurnFinished(turn=turn.id, status=end, result=result, error=error, by=who)],
        drop_jobs=[turn.job],
    )
    commit.drop_deadlines.extend(
        member("timer", turn.id, name.removeprefix("timer ")) for name in turn.open if name.startswith("timer ")
    )
    if turn.status == "running":
        commit.drop_deadlines.append(member("lease", turn.id))
        commit.fences[turn.id] = None
    if session.active == turn.id:
        missed = () if turn.replaced_by else turn.steering
        _promote(commit, session, following, [_caused_by(turn, said) for said in missed])
    else:
        commit.puts.append(without(session, turn))
    return commit


def without(session: SessionRecord, turn: TurnRecord) -> SessionRecord:
    """The session when a turn that was not its active one has ended."""
    queue = tuple(other for other in session.queue if other != turn.id)
    return replace(session, queue=queue, gates=tuple(other for other in session.gates if other != turn.id))


def ask_to_stop(turn: TurnRecord, who: By) -> Commit:
    """Flag a running turn: its worker records what is in flight and ends it as cancelled (rule j)."""
    return Commit(turn.session, "cancel", puts=[replace(turn, cancel=who)], nudges=[turn.id])


def cancelled_entry(turn: TurnRecord, who: By, via: str, ref: str | None) -> AuditEntry:
    return AuditEntry("turn.cancelled", turn.session, who, turn=turn.id, via=via, ref=ref)


def _caused_by(turn: TurnRecord, said: Steering) -> TurnRecord:
    """The turn that a message causes which was meant to steer another."""
    return TurnRecord(
        turn=said.turn,
        session=turn.session,
        agent=turn.agent,
        agent_version=said.agent_version,
        status="queued",
        requester=said.requester,
        created_at_ms=said.at_ms,
        cause=said.message,
        message=message_id(said.turn),
        branch=turn.branch,
    )


def _promote(
    commit: Commit, session: SessionRecord, following: TurnRecord | None, missed: Sequence[TurnRecord] = ()
) -> None:
    before: str | None = None
    for ahead, late in enumerate(missed):
        commit.events.append(TurnQueued(late.id, late.agent, before, ahead, late.cause, late.branch or None))
        before = before or late.id
    if missed:
        following, *others = missed
        commit.puts.extend(others)
        session = replace(session, queue=(*(late.id for late in missed), *session.queue))
    if session.info.takeover is not None:  # nothing starts before the handback
        commit.puts.extend((replace(session, active=None), *missed[:1]))
        return
    if following is None:
        assert not session.queue, "the next turn must be read before this one is ended"
        commit.puts.append(replace(session, active=None))
        return
    commit.puts.append(promote(commit, session, following))


def promote(commit: Commit, session: SessionRecord, following: TurnRecord) -> SessionRecord:
    """Let the first turn of the queue be ready. Gives the session with it, to be set."""
    assert session.queue[0] == following.id
    commit.puts.append(replace(following, status=_step(following, "promote")))
    commit.jobs.append(following.job)
    return replace(session, active=following.id, queue=session.queue[1:])


def _step(turn: TurnRecord, step: Step) -> TurnStatus:
    status = next_status(turn.status, step)
    assert status is not None, f"{step} of a turn that is {turn.status}"
    return status


def _let_go(turn: TurnRecord) -> dict[str, Any]:
    return {"drop_deadlines": [member("lease", turn.id)], "fences": {turn.id: None}}
