"""Racing: the first of several operations is settled, and the turn takes back what it asked besides."""

from __future__ import annotations

from msgspec.structs import replace

from holdfast.core import decisions
from holdfast.core.asking import timed, timer_name
from holdfast.core.commit import Commit, Writer
from holdfast.core.deadlines import member
from holdfast.core.events import ChunkWritten
from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, InterruptRecord
from holdfast.core.operations import Failure, Operation
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord

REASON = "something else was settled first"


def take_back(
    session: SessionRecord,
    turn: TurnRecord,
    writer: Writer,
    won: Operation,
    losers: list[Operation],
    asked: list[InterruptRecord],
    now_ms: int,
) -> Commit:
    """Record which operation won, and withdraw what the others wait for; one commit.

    `asked` are the records of the turn's open interrupts. One that was answered meanwhile keeps its decision, and
    nothing comes of it.
    """
    commit = Commit(turn.session, "first", by=writer, operations=[won])
    pending = [loser for loser in losers if loser.status != "done"]
    decision = Decision("withdrawn", {"reason": REASON}, By("system", turn.agent), "system", now_ms)
    mine = [record for record in asked if any(_asks(loser, record) for loser in pending)]
    decisions.close_all(commit, session, mine, decision)
    commit.events.extend(_output(turn, loser) for loser in pending if loser.status in ("asking", "started"))
    commit.operations.extend(_withdrawn(loser) for loser in pending)
    timers = [name for name in turn.open if any(_sleeps(loser, name) for loser in pending)]
    commit.drop_deadlines.extend(member("timer", turn.id, timed(name)) for name in timers)
    closed = {record.id for record in mine} | {*timers}
    commit.puts.append(replace(turn, open=tuple(name for name in turn.open if name not in closed)))
    return commit


def _asks(loser: Operation, record: InterruptRecord) -> bool:
    """Whether the operation, or the body of its tool, asked this."""
    return record.operation == loser.key or record.operation.startswith(f"{loser.key}/")


def _sleeps(loser: Operation, name: str) -> bool:
    """Whether the operation, or the agent that does it, waits for this time."""
    own = timer_name(loser.key)
    return name == own or name.startswith(f"{own}/")


def _withdrawn(loser: Operation) -> Operation:
    if loser.status == "started":  # in doubt: taking the question back does not answer it
        failure = Failure("InDoubt", "whether it ran is not known")
        return replace(loser, status="done", outcome="failed", failure=failure, reason=failure.message)
    return replace(loser, status="done", outcome="withdrawn", reason=REASON)


def _output(turn: TurnRecord, loser: Operation) -> ChunkWritten:
    """A tool whose body was begun shows how that ended."""
    call = loser.call_id
    chunk = {"type": "tool-output-error", "toolCallId": call, "errorText": _withdrawn(loser).reason}
    return ChunkWritten(turn=turn.id, message=turn.message, chunk=chunk)
