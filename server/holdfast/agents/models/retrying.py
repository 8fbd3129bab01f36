"""Which failures of a provider may pass, and how long to wait for that."""

from __future__ import annotations

import asyncio
import random

from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelRateLimitError,
    ModelServerError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
)

FIRST_PAUSE_S = 0.5  # doubles with each attempt
LONGEST_PAUSE_S = 60.0  # a provider that asks for more fails the turn: a worker does not hold one for so long
_PASSING = (ModelRateLimitError, ModelUnavailableError, ModelServerError, ModelConnectionError)


class ModelFailed(Exception):
    """The provider failed, for good or too often. Its own words are the message."""


def pause_s(error: AgentRunError, attempts: int) -> float | None:
    """How long to wait after so many failed attempts; None if waiting does not help."""
    wanted = error.retry_after if isinstance(error, ModelAPIError) else None
    if not _may_pass(error) or (wanted or 0.0) > LONGEST_PAUSE_S:
        return None
    if wanted is not None:
        return wanted
    # Half of it is chance: turns that failed together must not come back together.
    return min(FIRST_PAUSE_S * 2 ** (attempts - 1), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)


def _may_pass(error: AgentRunError) -> bool:
    """A stream that made no sense is as good as one that broke off."""
    if isinstance(error, UnexpectedModelBehavior):
        return not isinstance(error, ContentFilterError)
    return isinstance(error, _PASSING)


async def pause(error: AgentRunError, attempts: int, retries: int) -> None:
    """Wait before the next attempt.

    Raises:
        ModelFailed: there is to be none.
    """
    seconds = pause_s(error, attempts) if attempts <= retries else None
    if seconds is None:
        tried = "" if attempts == 1 else f" (after {attempts} attempts)"
        # Without its cause: that is the provider's package, whose depth takes a log seconds to draw.
        raise ModelFailed(f"{type(error).__name__}: {error}{tried}") from None
    await asyncio.sleep(seconds)
