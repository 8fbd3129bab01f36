"""The Turn: what the author of an agent works with. Whatever is done through it is recorded, and done once."""

from __future__ import annotations

import random as _random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar, overload

from holdfast.core import ids, notices
from holdfast.core.durations import Duration, instant_ms, milliseconds
from holdfast.core.interrupts import Interrupt
from holdfast.core.messages import Message
from holdfast.core.schedules import Plan
from holdfast.core.traces import Trace
from holdfast.core.turns import Requester
from holdfast.runtime import asking, planning, racing, sharing, steering, stepping, tracing
from holdfast.runtime.agent_tools import AgentTool, delegation
from holdfast.runtime.calling import ToolCall
from holdfast.runtime.deciding import Reply
from holdfast.runtime.delegating import AgentCall
from holdfast.runtime.execution import Asked, Execution
from holdfast.runtime.limits import Allowance, Limit, over_limit
from holdfast.runtime.permitting import Permit
from holdfast.runtime.racing import First
from holdfast.runtime.results import Result
from holdfast.runtime.segments import Segment
from holdfast.runtime.stepping import Again, Final
from holdfast.runtime.tools import Tool

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class Turn:
    """One run of an agent, durable: when it must wait, the function is dropped and run again from the top later.

    Operations (`call`, `step`, `ask` …) that were recorded return at once then. So the function must reach them in
    the same order again: branch on what operations returned, not on clocks or chance (use `now()` and `random()`).
    """

    def __init__(self, execution: Execution) -> None:
        self._x = execution

    # What the turn is about. All of it is fixed when the turn starts.

    @property
    def id(self) -> str:
        return self._x.turn.id

    @property
    def session(self) -> str:
        return self._x.turn.session

    @property
    def principal(self) -> Requester:
        """Who caused the turn."""
        return self._x.turn.requester

    @property
    def message(self) -> Message:
        """The message that caused the turn; an empty one if it was started by an input."""
        return self._x.past.cause or Message("", "user", [])

    @property
    def input(self) -> Any:
        """The input that the turn was started with, or None."""
        return self._x.input

    @property
    def history(self) -> list[Message]:
        """The messages before this turn, oldest first. What nobody approved reads as denied, with the reason."""
        return self._x.past.messages

    @property
    def pending(self) -> list[Interrupt]:
        """What is asked in this session and was open when the turn began: gates that were asked for from outside."""
        return self._x.past.pending

    @property
    def notes(self) -> list[str]:
        """What a model should be told beside the history, in words: what is still pending, and what was asked by the
        last turns and was superseded, expired, withdrawn or cancelled. None of it is a yes or a no.
        """
        return self._x.past.notes

    @property
    def trace(self) -> Trace:
        """What was decided in this turn so far: its `approvals`, each with who decided, when and how soon. What the
        function has not been given yet is not in it, so that a replay sees the same at the same place.
        """
        return tracing.trace(self._x)

    @property
    def deps(self) -> Any:
        """What the app's lifespan yielded."""
        return self._x.environment.deps

    @property
    def cancelled(self) -> bool:
        """Whether somebody has asked that the turn stop."""
        return self._x.turn.cancel is not None

    @property
    def tools(self) -> Mapping[str, Tool[..., Any]]:
        """The agent's tools, by name."""
        return self._x.tools

    def next_call_id(self, tool: Tool[..., Any], ahead: int = 0) -> str:
        """The id that the next call of this tool will have, after `ahead` others: to show its input as it is made."""
        return ids.call_id(self.id, self._x.journal.upcoming(tool.kind, tool.name, ahead))

    async def steering(self) -> list[Message]:
        """What people have said to this turn since the last look: messages of the mode `steer`, oldest first.

        Recorded, so that a replay sees the same at the same place. What is never looked at is not lost: when the
        turn has ended, it causes the next one. An agent that another one called sees them if it speaks aloud.
        """
        return await self._x.looking(steering.look) if self._x.aloud else []

    # Operations: await them, or give several to `all`.

    def call(self, tool: Tool[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Asked[Result[R]]:
        """Call a tool: policy, then a human if need be, then its function, once."""
        x = self._x

        async def perform(key: str, place: int) -> Result[R]:
            calls = AgentCall(x, tool, key, place) if isinstance(tool, AgentTool) else ToolCall(x, tool, key, place)
            return await tracing.given(x, key, calls.perform(args, kwargs))

        return Asked(x, tool.kind, tool.name, perform)

    def agent(
        self,
        which: str | Callable[[Turn], Awaitable[Any]],
        message: str | None = None,
        /,
        *,
        input: Any = None,
        aloud: bool = False,
        history: bool = False,
    ) -> Asked[Result[Any]]:
        """Have another agent do something, by its name in this app; or an `async def part(turn)` with this one's tools.

        It runs in this turn, and sees the `message` and the `input` that it is given. What it asks is asked in this
        session. Its result is what its function returns, as JSON values, or `failed` with what it raised. With
        `aloud`, what it says is said to the people, and what they say meanwhile is for it; with `history`, it is told
        what was said in the session before.
        """
        if isinstance(which, str):
            return self.call(delegation(which, aloud=aloud, history=history, run=None), message, input)
        part = which
        name = getattr(part, "__name__", "part")
        tool = delegation(name, aloud=aloud, history=history, run=lambda child: part(Turn(child)))
        return self.call(tool, message, input)

    def refuse(self, tool: Tool[..., R], reason: str) -> Asked[Result[R]]:
        """Record a call that cannot be made, as failed: what a model gave as arguments is none. Nobody is asked."""
        x = self._x
        return Asked(x, tool.kind, tool.name, lambda key, place: ToolCall(x, tool, key, place).refuse(reason))

    @overload
    def step(
        self,
        name: str,
        fn: Callable[..., Awaitable[R]],
        /,
        *args: Any,
        retries: int = 0,
        timeout: Duration | None = None,
        backoff: Duration | None = None,
    ) -> Asked[R]: ...
    @overload
    def step(
        self,
        name: str,
        fn: Callable[..., R],
        /,
        *args: Any,
        retries: int = 0,
        timeout: Duration | None = None,
        backoff: Duration | None = None,
    ) -> Asked[R]: ...
    def step(
        self,
        name: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        retries: int = 0,
        timeout: Duration | None = None,
        backoff: Duration | None = None,
    ) -> Asked[Any]:
        """Do something and keep what it gave. Until that is recorded it may be done again.

        `timeout` is of one attempt. `backoff` is the pause before the second one (100 ms); it doubles, up to an hour.
        A pause of 5 s or more is a sleep: nothing is held meanwhile, and the attempts outlive any worker.

        Raises StepFailed, in every run alike, when `fn` raised after all retries.
        """
        x, limit = self._x, None if timeout is None else milliseconds(timeout)
        again = Again(retries, limit, stepping.PAUSE_MS if backoff is None else milliseconds(backoff))
        return Asked(x, "step", name, lambda key, place: stepping.step(x, key, place, name, fn, args, again))

    @overload
    def stream(
        self, name: str, fn: Callable[P, AsyncIterator[str | dict[str, Any]]], /, *args: P.args, **_: P.kwargs
    ) -> Asked[str]: ...
    @overload
    def stream(
        self,
        name: str,
        fn: Callable[P, AsyncIterator[str | dict[str, Any] | Final[R]]],
        /,
        *args: P.args,
        **_: P.kwargs,
    ) -> Asked[R]: ...
    def stream(self, name: str, fn: Callable[P, AsyncIterator[Any]], /, *args: P.args, **_: P.kwargs) -> Asked[Any]:
        """Stream the texts (or chunks) that a generator yields: one's own model. A replay returns the recorded text.

        A generator that ends with `Final(value)` has that recorded and returned, in the place of its text.
        """
        x = self._x
        return Asked(x, "stream", name, lambda key, place: stepping.stream(x, key, place, fn, args))

    def segment(
        self, name: str, fn: Callable[..., AsyncIterator[Any]], /, *args: Any, known: Collection[str] | None = None
    ) -> Asked[Any]:
        """Stream what another framework does until it ends or pauses, as one recorded operation; for adapters.

        `fn(segment, *args)` yields texts and chunks, and at last `Final(value)`; it has each tool of the framework's
        run through `segment.effect`. `known` are the calls that come again under the same id if a worker died in the
        middle and it is all done again; None: all of them do.

        Raises StepFailed, in every run alike: what was begun by a worker that died stands as it is.
        """
        x = self._x
        return Asked(x, "stream", name, lambda key, place: Segment(x, key, place, name, known).perform(fn, args))

    def permit(
        self,
        tool: Tool[..., Any],
        values: dict[str, Any],
        /,
        *,
        call: str | None = None,
        metadata: dict[str, Any] | None = None,
        gated: bool = True,
    ) -> Asked[Result[None]]:
        """Have a call judged that another framework will make: policy, then a human. Nothing is run here.

        `call` is the id under which it is shown already; `metadata` is shown with it. Where no policy speaks, a human
        is asked if it is `gated`, for then the framework wants one, whatever the app's default is; else it may be made.
        The result says whether it may, and with what `input`.
        """
        x = self._x

        async def perform(key: str, place: int) -> Result[None]:
            return await tracing.given(x, key, Permit(x, tool, key, place, call, metadata, gated).perform((), values))

        return Asked(x, "permit", tool.name, perform)

    def call_shown(self, tool: Tool[..., R], values: dict[str, Any], /, *, call: str | None) -> Asked[Result[R]]:
        """Call a tool, of ours or on a device, that another framework wants and has shown under the id `call`."""
        x = self._x

        async def perform(key: str, place: int) -> Result[R]:
            return await tracing.given(x, key, ToolCall(x, tool, key, place, call).perform((), values))

        return Asked(x, tool.kind, tool.name, perform)

    def ask(self, question: str, **options: Any) -> Asked[Result[Reply]]:
        """Ask a human. `context=`, `options=[…]`, `multiple=`, `free_text=`.

        As for forms and gates: `expires=`, `on_expiry=`, `approvers=`, `escalate=`, `auto_continue=`, `metadata=`.
        """
        x, asked = self._x, stepping.question(question, options)
        return Asked(x, "ask", "question", lambda key, place: asking.ask(x, asked, "ask", key, place))

    def form(self, message: str, schema: dict[str, Any] | None = None, **options: Any) -> Asked[Result[dict[str, Any]]]:
        """Have a human fill in a form described by a JSON schema: a flat object of plain fields.

        With `url=` instead, have it filled in at that page: for passwords, payments, consents, which must not pass
        through here. It is done when somebody entitled says so, which may be the page's own server (`approvers=`).
        """
        x, asked = self._x, stepping.form(message, schema, options)
        return Asked(x, "form", "form", lambda key, place: asking.ask(x, asked, "form", key, place))

    def gate(self, name: str, payload: Any = None, **options: Any) -> Asked[Result[bool]]:
        """Have a human let the turn pass."""
        x, asked = self._x, stepping.gate(name, payload, options)

        async def pass_through(key: str, place: int) -> Result[bool]:
            return await tracing.given(x, key, asking.ask(x, asked, "gate", key, place))

        return Asked(x, "gate", name, pass_through)

    def state(self) -> Asked[dict[str, Any]]:
        """The session's shared document as it stands now; recorded, so that a replay sees the same."""
        x = self._x
        return Asked(x, "step", sharing.READ, lambda key, place: sharing.read(x, key, place))

    def patch_state(self, *operations: dict[str, Any], version: int | None = None) -> Asked[int]:
        """Change the shared document by JSON Patch, once; with `version`, only if that one stands. Gives the new one.

        Raises StepFailed, in every run alike: another version stands by now, or the patch cannot be applied.
        """
        x, patch = self._x, list(operations)
        return Asked(x, "step", sharing.PATCH, lambda key, place: sharing.patch(x, key, place, patch, version))

    def sleep(self, duration: Duration | None = None, *, until: datetime | None = None) -> Asked[None]:
        """Wait for so long, or until an instant: seconds or months, holding nothing. What is past is no wait.

        Raises ValueError when neither or both are given, or the instant has no time zone.
        """
        x = self._x
        if (duration is None) == (until is None):
            raise ValueError("sleep: give a duration or until=, one of the two")
        length = 0 if duration is None else milliseconds(duration)
        at_ms = None if until is None else instant_ms(until)
        due = lambda: x.writer.now_ms() + length if at_ms is None else at_ms  # noqa: E731
        return Asked(x, "sleep", "sleep", lambda key, place: stepping.sleep(x, key, place, due))

    def notify(self, text: str, *, to: str | Sequence[str] = ()) -> Asked[None]:
        """Tell people who are not looking: webhooks and the app's hooks get a notice, `to` whom they are to give it.

        Raises BadInput: it says nothing, or more than 4,000 characters, or is for more than 20.
        """
        x, names = self._x, (to,) if isinstance(to, str) else tuple(to)
        notices.check_said(text, names)
        return Asked(x, "notify", "notify", lambda key, place: stepping.notify(x, key, place, text, names))

    def schedule(
        self,
        name: str,
        *,
        delay: Duration | None = None,
        at: datetime | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        agent: str | None = None,
        session: str | None = None,
        input: Any = None,
        message: str | None = None,
    ) -> Asked[str]:
        """Have turns start by themselves later. Gives the name by which `unschedule` cancels that.

        Without `agent` and `session` they start in this session; with an agent alone, in a new session each. They have
        the rights of whoever caused this turn.

        Raises ValueError when not exactly one of `delay`, `at` and `cron` is given.
        """
        x = self._x
        when, delay_ms = planning.timing(delay, at, cron, timezone)
        here = session or (x.turn.session if agent is None else None)
        plan = Plan(agent or x.turn.agent, when, here, input, message, delay_ms)
        return Asked(x, "schedule", name, lambda key, place: planning.schedule(x, key, place, plan))

    def unschedule(self, name: str) -> Asked[bool]:
        """Cancel what `schedule` made; whether it would still have fired."""
        x = self._x
        return Asked(x, "schedule", "cancel", lambda key, place: planning.unschedule(x, key, place, name))

    @overload
    async def all(self, a: Asked[A], b: Asked[B], /) -> tuple[A, B]: ...
    @overload
    async def all(self, a: Asked[A], b: Asked[B], c: Asked[C], /) -> tuple[A, B, C]: ...
    @overload
    async def all(self, a: Asked[A], b: Asked[B], c: Asked[C], d: Asked[D], /) -> tuple[A, B, C, D]: ...
    @overload
    async def all(self, *operations: Asked[A]) -> tuple[A, ...]: ...
    async def all(self, *operations: Asked[Any]) -> tuple[Any, ...]:
        """Several operations at once. Waits for all of them, then raises the first StepFailed, if there was one."""
        return tuple(await self._x.batch(operations)) if operations else ()

    @overload
    async def first(self, a: Asked[A], b: Asked[B], /) -> First[A | B]: ...
    @overload
    async def first(self, a: Asked[A], b: Asked[B], c: Asked[C], /) -> First[A | B | C]: ...
    @overload
    async def first(self, a: Asked[A], b: Asked[B], c: Asked[C], d: Asked[D], /) -> First[A | B | C | D]: ...
    @overload
    async def first(self, *operations: Asked[A]) -> First[A]: ...
    async def first(self, *operations: Asked[Any]) -> First[Any]:
        """Several operations at once, until the first is settled: `nth, value = await turn.first(...)`.

        The others are withdrawn, on every device; what runs already is finished and recorded. Who won is recorded.
        Raises StepFailed when the first is a step that failed; ValueError without operations.
        """
        if not operations:
            raise ValueError("first: give at least one operation")
        return await racing.first(self._x, operations)

    def limit(self, name: str, *, max: int) -> Allowance:
        """Count something of your own, as in `await turn.limit("model calls", max=20).use()`: keep what this gives.

        Over the limit, the agent's `on_limit` decides; without one the turn fails with `limit_reached`.
        """
        return Allowance(self._x, name, max)

    async def over_limit(self, limit: Limit) -> int:
        """Have the agent's `on_limit` asked at once. Gives how much more it grants; else the turn ends here."""
        return await over_limit(self._x, limit)

    # What everybody sees.

    async def write(self, text: str) -> None:
        """Stream text to every device. Consecutive writes share a part."""
        await self._x.write(text)

    async def data(self, name: str, value: Any, *, id: str | None = None) -> None:
        """Show data of the app's own; with an id, it replaces what had that id."""
        named = {} if id is None else {"id": id}
        await self._x.chunk({"type": f"data-{name}", "data": value, **named})

    async def file(self, url: str, media_type: str, name: str | None = None) -> None:
        """Show a file."""
        named = {} if name is None else {"filename": name}
        await self._x.chunk({"type": "file", "url": url, "mediaType": media_type, **named})

    async def emit(self, chunk: dict[str, Any]) -> None:
        """Stream any AI SDK UI message chunk, verbatim."""
        await self._x.chunk(chunk)

    async def progress(self, progress: Any) -> None:
        """Show how far the turn is: the last word on it stands in every snapshot. Not recorded."""
        await self._x.progress(progress)

    # What would differ in another run.

    def now(self) -> datetime:
        """The present time; the same in every run."""
        now_ms = stepping.observe(self._x, "now", self._x.writer.now_ms)
        return datetime.fromtimestamp(now_ms / 1_000, UTC)

    def random(self) -> float:
        """A number in [0, 1); the same in every run."""
        return stepping.observe(self._x, "random", _random.random)

    def patched(self, name: str) -> bool:
        """Whether this run takes the changed path: False for turns that passed here before the code was changed."""
        x = self._x
        return stepping.observe(x, f"patched:{name}", lambda: x.journal.place >= x.journal.settled)
