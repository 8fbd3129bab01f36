"""One run: posted, streamed, and at last what it came to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from ag_ui.core import (
    Event,
    RunFinishedCancelledOutcome,
    RunFinishedInterruptOutcome,
    RunFinishedSuccessOutcome,
    ToolCallEndEvent,
    ToolCallResultEvent,
)
from msgspec.structs import replace

from holdfast.agents.ag_ui import asking, posting
from holdfast.agents.ag_ui.asking import Shape
from holdfast.agents.ag_ui.posting import BrokenOff, NotBegun, PrivateHeaders, Where
from holdfast.agents.ag_ui.streaming import Called, Streaming
from holdfast.agents.foreign.driving import Pieces, Stretch
from holdfast.agents.foreign.pending import Ended, Pending
from holdfast.agents.foreign.shown import AgentFailed, Chunk
from holdfast.core.errors import BadInput
from holdfast.runtime.stepping import Final
from holdfast.runtime.tools import Tool

FIRST_PAUSE_S = 0.5  # doubles with each attempt
LONGEST_PAUSE_S = 15.0
STATE = "state"  # the id of the part that shows the shared state: a later one takes its place
UNTOLD = "The agent did not say what it gave."
MALFORMED = "It cannot be made: there is no such tool, or the arguments do not fit."
RESULT_MAX = 50_000  # characters of the text that is also the turn's result; all of it is in the message


class Asked(msgspec.Struct, frozen=True):
    """What is to be run."""

    where: Where
    headers: PrivateHeaders
    #: As it is sent.
    input: dict[str, Any]
    #: The calls that the runs before left, and that this one may tell once more.
    carried: list[str]
    #: Calls that people have let pass: the agent makes them now.
    permitted: list[Pending]
    retries: int
    #: The agent does a run only once, however often it is asked for by its id.
    idempotent: bool


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a run for the next one."""

    #: What it added to the conversation; with `whole`, all of that.
    messages: list[dict[str, Any]] = []
    whole: bool = False
    #: The shared state, where the run has changed it: (state,).
    state: tuple[Any] | None = None
    #: By interrupt, what its answer must look like.
    shapes: dict[str, Shape] = {}
    #: Interrupts whose time had passed when they came.
    expired: list[str] = []
    #: Calls that have no result yet, and that nobody is asked about.
    unfinished: list[str] = []


async def stream(stretch: Stretch, asked: Asked, before: list[dict[str, Any]]) -> Pieces:
    """The chunks of a run, and at last how it ended. `before` is what was added to the conversation just before it.

    Raises:
        AgentFailed: the agent cannot be reached, fails, or breaks the protocol.
    """
    yield {"type": "start-step"}
    for one in asked.permitted if not asked.idempotent else ():
        await stretch.begins_elsewhere(one.name, one.call or one.id, one.input)
    streaming = Streaming()
    for attempt in range(asked.retries + 1):
        streaming = Streaming(_ids(asked.input), asked.input["state"], asked.carried)
        try:
            async with aclosing(_chunks(stretch, asked, streaming)) as chunks:
                async for chunk in chunks:
                    yield chunk
            break
        except NotBegun as error:
            await _pause(error, attempt, asked.retries)
        except BrokenOff as error:
            if not asked.idempotent:
                raise AgentFailed(f"The connection to the agent ended in the middle of a run: {error}.") from None
            yield {"type": "reset-step"}
            await _pause(error, attempt, asked.retries)
    tools = stretch.turn.tools
    ended = _ended(streaming, tools, before, asked.input["state"])
    for chunk in _untold(ended, tools):
        yield chunk
    if ended.state.state is not None:
        yield {"type": "data-state", "id": STATE, "data": streaming.state}
    yield {"type": "finish-step"}
    yield Final(ended)


def _ids(given: dict[str, Any]) -> list[str]:
    return [message["id"] for message in given["messages"]]


async def _chunks(stretch: Stretch, asked: Asked, streaming: Streaming) -> AsyncGenerator[Chunk]:
    noted: set[str] = set()
    async with aclosing(posting.events(asked.where, asked.input, asked.headers)) as events:
        async for event in events:
            for chunk in streaming.chunks(event):
                yield chunk
            if not asked.idempotent:
                await _note(stretch, streaming, event, noted)
            if streaming.finished is not None:
                return
    raise BrokenOff("it ended without RUN_FINISHED")


