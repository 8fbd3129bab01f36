"""Showing calls afterwards that nobody was asked about: part of the commit that records their end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from holdfast.core import policies, reviews
from holdfast.core.commit import Commit
from holdfast.core.operations import Operation
from holdfast.runtime.execution import Execution
from holdfast.runtime.tools import Tool, named_approvers


def review(x: Execution, tool: Tool[..., Any], ended: Operation) -> Callable[[Commit], Awaitable[None]] | None:
    """What adds the review of a call to the commit of its end. None: it was not drawn.

    Where too many are open, or a retried call was shown before, it adds nothing.
    """
    if ended.judged is None or ended.judged.sample is None:
        return None
    named = policies.reviewers(x.environment.policies.current())
    approvers = reviews.reviewers(None if named is None else named_approvers(named), tool.rules.approvers)
    own_id = reviews.id_of(ended)

    async def add(commit: Commit) -> None:
        # Read anew each time: a guard that failed means that somebody said something.
        book = await x.writer.feedback()
        records = (await x.writer.read((own_id, *book.reviews))).interrupts
        still_open = [name for name in book.reviews if name in records and records[name].decision is None]
        if own_id not in records and reviews.has_room(book, still_open):
            shown = reviews.shown_of(x.turn, ended, tool.name, approvers, x.writer.now_ms())
            reviews.open_with(commit, x.turn, ended, replace(shown, agent=x.called), book, still_open)

    return add
