"""Waiting for a condition by name. Tests do not sleep: they say what they wait for."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

POLL_S = 0.002


async def wait_until(
    predicate: Callable[[], bool | Awaitable[bool]],
    description: str,
    timeout: float = 10.0,  # noqa: ASYNC109 (what it fails with is an assertion by name, not a TimeoutError)
) -> None:
    """Return as soon as `predicate` holds; fail with `description` if it does not in `timeout` seconds."""
    end = time.monotonic() + timeout
    while not await _holds(predicate):
        assert time.monotonic() < end, f"not within {timeout:g} s: {description}"
        await asyncio.sleep(POLL_S)


async def _holds(predicate: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = predicate()
    return await answer if inspect.isawaitable(answer) else answer
