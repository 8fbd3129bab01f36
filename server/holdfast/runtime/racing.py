"""Racing: several operations at once, of which the first that is settled counts. The others are taken back."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, NamedTuple, TypeVar

from holdfast.core import racing
from holdfast.core.commit import Commit, Writer
from holdfast.core.operations import Operation
from holdfast.core.turns import TurnRecord, open_interrupts
from holdfast.runtime.execution import Asked, Execution, end_all

R = TypeVar("R")


class First(NamedTuple, Generic[R]):
    """Which of the operations was settled first, counted from 0, and what it gave."""

    nth: int
    value: R


async def first(x: Execution, asked: tuple[Asked[Any], ...]) -> First[Any]:
    """Perform them until one is settled. When several are by then, the first in their order counts."""
    x.check_task()
    [*keys, won], place = await x.enter(list(asked), race=True)
    recorded = x.journal.operations.get(won)
    if recorded is not None:
        winner: int = recorded.value
        return First(winner, await x.guarded(asked[winner].perform(keys[winner], place)))
    split = x.branches.split(len(asked), racing=True)
    tasks = [
        asyncio.create_task(x.branch(split, one.perform(key, place)), name=f"{x.turn.id} {key}")
        for one, key in zip(asked, keys, strict=True)
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        winner = next(index for index, task in enumerate(tasks) if task.done())
        await x.branches.rest(split)  # what is under way is finished and recorded
    finally:
        await end_all(tasks)
    x.branches.whole(split)
    operation = Operation(x.turn.id, won, "first", "done", place=place, outcome="done", value=winner)
    losers = [x.journal.operations[key] for key in keys if key != keys[winner] and key in x.journal.operations]
    await x.guarded(_take_back(x, operation, losers))
    return First(winner, tasks[winner].result())


async def _take_back(x: Execution, won: Operation, losers: list[Operation]) -> None:
    made: list[Operation] = []

    async def build(turn: TurnRecord, writer: Writer) -> Commit:
        view = await x.writer.read(open_interrupts(turn))
        asked = list(view.interrupts.values())
        commit = racing.take_back(x.session, turn, writer, won, losers, asked, view.now_ms)
        made[:] = commit.operations
        return commit

    await x.writer.commit(build, x.journal)
    x.journal.record(*made)
