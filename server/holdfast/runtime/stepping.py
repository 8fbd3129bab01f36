"""Steps, streams, sleeps and what is observed: the operations that ask nobody. Also the questions of `turn.ask`."""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec.structs import replace

from holdfast.core import asking as core_asking
from holdfast.core import notices
from holdfast.core.asking import timer_name
from holdfast.core.commit import Commit
from holdfast.core.operations import Failure, Operation
from holdfast.runtime.asking import Question, rules
from holdfast.runtime.branches import was_asked_to_stop
from holdfast.runtime.execution import Execution
from holdfast.runtime.results import StepFailed

HELD_MS = 5_000  # a longer pause between two attempts is a sleep of the turn: the worker lets go meanwhile
PAUSE_MS = 100  # after the first failed attempt, if nothing else is said; doubles
PAUSE_MAX_MS = 3_600_000  # what failed for hours is not mended by the minute


R = TypeVar("R")


class Final(msgspec.Struct, Generic[R], frozen=True):
    """The last thing that a stream may yield: JSON values that are recorded and given, in the place of its text."""

    value: R


class Again(msgspec.Struct, frozen=True):
    """How long a step may take, and how it is tried again."""

    retries: int = 0
    timeout_ms: int | None = None
    #: After the first failed attempt; doubles.
    backoff_ms: int = PAUSE_MS

    def pause_ms(self, attempts: int) -> int:
        """How long to wait after so many failed attempts."""
        return min(self.backoff_ms * 2 ** min(attempts - 1, 40), PAUSE_MAX_MS)


async def step(
    x: Execution,
    key: str,
    place: int,
    name: str,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    again: Again | None = None,
) -> Any:
    """Do something, and keep what it gave. Until that is recorded it may be done again: at least once.

    Raises:
        StepFailed: it raised, and so it does on every replay.
    """
    again = again or Again()
    operation = x.journal.operations.get(key) or Operation(x.turn.id, key, "step", "waiting", place=place)
    while operation.status != "done":
        if timer_name(key) in x.turn.open:
            await x.branches.suspend(timer_name(key))
        operation = await _once_more(x, operation, name, fn, args, again)
    if operation.failure is not None:
        raise StepFailed(name, operation.failure.type, operation.failure.message)
    return _revive(fn, operation.value)


async def _once_more(
    x: Execution, operation: Operation, name: str, fn: Callable[..., Any], args: tuple[Any, ...], again: Again
) -> Operation:
    """One attempt: its outcome is recorded, or the pause after it passes."""
    x.writer.check_lease()
    tried = replace(operation, attempts=operation.attempts + 1)
    with x.branches.effect():
        done = await _attempt(x, replace(tried, status="done", due_ms=None), name, fn, args, again.timeout_ms)
        if done.outcome == "done" or tried.attempts > again.retries:
            await record(x, done)
            return done
    pause_ms = again.pause_ms(tried.attempts)
    if pause_ms < HELD_MS:
        await asyncio.sleep(pause_ms / 1_000)
        return tried
    waiting = replace(tried, status="waiting", due_ms=x.writer.now_ms() + pause_ms)
    await x.writer.commit(lambda turn, writer: core_asking.sleeping(turn, writer, waiting), x.journal)
    x.journal.record(waiting)
    return waiting


