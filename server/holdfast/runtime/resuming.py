"""Resuming: everything that the store knows of a turn, for whoever has just taken it."""

from __future__ import annotations

from holdfast.core.commit import Commit
from holdfast.runtime.execution import Environment, Execution
from holdfast.runtime.history import Histories, beginning, events_since
from holdfast.runtime.journal import Journal, Record
from holdfast.runtime.transcript import rewinding, without_void
from holdfast.runtime.writer import LeaseLost, TurnWriter
from holdfast.store.door import Door
from holdfast.store.instructions import ERASED_MAX
from holdfast.store.log import Log


async def resume(environment: Environment, door: Door, log: Log, histories: Histories, writer: TurnWriter) -> Execution:
    """From the record alone, whatever happened before. What a worker streamed and did not record is taken back.

    Raises:
        LeaseLost: its session is gone, or the turn is another's.
    """
    turn = writer.turn
    operations = await door.operations(turn.id)
    asked = [one for op in operations.values() for one in (op.interrupt, op.doubt) if one]
    view = await door.read(turn.session, turns=(turn.id,), interrupts=tuple(asked))
    if view.session is None:
        raise LeaseLost(f"{turn.id}: its session is gone")
    writer.set_clock(view.now_ms)
    await writer.look()
    begins = turn.begins or await beginning(log, turn)
    events, head = await events_since(log, turn.session, begins)
    transcript, voided = without_void(turn.id, turn.message, events, operations)
    writer.transcript = transcript
    writer.loaded(head)
    if voided:
        await _rewind(writer)
    past = await histories.before(turn, begins)
    journal = Journal(Record(operations, view.interrupts))
    return Execution(environment, view.session, writer, journal, past)


async def _rewind(writer: TurnWriter) -> None:
    """Take back what a worker streamed and did not live to record."""
    event, positions = rewinding(writer.transcript)
    erases = positions[:ERASED_MAX]
    await writer.commit(lambda turn, by: Commit(turn.session, "rewind", by=by, events=[event], erases=erases))
    writer.transcript.positions = [*positions[ERASED_MAX:][::-1], writer.transcript.positions[-1]]
