"""Waiting for a decision within a call: with a word now and then, and not longer than the client would wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from holdfast.core.interrupts import Decision
from holdfast.gateways.mcp.desk import Desk
from holdfast.protocol.frames import GateShown

PROGRESS_S = 10.0  # clients that start their time limit anew with each word give up after 30 s or more without one

#: Tells the client how many seconds it has waited.
Progress = Callable[[float], Awaitable[None]]


async def waited(desk: Desk, shown: GateShown, within_s: float | None, progress: Progress) -> Decision | None:
    """The decision; None: there was none within this time, and it stays open. Safe to cancel."""
    if shown.decision is not None:
        return shown.decision
    waiting = asyncio.ensure_future(desk.decision(shown))
    try:
        return await _told(waiting, within_s, progress)
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def _told(waiting: asyncio.Future[Decision], within_s: float | None, progress: Progress) -> Decision | None:
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        gone = clock() - began
        left = PROGRESS_S if within_s is None else min(PROGRESS_S, within_s - gone)
        if left <= 0:
            return None
        await asyncio.wait([waiting], timeout=left)
        if waiting.done():
            return waiting.result()
        await progress(clock() - began)
