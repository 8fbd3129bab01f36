"""What is said to a turn while it runs or waits: its agent looks when it likes, and a replay sees what it saw then."""

from __future__ import annotations

import msgspec

from holdfast.core import arriving
from holdfast.core.messages import Message
from holdfast.core.operations import Operation
from holdfast.runtime import stepping
from holdfast.runtime.execution import Execution

NAME = "steering"


async def look(x: Execution) -> list[Message]:
    """What was said since the last look, oldest first."""
    key = x.journal.name("observed", NAME)
    operation = x.journal.operations.get(key)
    if operation is None:
        await x.writer.look()  # whatever was acknowledged to its sender before is seen
        operation = await take_in(x, key) if x.turn.steering else stepping.seen(x, key, [])
    return msgspec.convert(operation.value, list[Message])


async def take_in(x: Execution, key: str) -> Operation:
    """Recorded at once, with the turn that has it no more: a message is taken in exactly once."""
    said = await x.writer.said([one.message for one in x.turn.steering])
    value = msgspec.to_builtins(list(said.values()))
    operation = Operation(x.turn.id, key, "observed", "done", outcome="done", value=value)
    await x.writer.commit(lambda turn, by: arriving.taken_in(turn, by, list(said), operation), x.journal)
    x.journal.record(operation)
    return operation