async def _note(stretch: Stretch, streaming: Streaming, event: Event, noted: set[str]) -> None:
    """The agent makes a call of its own: if this worker dies from here on, a human is asked before it runs again."""
    if not isinstance(event, ToolCallEndEvent | ToolCallResultEvent) or event.tool_call_id in noted:
        return
    call = streaming.calls.get(event.tool_call_id)
    if call is not None and call.name not in stretch.turn.tools:
        noted.add(call.id)
        await stretch.begins_elsewhere(call.name, call.id, call.args)


async def _pause(error: Exception, attempt: int, retries: int) -> None:
    """Wait before the next attempt.

    Raises:
        AgentFailed: there is to be none.
    """
    if attempt == retries:
        tried = f" (after {attempt + 1} attempts)" if attempt else ""
        raise AgentFailed(f"The agent cannot be reached: {error}{tried}.") from None
    # Half of it is chance: turns that failed together must not come back together.
    await asyncio.sleep(min(FIRST_PAUSE_S * 2**attempt, LONGEST_PAUSE_S) * random.uniform(0.5, 1.0))


# ---------------------------------------------------------------- what it came to


def _ended(
    streaming: Streaming, tools: Mapping[str, Tool[..., Any]], before: list[dict[str, Any]], state_before: Any
) -> Ended:
    finished = streaming.finished
    assert finished is not None
    waits, state = _interrupts(streaming)
    about = {one.call for one in waits}
    calls = [call for call in streaming.unanswered if call.id not in about and _is_ours(streaming, call, tools)]
    waits += [Pending("tool", call.id, call.name, _given(call), call=call.id) for call in calls]
    kept = replace(
        state,
        messages=[*before, *streaming.messages] if streaming.conversation is None else streaming.conversation,
        whole=streaming.conversation is not None,
        state=None if streaming.state == state_before else (streaming.state,),
    )
    result = finished.result if finished.result is not None else _said(streaming)
    waiting = {one.call for one in waits}
    unfinished = [call.id for call in streaming.unanswered if call.id not in waiting] + [*streaming.waiting]
    return Ended(replace(kept, unfinished=unfinished), waits, result, unfinished)


def _interrupts(streaming: Streaming) -> tuple[list[Pending], State]:
    outcome = streaming.finished and streaming.finished.outcome
    if isinstance(outcome, RunFinishedCancelledOutcome):
        raise AgentFailed("The agent's run was cancelled where it runs.")
    if not isinstance(outcome, RunFinishedInterruptOutcome):
        return [], State()
    now = datetime.now(UTC)
    left = {one.id: asking.left_ms(one, now) for one in outcome.interrupts}
    expired = [name for name, ms in left.items() if ms is not None and ms <= 0]
    shown = [one for one in outcome.interrupts if one.id not in expired]
    shapes = {one.id: asking.shape(one.reason, one.response_schema) for one in shown}
    waits = [asking.pending(one, shapes[one.id], streaming.calls, left[one.id]) for one in shown]
    return waits, State(shapes=shapes, expired=expired)


def _is_ours(streaming: Streaming, call: Called, tools: Mapping[str, Tool[..., Any]]) -> bool:
    """Whether the agent waits for us to make it: it is our tool, or the agent says so."""
    outcome = streaming.finished and streaming.finished.outcome
    named = outcome.pending_tool_call_ids or [] if isinstance(outcome, RunFinishedSuccessOutcome) else []
    return call.name in tools or call.id in named


def _given(call: Called) -> dict[str, Any]:
    try:
        return asking.arguments(call)
    except AgentFailed:
        return {"arguments": call.args}  # fits no tool: that is for the agent to mend, and put before no human


def _untold(ended: Ended, tools: Mapping[str, Tool[..., Any]]) -> list[Chunk]:
    """Calls of which nothing more will be told: they must not look as if they still ran."""
    left = dict.fromkeys([] if ended.pending else ended.unfinished, UNTOLD)
    left |= {str(one.call): MALFORMED for one in ended.pending if one.kind == "tool" and not _fits(one, tools)}
    return [{"type": "tool-output-error", "toolCallId": call, "errorText": text} for call, text in left.items()]


def _fits(pending: Pending, tools: Mapping[str, Tool[..., Any]]) -> bool:
    try:
        tools[pending.name].signature.check(pending.input)
    except (KeyError, BadInput):
        return False
    return True


def _said(streaming: Streaming) -> str | None:
    """The text of the last message."""
    added = streaming.messages or streaming.conversation or []
    texts = [one.get("content") for one in added if one["role"] == "assistant" and one.get("content")]
    return str(cast("Any", texts[-1]))[:RESULT_MAX] if texts else None
