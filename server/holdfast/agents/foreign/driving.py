"""Driving another framework's agent: a segment, what it waits for, the answers, the next segment, until it has ended.

segment ──▶ pending? ──no──▶ the turn's result
   ▲           │
   │           ▼ all at once, as interrupts
   └──────── answers, in the order in which it asked
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from holdfast.agents.foreign.pending import Answer, Asks, Ended, asked, rules_for
from holdfast.agents.foreign.shown import Carried, Chunk, Shown
from holdfast.core.canonical import input_hash
from holdfast.runtime.segments import Segment, Slot
from holdfast.runtime.stepping import Final
from holdfast.runtime.turn import Turn

#: A segment's texts and chunks, and at last how it ended. Calls have the framework's own ids.
Pieces = AsyncGenerator[str | Chunk | Final[Ended], None]


class Stretch:
    """One segment, as an adapter sees it: by the framework's own ids."""

    def __init__(self, turn: Turn, segment: Segment, shown: Shown, asks: Asks) -> None:
        self.turn = turn
        self._segment, self._shown, self._asks = segment, shown, asks

    async def effect(
        self,
        tool: str,
        call: str,
        input: Any,
        run: Callable[[], Awaitable[Any]],
        *,
        ungoverned: Callable[[], None] | None = None,
    ) -> Any:
        """Have one of the framework's tools run; or give what is recorded of that. `run` gives JSON values.

        `ungoverned` raises what makes the framework stop for a call that a policy has a word to say about; None: the
        call was permitted.

        Raises:
            StepFailed: it failed when it ran the first time.     Exception: whatever it raises now.
        """
        idempotent = rules_for(tool, self._asks).get("idempotent", False)
        own_id = self._shown.call_id(call)
        return await self._segment.effect(tool, own_id, input, run, idempotent=idempotent, ungoverned=ungoverned)

    def slot(self, name: str) -> Slot:
        """As `step`, for what comes in pieces."""
        return self._segment.slot(name)

    async def begins(self, tool: str, call: str, input: Any) -> None:
        """A tool begins that cannot be run through `effect`: if a worker dies from now on, an operator is asked before
        the segment is done again.
        """
        await self._segment.begins(tool, self._shown.call_id(call), input)

    async def governed(self, tool: str, call: str, input: Any) -> bool:
        """Whether a policy has a word to say about a call, so that the framework must stop for it."""
        return await self._segment.governed(tool, self._shown.call_id(call), input)

    async def begins_elsewhere(self, tool: str, call: str, input: Any) -> None:
        """As `begins`, for a call that may come again under its id with other arguments, because a model says anew
        what it wants. Not for a tool that is said to be `idempotent`.
        """
        if not rules_for(tool, self._asks).get("idempotent", False):
            await self.begins(tool, f"{call}/{input_hash(input)}", input)

    async def step(self, name: str, run: Callable[[], Awaitable[Any]]) -> Any:
        """Something without effects, kept for when the segment is done again. `run` gives JSON values."""
        return await self._segment.step(name, run)


class Framework(Protocol):
    """What an adapter brings: how one turn of its agent is run from pause to pause."""

    def run(self, stretch: Stretch, states: list[Any], answers: list[Answer]) -> Pieces:
        """One segment. `states` are those of all segments before, so that each need hold only what is new;
        `answers` are to all that the last one waited for.
        """
        ...


async def drive(turn: Turn, name: str, framework: Framework, asks: Asks, *, replays: bool = False) -> Any:
    """Run the framework's agent as this turn. Gives its result.

    `replays`: a segment that is done again after a crash makes all its calls again under the same ids, because what
    decides on them is recorded too. Otherwise only those that were pending do.
    """
    states: list[Any] = []
    answers: list[Answer] = []
    left: dict[str, Carried] = {}
    while True:
        carried = left | _carried(answers)
        known = None if replays else [one.call for one in carried.values()]
        segment = turn.segment(name, _segment, turn, framework, carried, asks, list(states), answers, known=known)
        ended = msgspec.convert(await segment, Ended)
        if not ended.pending:
            return ended.result
        states.append(ended.state)
        left = {call: Carried(own_id, settled=False) for call, own_id in ended.shown.items()}
        results = await turn.all(*(asked(turn, one, asks) for one in ended.pending))
        answers = [Answer(one, result) for one, result in zip(ended.pending, results, strict=True)]


async def _segment(
    segment: Segment,
    turn: Turn,
    framework: Framework,
    carried: dict[str, Carried],
    asks: Asks,
    states: list[Any],
    answers: list[Answer],
) -> Pieces:
    shown = Shown(turn.id, segment.key, carried)
    async with aclosing(framework.run(Stretch(turn, segment, shown, asks), states, answers)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Final):
                yield Final(_by_our_ids(piece.value, shown))
            elif isinstance(piece, str):
                yield piece
            else:
                for chunk in shown.chunks(piece):
                    yield chunk


def _by_our_ids(ended: Ended, shown: Shown) -> Ended:
    named = [one if one.call is None else replace(one, shown=shown.call_id(one.call)) for one in ended.pending]
    return replace(ended, pending=named, shown={call: shown.call_id(call) for call in ended.unfinished})


def _carried(answers: Collection[Answer]) -> dict[str, Carried]:
    """The calls that the last segment left pending, by the framework's id."""
    return {
        one.call: Carried(
            one.shown, settled=one.kind in ("client_tool", "tool") or (one.kind == "approval" and not answer.result.ok)
        )
        for answer in answers
        for one in [answer.pending]
        if one.call is not None and one.shown is not None
    }
