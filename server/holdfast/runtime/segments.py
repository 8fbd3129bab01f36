"""Segments: what another framework does between two pauses, streamed as one operation, with its tools' effects in it.

    ┌ segment ───────────────────────────────┐
    │ text … effect: started ─run─▶ done … … │──▶ done: its value is recorded, nothing of it is done again
    └────────────────────────────────────────┘
                 worker dies here: the segment is done again, but of its effects
                   done     given as recorded, if the framework asks for the same call again
                   started  in doubt: an operator says whether it happened
                   others   that will not come again under the same id: an operator says whether to do it all again

See docs/design/bring-your-agent.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit, Writer
from holdfast.core.decisions import in_doubt_approvers
from holdfast.core.errors import BadInput, LimitReached, ReplayDiverged
from holdfast.core.interrupts import Decision
from holdfast.core.operations import Failure, Operation
from holdfast.core.turns import TurnRecord
from holdfast.runtime import asking, judging, stepping
from holdfast.runtime.asking import Question
from holdfast.runtime.branches import was_asked_to_stop
from holdfast.runtime.calling import FAILURE_MAX
from holdfast.runtime.execution import Execution
from holdfast.runtime.results import StepFailed
from holdfast.runtime.stepping import as_json
from holdfast.store.failpoints import reached

LOST = ":lost"  # in the key of an effect whose result cannot be given from the record
SHOWN_MAX = 20  # calls that the question whether to do it all again names
SHOWN_MAX_BYTES = 64 * 1024  # of their arguments: a question goes into one event


class Slot:
    """Room in the record for something without effects, such as what a model said."""

    def __init__(self, x: Execution, operation: Operation) -> None:
        self._x, self._operation = x, operation

    @property
    def full(self) -> bool:
        return self._operation.status == "done"

    @property
    def value(self) -> Any:
        return self._operation.value

    async def keep(self, value: Any) -> Any:
        """Record it, in JSON values. Gives it as it will be read."""
        self._operation = replace(self._operation, status="done", outcome="done", value=as_json(value))
        await self._x.guarded(stepping.record(self._x, self._operation))
        return self._operation.value


class Segment:
    """One segment, as the generator that streams it sees it."""

    def __init__(self, x: Execution, key: str, place: int, name: str, known: Collection[str] | None) -> None:
        #: Tells it apart from all others of its turn.
        self.key = key
        self._x, self._place, self._name = x, place, name
        #: Effects of it that would be in doubt.
        self._holds = 0
        #: Calls that the framework makes again under the same id, if the segment is done again. None: all of them.
        self._known = known

    async def effect(
        self,
        tool: str,
        call: str,
        input: Any,
        run: Callable[[], Awaitable[Any]],
        *,
        idempotent: bool = False,
        ungoverned: Callable[[], None] | None = None,
    ) -> Any:
        """Have one of the framework's tools run: recorded before and after, and given from the record the next time.

        `call` tells it apart in this segment. `run` gives JSON values. May be used from any task of the framework's.
        Where a policy has a word to say about a call that nobody has permitted yet, and that was not begun before,
        `ungoverned` is to raise what makes the framework stop for it.

        Raises:
            StepFailed: it failed when it ran the first time.     Exception: whatever it raises now.
        """
        x = self._x
        operation = await self._operation(tool, call, input)
        if operation.status == "done":
            return _outcome(operation)
        if ungoverned is not None and not operation.attempts and await self._governed(tool, input):
            ungoverned()
        await self._may_begin()
        with x.branches.effect():
            started = replace(operation, status="started", attempts=operation.attempts + 1, doubt=None)
            if not idempotent:
                await x.guarded(self._begin(started, holds=not self._comes_again(operation)))
            reached("before execute")
            x.environment.executed(tool, input)
            try:
                value = as_json(await run())
            except BaseException as error:
                if isinstance(error, Exception | SystemExit) or not was_asked_to_stop():
                    failure = Failure(type(error).__name__, str(error)[:FAILURE_MAX])
                    await self._end(replace(started, outcome="failed", failure=failure))
                raise  # dropped while it ran: it is in doubt
            reached("after execute")
            return _outcome(await self._end(replace(started, outcome="done", value=value)))

    async def step(self, name: str, run: Callable[[], Awaitable[Any]]) -> Any:
        """Something without effects, such as what a model said: kept, so that a segment done again sees the same.

        `run` gives JSON values. What it raises is not kept.
        """
        slot = self.slot(name)
        return slot.value if slot.full else await slot.keep(await run())

    def slot(self, name: str) -> Slot:
        """The next room of this name; full, if a worker that died had come so far."""
        x = self._x
        key = x.journal.name("step", name, self.key)
        new = Operation(x.turn.id, key, "step", "waiting", place=self._place)
        return Slot(x, x.journal.operations.get(key, new))

    async def begins(self, tool: str, call: str, input: Any) -> None:
        """Something begins whose result cannot be given from the record: it will not come again (see the top)."""
        operation = await self._operation(tool, call, input, LOST)
        await self._may_begin()
        started = replace(operation, status="started", attempts=operation.attempts + 1)
        await self._x.guarded(self._begin(started, holds=True))

    async def governed(self, tool: str, call: str, input: Any) -> bool:
        """Whether a policy has a word to say about a call that the framework is about to make; not if it was begun."""
        known = self._x.journal.operations.values()
        if any(one.call == call and one.key.startswith(f"{self.key}/") for one in known):
            return False
        return await self._governed(tool, input)

    async def _operation(self, tool: str, call: str, input: Any, marked: str = "") -> Operation:
        x, named = self._x, f"{tool}:{call}{marked}"
        key = x.journal.name("tool", named, self.key)
        new = Operation(x.turn.id, key, "tool", "waiting", _digest(input), input, place=self._place, call=call)
        operation = x.journal.operations.get(key, new)
        try:
            x.journal.same_arguments(operation, new.inputHash)
        except ReplayDiverged as error:
            await x.give_up(error)
        return operation

    async def _governed(self, tool: str, input: Any) -> bool:
        return await self._x.guarded(judging.governed(self._x, tool, input))

    async def _may_begin(self) -> None:
        x = self._x
        if x.sealed or x.turn.cancel or (x.reins.halted and not x.branches.holding):
            await x.halt()
        if what := x.journal.exceeded(1):
            record = x.journal.recorded
            most = record.max if what == "operations" else record.max_bytes
            await x.give_up(LimitReached(f"A turn has at most {most} {what}.", limit=most))
        try:
            x.writer.check_lease()
        except Exception as error:  # noqa: BLE001 - it must not reach the framework, which might swallow it
            await x.give_up(error)

    async def _begin(self, started: Operation, *, holds: bool) -> None:
        commit = _recording(started, "begin")
        await self._x.writer.commit(commit, self._x.journal)
        self._x.journal.record(started)
        self._holds += holds
        self._x.branches.holding += holds

    async def _end(self, ended: Operation) -> Operation:
        ended = replace(ended, status="done")
        await self._x.guarded(stepping.record(self._x, ended))
        return ended

    # The whole of it.

    async def perform(self, fn: Callable[..., AsyncIterator[Any]], args: tuple[Any, ...]) -> Any:
        """Stream it, or give what is recorded of it. Raises StepFailed."""
        x = self._x
        operation = x.journal.operations.get(self.key)
        if operation is not None and operation.status == "done":
            return _outcome(operation, self._name)
        await self._settle()
        try:
            value = await stepping.flow(x, self.key, fn(self, *args))
            new = Operation(x.turn.id, self.key, "stream", "done", place=self._place)
            done = x.journal.operations.get(self.key, new)
            await stepping.record(x, replace(done, status="done", outcome="done", value=value))
        finally:
            x.branches.holding -= self._holds
        return value

    # In doubt.

    async def _settle(self) -> None:
        """What a worker began that died: asked about before anything is done again."""
        known = self._x.journal.operations
        inside = [one for key, one in known.items() if key.startswith(f"{self.key}/") and one.kind == "tool"]
        again = [one for one in inside if self._comes_again(one) and one.status == "started"]
        lost = [one for one in inside if not self._comes_again(one)]
        asked = [await self._asked(one, self._about(one)) for one in again]
        whole = await self._asked_whole(lost) if lost else None
        for one in asked:
            await self._decided(one)
        if whole is not None:
            await self._decided(whole)

    def _comes_again(self, operation: Operation) -> bool:
        if f"{LOST}:" in operation.key:
            return False
        return self._known is None or operation.call in self._known

    async def _asked(self, operation: Operation, question: Question) -> Operation:
        if operation.doubt is not None:
            return operation
        return await asking.put(self._x, question, operation, doubt=True)

    async def _asked_whole(self, lost: list[Operation]) -> Operation:
        """Asked anew when there are more of them by now: the former answer was not about those."""
        new = Operation(self._x.turn.id, self.key, "stream", "started", place=self._place)
        operation = self._x.journal.operations.get(self.key, new)
        begun = sum(one.attempts for one in lost)
        if operation.attempts != begun:
            operation = replace(operation, attempts=begun, doubt=None)
        return await self._asked(operation, self._about_all(lost))

    async def _decided(self, operation: Operation) -> None:
        decision = await asking.decision_of(self._x, operation.doubt)
        if not _may_run(decision):
            whole = operation.key == self.key
            failure = Failure("InDoubt", _words(self._name if whole else operation.key, decision))
            ended = replace(operation, outcome="failed", failure=failure)
            if not whole and decision.status == "resolved":
                ended = replace(operation, outcome="done", value=decision.body.get("result"))
            await self._end(ended)
            if whole:
                _outcome(ended, self._name)

    def _about(self, operation: Operation) -> Question:
        tool = self._tool(operation)
        message = f"The worker died while {tool} ran. Did it happen?"
        return Question("in_doubt", tool, message, operation.input, approvers=in_doubt_approvers())

    def _tool(self, operation: Operation) -> str:
        return operation.key.removeprefix(f"{self.key}/").split(":", 2)[1]

    def _about_all(self, lost: list[Operation]) -> Question:
        calls = [{"tool": self._tool(one), "input": one.input} for one in lost[:SHOWN_MAX]]
        names = ", ".join(dict.fromkeys(str(call["tool"]) for call in calls))
        if len(msgspec.json.encode(calls)) > SHOWN_MAX_BYTES:
            calls = [{"tool": call["tool"]} for call in calls]
        message = (
            f"The worker died in the middle of {self._name}, after it had begun {names}. To go on, all of it is done "
            "again, and may have them twice. Do they stand (then it fails here), or not (then it is done again)?"
        )
        return Question("in_doubt", self._name, message, {"calls": calls}, approvers=in_doubt_approvers())


def _digest(input: Any) -> str | None:
    """None: of arguments that have no canonical form, such as numbers that are too large for it."""
    try:
        return input_hash(input)
    except BadInput:
        return None


def _may_run(decision: Decision) -> bool:
    return decision.status == "resolved" and decision.body.get("ran") is False


def _words(what: str, decision: Decision) -> str:
    if decision.status == "resolved":
        return f"{what} was begun by a worker that died, and stands as it is"
    return f"whether {what} ran is not known"


def _outcome(operation: Operation, name: str = "") -> Any:
    if operation.failure is not None:
        raise StepFailed(name or operation.key, operation.failure.type, operation.failure.message)
    return operation.value


def _recording(operation: Operation, label: str) -> Callable[[TurnRecord, Writer], Commit]:
    def build(turn: TurnRecord, by: Writer) -> Commit:
        return Commit(turn.session, label, by=by, operations=[operation], durable=True)

    return build