async def _attempt(
    x: Execution,
    operation: Operation,
    name: str,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    timeout_ms: int | None,
) -> Operation:
    try:
        async with asyncio.timeout(timeout_ms / 1_000 if timeout_ms else None):
            value = await _run(fn, args)
        kept = as_json(value)
        _revive(fn, kept)
        return replace(operation, outcome="done", value=kept)
    except asyncio.CancelledError as error:
        if was_asked_to_stop():
            raise
        return replace(operation, outcome="failed", failure=Failure("CancelledError", str(error)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a step's failure is recorded, whatever it is
        x.log.info("step failed", step=name, attempt=operation.attempts, error=repr(error))
        return replace(operation, outcome="failed", failure=Failure(type(error).__name__, str(error)))


async def stream(
    x: Execution, key: str, place: int, fn: Callable[..., AsyncIterator[Any]], args: tuple[Any, ...]
) -> Any:
    """Stream what a generator gives, as one recorded operation. A replay returns its value and streams nothing."""
    operation = x.journal.operations.get(key)
    if operation is not None:
        return operation.value
    value = await flow(x, key, fn(*args))
    await record(x, Operation(x.turn.id, key, "stream", "done", place=place, outcome="done", value=value))
    return value


async def flow(x: Execution, key: str, pieces: AsyncIterator[Any]) -> Any:
    """Stream the pieces under this operation. Gives their text, or the value with which they end."""
    streamed = _Streamed(x, key)
    try:
        async for piece in pieces:
            if isinstance(piece, Final):
                streamed.final = cast("Final[Any]", piece)
            else:
                await streamed.add(piece)
    finally:  # whoever drops the turn closes the connection on which it is streamed, too
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
    await streamed.end_text()
    return "".join(streamed.texts) if streamed.final is None else as_json(streamed.final.value)


class _Streamed:
    """What a generator has given so far."""

    def __init__(self, x: Execution, key: str) -> None:
        self._x, self._key = x, key
        self._writing = False
        self.texts: list[str] = []
        self.final: Final[Any] | None = None

    async def add(self, piece: str | dict[str, Any]) -> None:
        if not isinstance(piece, str):
            await self.end_text()
            await self._x.emit(piece, self._key)
            return
        if not self._writing:
            self._writing = True
            await self._x.emit({"type": "text-start", "id": self._key}, self._key)
        self.texts.append(piece)
        await self._x.emit({"type": "text-delta", "id": self._key, "delta": piece}, self._key)

    async def end_text(self) -> None:
        if self._writing:
            self._writing = False
            await self._x.emit({"type": "text-end", "id": self._key}, self._key)


async def sleep(x: Execution, key: str, place: int, due_ms: Callable[[], int]) -> None:
    """Let go of the turn until the time has come. When that is, is asked once, and recorded."""
    if key not in x.journal.operations:
        operation = Operation(x.turn.id, key, "sleep", "waiting", place=place, due_ms=due_ms())
        await x.writer.commit(lambda turn, writer: core_asking.sleeping(turn, writer, operation), x.journal)
        x.journal.record(operation)
    if timer_name(key) in x.turn.open:
        await x.branches.suspend(timer_name(key))


async def notify(x: Execution, key: str, place: int, text: str, to: tuple[str, ...]) -> None:
    """Have somebody told, once: the notice stands in the commit that records the operation."""
    if key in x.journal.operations:
        return
    operation = Operation(x.turn.id, key, "notify", "done", place=place, outcome="done")
    notice = notices.said(x.turn.session, x.turn.id, key, text, to)
    await x.writer.commit(
        lambda turn, by: Commit(turn.session, "notify", by=by, operations=[operation], notices=[notice]), x.journal
    )
    x.journal.record(operation)


def observe(x: Execution, name: str, look: Callable[[], Any]) -> Any:
    """A value that another run would see differently: the first one counts."""
    key = x.journal.name("observed", name)
    operation = x.journal.operations.get(key) or seen(x, key, look())
    return operation.value


def seen(x: Execution, key: str, value: Any) -> Operation:
    """What was observed; the next commit records it."""
    operation = Operation(x.turn.id, key, "observed", "done", outcome="done", value=value)
    x.journal.record(operation)
    x.journal.recorded.observed.append(operation)
    return operation


def question(text: str, options: dict[str, Any]) -> Question:
    """The question of `ask(text, context=, options=, multiple=, free_text=)`, and of whatever `rules` knows."""
    given = dict(options)
    asked = {
        "question": text,
        "context": given.pop("context", None),
        "options": given.pop("options", None),
        "multiple": given.pop("multiple", False),
        "freeText": given.pop("free_text", True),
    }
    shown = {name: value for name, value in asked.items() if value is not None}
    return Question(kind="question", name="ask_human", message=text, input=shown, **rules(given))


def form(message: str, schema: dict[str, Any] | None, options: dict[str, Any]) -> Question:
    """The question of `form(message, schema)`, or of `form(message, url=…)`.

    Raises:
        TypeError: it is to be filled in both here and there, or nowhere.
    """
    given = dict(options)
    url = given.pop("url", None)
    if (schema is None) == (url is None):
        raise TypeError("A form takes a schema, or the url of the page where it is filled in.")
    shown = {"message": message, "schema": schema} if url is None else {"message": message, "url": url}
    return Question(kind="form", name="form", message=message, input=shown, schema=schema, url=url, **rules(given))


def gate(name: str, payload: Any, options: dict[str, Any]) -> Question:
    """The question of `gate(name, payload)`."""
    given = dict(options)
    message = given.pop("message", None)
    return Question(kind="gate", name=name, message=message, input=payload, **rules(given))


async def record(x: Execution, operation: Operation) -> None:
    """Commit what has become of an operation."""
    await x.writer.commit(
        lambda turn, writer: Commit(turn.session, "record", by=writer, operations=[operation]), x.journal
    )
    x.journal.record(operation)


async def _run(fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    if inspect.iscoroutinefunction(fn):
        return await fn(*args)
    value = await asyncio.to_thread(fn, *args)
    return await value if inspect.isawaitable(value) else value


def as_json(value: Any) -> Any:
    """The value as it will be read from the record."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _revive(fn: Callable[..., Any], kept: Any) -> Any:
    """The kept value as `fn` declares it, so that the first run sees what a replay sees."""
    try:
        returns = typing.get_type_hints(fn).get("return", Any)
    except (TypeError, NameError):
        return kept
    return kept if returns in (Any, type(None)) else msgspec.convert(kept, returns)
