"""Waiting within a call: with a word now and then, and not longer than the client would wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from holdfast.core.interrupts import Decision
from holdfast.gateways.mcp.desk import Desk
from holdfast.protocol.frames import GateShown

T = TypeVar("T")

PROGRESS_S = 10.0  # clients that start their time limit anew with each word give up after 30 s or more without one

#: Tells the client how many seconds it has waited.
Progress = Callable[[float], Awaitable[None]]


async def waited(desk: Desk, shown: GateShown, within_s: float | None, progress: Progress) -> Decision | None:
    """The decision; None: there was none within this time, and it stays open. Safe to cancel."""
    if shown.decision is not None:
        return shown.decision
    return await within(desk.decision(shown), within_s, progress)


async def within(work: Coroutine[Any, Any, T], within_s: float | None, progress: Progress) -> T | None:
    """What it gives; None: nothing within this time, and it is ended. Safe to cancel, and then it is ended too."""
    working = asyncio.ensure_future(work)
    try:
        return await _told(working, within_s, progress)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _told(working: asyncio.Future[T], within_s: float | None, progress: Progress) -> T | None:
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        gone = clock() - began
        left = PROGRESS_S if within_s is None else min(PROGRESS_S, within_s - gone)
        if left <= 0:
            return None
        await asyncio.wait([working], timeout=left)
        if working.done():
            return working.result()
        await progress(clock() - began)
