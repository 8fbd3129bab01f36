"""The session's shared document, from within a turn: what was read is recorded, and what is changed is changed once."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from holdfast.core import documents
from holdfast.core.commit import Commit, Writer
from holdfast.core.errors import Refused
from holdfast.core.identity import By
from holdfast.core.operations import Failure, Operation
from holdfast.core.turns import TurnRecord
from holdfast.runtime.execution import Execution
from holdfast.runtime.results import StepFailed

READ, PATCH = "state", "patch_state"


async def read(x: Execution, key: str, place: int) -> dict[str, Any]:
    """The document as it stands when it is first asked for."""
    operation = x.journal.operations.get(key)
    if operation is None:
        value = (await x.writer.document()).value
        operation = Operation(x.turn.id, key, "step", "done", place=place, outcome="done", value=value)
        recorded = operation
        await x.writer.commit(lambda turn, by: Commit(turn.session, "record", by=by, operations=[recorded]), x.journal)
        x.journal.record(operation)
    return operation.value


async def patch(x: Execution, key: str, place: int, given: documents.Operations, version: int | None) -> int:
    """Change the document in the commit that records it: a crash leaves both, or neither.

    Raises:
        StepFailed: it could not be applied, and so it is told on every replay.
    """
    operation = x.journal.operations.get(key)
    if operation is None:
        operation = await _commit(x, Operation(x.turn.id, key, "step", "done", place=place), given, version)
    if operation.failure is not None:
        raise StepFailed(PATCH, operation.failure.type, operation.failure.message)
    return operation.value


async def _commit(x: Execution, begun: Operation, given: documents.Operations, version: int | None) -> Operation:
    made: list[Operation] = []

    async def build(turn: TurnRecord, writer: Writer) -> Commit:
        # Read anew each time: a guard that failed means that a device was faster.
        document = await x.writer.document()
        try:
            commit = documents.patching(document, given, version, By("system", turn.agent))
            done = replace(begun, outcome="done", value=document.version + 1)
        except Refused as error:
            commit = Commit(turn.session, "record")
            done = replace(begun, outcome="failed", failure=Failure(type(error).__name__, error.message))
        made[:] = [done]
        commit.by, commit.operations = writer, [done]
        return commit

    await x.writer.commit(build, x.journal)
    x.journal.record(*made)
    return made[0]
