"""Calling a tool: validated, judged, asked about if need be, begun, executed once, recorded.

    no record ──judge──▶ deny: recorded as done, and refused
                  │
                  ├────▶ allow ──begin──▶ started ──execute──▶ done
                  │        ▲                 │
                  └─ ask ─▶ waiting          └─ found by another worker: in doubt, unless it is idempotent

A client tool that was let through waits once more, for a device, and is never begun here.

The record `started` is written before the body runs and `done` after it: what is found between the two may have
happened (promise 5).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from holdfast.core import ids
from holdfast.core.audit import AuditEntry
from holdfast.core.canonical import input_hash
from holdfast.core.commit import Commit, Writer
from holdfast.core.decisions import approves, in_doubt_approvers
from holdfast.core.errors import BadInput, ReplayDiverged
from holdfast.core.events import EVENT_MAX_BYTES
from holdfast.core.interrupts import Decision, Interrupt
from holdfast.core.operations import Failure, Operation, OperationKind
from holdfast.core.policies import Verdict, compared
from holdfast.core.turns import TurnRecord
from holdfast.runtime import asking, judging, reviewing, stepping, tracing
from holdfast.runtime.asking import Question
from holdfast.runtime.backing import Backing, Overtaken
from holdfast.runtime.branches import was_asked_to_stop
from holdfast.runtime.call import Call, Inside
from holdfast.runtime.deciding import answered, recorded, refused
from holdfast.runtime.execution import Execution
from holdfast.runtime.results import Result
from holdfast.runtime.tools import Tool
from holdfast.store.failpoints import reached

FAILURE_MAX = 2_000  # characters of an exception that are recorded
RESULT_MAX_BYTES = EVENT_MAX_BYTES - 8 * 1024  # a result goes into one event, with room for what is around it


class ToolCall:
    """One call of one tool by one operation."""

    kind: OperationKind | None = None
    #: Where neither a rule nor the tool says; None: as the app's author chose.
    default: Verdict | None = None

    def __init__(self, x: Execution, tool: Tool[..., Any], key: str, place: int, call: str | None = None) -> None:
        """`call` is the id under which the call is shown already, if it is."""
        self.x, self.tool, self.key, self.place, self.call = x, tool, key, place, call
        self._said = judging.Said()

    async def perform(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result[Any]:
        """From the arguments to the result, going on from wherever the record has come."""
        try:
            proposed = self.tool.signature.bind(args, kwargs)
            digest = input_hash(proposed)
        except BadInput as error:
            return await self.refuse(f"{self.tool.name}: {error.message}")
        operation = self.x.journal.operations.get(self.key)
        if operation is None:
            return await self._first(self._new(proposed, digest))
        self.x.journal.same_arguments(operation, digest)
        match operation.status:
            case "done":
                return self._recorded(operation)
            case "waiting":
                return await self._decided(operation)
            case "asking":
                return await self._execute(operation)
            case "started":
                return await self._doubtful(operation)

    async def refuse(self, reason: str) -> Result[Any]:
        """A call that cannot be made is recorded too: a replay must find it where it was."""
        operation = self.x.journal.operations.get(self.key)
        if operation is None:
            operation = replace(self._new(None, None), status="done", outcome="failed", reason=reason)
            await self._commit("record", operation, [])
        self.x.journal.same_arguments(operation, None)
        return self._recorded(operation)

    # What the record says.

    def _new(self, proposed: dict[str, Any] | None, digest: str | None) -> Operation:
        kind, turn = self.kind or self.tool.kind, self.x.turn.id
        new = Operation(turn, self.key, kind, "waiting", inputHash=digest, input=proposed, place=self.place)
        return replace(new, call=self.call)

    async def _first(self, operation: Operation) -> Result[Any]:
        judged = await judging.judge(self.x, self.tool, self._call(operation.input), self._said, self.default)
        operation = judging.decided(operation, judged, self.x.writer.now_ms())
        match judged.verdict:
            case "allow":
                return await self._let_through(operation, ungated=True)
            case "ask":
                operation = await asking.put(self.x, self._question("approval", operation), operation)
                return await self._decided(operation)
            case "deny":
                return await self._denied(operation)

    async def _decided(self, operation: Operation) -> Result[Any]:
        decision = await asking.decision_of(self.x, operation.interrupt)
        if self._asked(operation).kind == "client_tool":
            return self._from_device(operation, decision)
        if not approves(decision):
            return refused(operation, decision)
        operation = self._effective(operation, decision)
        if operation.edited and (judged := await judging.forbidden(self.x, self._call(operation.input))):
            return await self._denied(judging.decided(operation, judged, self.x.writer.now_ms()))
        return await self._let_through(operation)

    async def _let_through(self, operation: Operation, *, ungated: bool = False) -> Result[Any]:
        if self.tool.kind == "client_tool":
            return await self._on_device(operation)
        return await self._execute(operation, ungated=ungated)

    async def _on_device(self, operation: Operation) -> Result[Any]:
        """A device is asked to run it: at once, or as the second thing that the call waits for."""
        asked = replace(operation, decision=None, passed=operation.interrupt)
        backing = await self._backing(operation)
        try:
            await backing.reserve()
            question = self._question("client_tool", asked)
            asked = await asking.put(self.x, question, asked, also=backing.back)
        except Overtaken as overtaken:
            await backing.give_back()
            return await self._overtaken(operation, overtaken)
        return await self._decided(asked)

    async def _backing(self, operation: Operation) -> Backing:
        if operation.attempts:  # it was let go before, and counted then
            return Backing(self.x, self.tool, operation)
        case = await judging.case_of(self.x, self._call(operation.input))
        return Backing(self.x, self.tool, operation, case, judging.charges_of(self.x, case))

    async def _overtaken(self, operation: Operation, overtaken: Overtaken) -> Result[Any]:
        """What let it pass does not stand any more: it is asked about, or judged anew."""
        assert operation.judged is not None
        if not overtaken.overruns:
            return await self._first(replace(operation, judged=None, decision=None))
        judged = judging.over_budget(replace(operation.judged, verdict="allow"), overtaken.overruns)
        operation = replace(operation, judged=judged, decision=None, passed=operation.interrupt)
        operation = await asking.put(self.x, self._question("approval", operation), operation)
        return await self._decided(operation)

    def _from_device(self, operation: Operation, decision: Decision) -> Result[Any]:
        result = answered(self._asked(operation), operation, decision)
        if result.status != "done":
            return result
        try:
            return replace(result, returned=self.tool.signature.revive(result.returned))
        except msgspec.ValidationError as error:
            reason = f"{self.tool.name}: the device's result: {error}"
            return replace(result, status="failed", returned=None, reason=reason)

    def _asked(self, operation: Operation) -> Interrupt:
        """What it waits for, or waited for."""
        return self.x.journal.interrupts[operation.interrupt or ""].interrupt

    def _effective(self, operation: Operation, decision: Decision) -> Operation:
        """With the arguments that the decision holds for: those shown, or the edited ones (promise 6)."""
        standing = input_hash(operation.input)
        if self._asked(operation).inputHash != standing:
            raise ReplayDiverged(f"{self.key}: the decision was on other arguments.")
        edited = decision.body.get("input")
        values = operation.input if edited is None else self.tool.signature.check(edited)
        if input_hash(values) == standing:
            return operation
        proposed = operation.proposed if operation.edited else operation.input
        return replace(operation, input=values, proposed=proposed)

    def _recorded(self, operation: Operation) -> Result[Any]:
        value = self.tool.signature.revive(operation.value) if operation.outcome == "done" else None
        return recorded(operation, value, self._decision(operation))

    def _decision(self, operation: Operation) -> Decision | None:
        record = self.x.journal.interrupts.get(operation.interrupt or "")
        return operation.decision or (record.decision if record else None)

    # Asking, and refusing without asking.

    async def _denied(self, operation: Operation) -> Result[Any]:
        """A rule refuses: recorded, shown and in the trail in one commit."""
        assert operation.decision is not None
        reason = judging.reason_of(operation.decision)
        ended = replace(operation, status="done", outcome="denied", reason=reason)
        chunks = [] if operation.interrupt else self._shown(operation.input)
        denied = {"type": "tool-output-denied", "toolCallId": self._call_id, "reason": reason}
        await self._commit("deny", ended, [*chunks, denied], [judging.entry(self.x, self.tool.name, ended)])
        return self._recorded(ended)

    def _question(self, kind: Literal["approval", "client_tool"], operation: Operation) -> Question:
        question = Question(
            kind=kind,
            name=self.tool.name,
            message=self.tool.description,
            input=operation.input,
            auto_continue=self.tool.rules.auto_continue,
        )
        return self._for_people(question, operation) if kind == "approval" else self._for_devices(question, operation)

    def _for_people(self, question: Question, operation: Operation) -> Question:
        rules, judged = self.tool.rules, operation.judged
        policies = self.x.environment.policies.current()
        expires, on_expiry = judging.waiting_rules(policies, self.tool)
        return replace(
            question,
            message=judging.asks(judged) or question.message,
            schema=self.tool.signature.input_schema if rules.editable else None,
            expires=expires,
            on_expiry=on_expiry,
            approvers=rules.approvers,
            escalate=judging.ladder(policies, self.tool),
            editable=rules.editable,
            grantable=judging.grantable(self.tool, judged),
            remembers=compared(policies, self.tool.name),
            metadata=judging.shown_with(self.tool, judged),
        )

    def _for_devices(self, question: Question, operation: Operation) -> Question:
        """Approvers approve: who runs what was approved is whoever may answer in the session."""
        rules = self.tool.rules
        return replace(
            question,
            schema=self.tool.signature.output_schema,
            expires=rules.expires,
            on_expiry=rules.on_expiry,
            approvers=rules.approvers if operation.passed is None else None,
            escalate=rules.escalate if operation.passed is None else (),
            metadata=judging.shown_with(self.tool, None),
        )

    # The effect.

    async def _execute(self, operation: Operation, *, ungated: bool = False) -> Result[Any]:
        started, values = replace(operation, status="started", attempts=operation.attempts + 1), operation.input
        with self.x.branches.effect():  # from here on: what is begun is recorded before the worker lets go
            overtaken = await self._begin(operation, started, ungated=ungated)
            if overtaken is None:
                self.x.writer.check_lease()
                reached("before execute")
                value, failure = await self._body(started, values)
                reached("after execute")
                ended = self._ended(started, value, failure)
                return await self._end(ended)
        return await self._overtaken(operation, overtaken)

    async def _begin(self, operation: Operation, started: Operation, *, ungated: bool) -> Overtaken | None:
        """Record that it is let go; or say that what let it pass does not stand any more."""
        shown = self._shown(started.input) if ungated else []
        audit = [judging.entry(self.x, self.tool.name, started)] if ungated else []
        backing = await self._backing(operation)
        review = reviewing.review(self.x, self.tool, started) if started.status == "done" else None

        async def also(commit: Commit) -> None:
            await backing.back(commit)
            if review is not None:  # nothing more is heard of it here
                await review(commit)

        try:
            await backing.reserve()
            await self._commit("begin", started, shown, audit, also=also)
        except Overtaken as overtaken:
            await backing.give_back()
            return overtaken
        return None

    async def _body(self, operation: Operation, values: dict[str, Any]) -> tuple[Any, Failure | None]:
        """Run the function, within its time and retries. A cancellation leaves the call in doubt."""
        rules, call = self.tool.rules, self._call(values, operation)
        failure: Failure | None = None
        for attempt in range(rules.retries + 1):
            if attempt:
                self.x.writer.check_lease()
                self.x.journal.again(self.key)
            self.x.environment.executed(self.tool.name, values)
            try:
                async with asyncio.timeout(rules.timeout_ms / 1_000 if rules.timeout_ms else None):
                    return self._kept(await self.tool.run(call, values))
            except TimeoutError:
                failure = Failure("TimeoutError", f"it took longer than {rules.timeout_ms} ms")
                if not inspect.iscoroutinefunction(self.tool.fn):  # its thread cannot be stopped
                    failure = Failure("TimeoutError", f"{failure.message}; it may still be running")
                    break  # a second one would run beside it
            except asyncio.CancelledError as error:
                if was_asked_to_stop():
                    raise
                failure = Failure("CancelledError", str(error)[:FAILURE_MAX])  # of something that the body awaited
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a tool's failure is a result
                self.x.log.info("tool failed", tool=self.tool.name, error=repr(error))
                failure = Failure(type(error).__name__, str(error)[:FAILURE_MAX])
        return None, failure

    def _kept(self, value: Any) -> tuple[Any, Failure | None]:
        """The result as it is recorded. The effect has happened: what cannot be kept is a failure, not a retry."""
        try:
            kept = self.tool.signature.keep(value)
            self.tool.signature.revive(kept)
        except (TypeError, ValueError, msgspec.ValidationError) as error:
            return None, Failure("ResultNotEncodable", f"it ran, but its result cannot be kept: {error}")
        size = len(msgspec.json.encode(kept))
        if size > RESULT_MAX_BYTES:
            return None, Failure("ResultTooLarge", f"it ran, but its result has {size} bytes of {RESULT_MAX_BYTES}")
        return kept, None

    def _ended(self, started: Operation, value: Any, failure: Failure | None) -> Operation:
        if failure is None:
            return replace(started, status="done", outcome="done", value=value)
        reason = f"{failure.type}: {failure.message}"
        return replace(started, status="done", outcome="failed", failure=failure, reason=reason)

    async def _end(self, ended: Operation) -> Result[Any]:
        await self._commit("record", ended, [self._output(ended)], also=reviewing.review(self.x, self.tool, ended))
        return self._recorded(ended)

    async def _commit(
        self,
        label: str,
        operation: Operation,
        chunks: list[dict[str, Any]],
        audit: list[AuditEntry] | None = None,
        also: Callable[[Commit], Awaitable[None]] | None = None,
    ) -> None:
        events = [self.x.chunk_event(chunk) for chunk in chunks]

        async def build(turn: TurnRecord, writer: Writer) -> Commit:
            commit = Commit(turn.session, label, by=writer, operations=[operation], events=list(events))
            commit.audit.extend(audit or [])
            commit.durable = label == "begin" and not self.tool.rules.idempotent
            if also is not None:
                await also(commit)
            return commit

        await self.x.writer.commit(build, self.x.journal)
        self.x.journal.record(operation)

    def _shown(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        call = {"type": "tool-input-available", "toolCallId": self._call_id, "toolName": self.tool.name}
        return [{**call, "input": values}]

    def _output(self, ended: Operation) -> dict[str, Any]:
        if ended.outcome == "done":
            return {"type": "tool-output-available", "toolCallId": self._call_id, "output": ended.value}
        return {"type": "tool-output-error", "toolCallId": self._call_id, "errorText": ended.reason}

    @property
    def _call_id(self) -> str:
        return self.call or ids.call_id(self.x.turn.id, self.key)

    # In doubt.

    async def _doubtful(self, operation: Operation) -> Result[Any]:
        """Begun, and no result was recorded: it may have run."""
        if self.tool.rules.idempotent:
            return await self._execute(operation)
        if operation.doubt is None:
            operation = await asking.put(self.x, self._doubt(operation), operation, doubt=True)
        decision = await asking.decision_of(self.x, operation.doubt)
        if decision.status == "resolved" and decision.payload["ran"] is False:
            return await self._execute(replace(operation, doubt=None))
        if decision.status == "resolved":
            ended = self._ended(operation, decision.payload.get("result"), None)
        else:
            ended = self._ended(operation, None, Failure("InDoubt", "whether it ran is not known"))
        return await self._end(ended)

    def _doubt(self, operation: Operation) -> Question:
        return Question(
            kind="in_doubt",
            name=self.tool.name,
            message=f"The worker died while {self.tool.name} ran. Did it happen?",
            input=operation.input,
            schema=self.tool.signature.output_schema,
            approvers=in_doubt_approvers(),
        )

    # What the function is given.

    def _call(self, values: dict[str, Any], operation: Operation | None = None) -> Call[Any]:
        x = self.x
        return Call(
            tool=self.tool.name,
            input=values,
            deps=x.environment.deps,
            principal=x.turn.requester,
            session=x.turn.session,
            turn=x.turn.id,
            agent=x.agent,
            idempotency_key=ids.idempotency_key(x.turn.id, self.key),
            fence=x.writer.fence,
            inside=self._inside() if operation else None,
        )

    def _inside(self) -> Inside:
        x = self.x

        async def nested(kind: Any, question: Question) -> Result[Any]:
            name = x.journal.name(kind, question.name, self.key)
            result = await x.nested(lambda: asking.ask(x, question, kind, name, self.place, inside=self.key))
            return tracing.with_trace(x, name, result)

        return Inside(
            cancelled=lambda: x.turn.cancel is not None,
            progress=x.progress,
            step=lambda name, fn, args: x.nested(
                lambda: stepping.step(x, x.journal.name("step", name, self.key), self.place, name, fn, args)
            ),
            ask=lambda question, options: nested("ask", stepping.question(question, options)),
            form=lambda message, schema, options: nested("form", stepping.form(message, schema, options)),
            gate=lambda name, payload, options: nested("gate", stepping.gate(name, payload, options)),
        )
