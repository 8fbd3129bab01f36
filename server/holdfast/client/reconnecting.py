"""When to come back after a lost connection, and when to stop: pure, but for the dice."""

from __future__ import annotations

import random
from collections.abc import Callable

from holdfast.core.errors import (
    BadRequest,
    Forbidden,
    HoldfastError,
    NotFound,
    Refused,
    TokenExpired,
    TooLarge,
    Unauthenticated,
)
from holdfast.protocol import close_codes
from holdfast.protocol.close_codes import CloseCode

FIRST_S = 0.5
LIMIT_S = 20.0  # what people wait for a page before they give it up
STEADY_S = 10.0  # a connection that held as long is a good one: the next loss starts from the beginning

_REFUSALS: dict[int, type[HoldfastError]] = {
    close_codes.TOO_LARGE.code: TooLarge,
    close_codes.BAD_FRAMES.code: BadRequest,
    close_codes.TOKEN_EXPIRED.code: TokenExpired,
    close_codes.UNAUTHENTICATED.code: Unauthenticated,
    close_codes.FORBIDDEN_ORIGIN.code: Forbidden,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
}


class Waits:
    """How long to wait before each attempt: anything between nothing and a limit that doubles (full jitter).

    So that devices that lost one server do not come to the next in the same instant.
    """

    def __init__(
        self,
        first_s: float = FIRST_S,
        limit_s: float = LIMIT_S,
        dice: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s, self._limit_s, self._dice = first_s, limit_s, dice
        self._failures = 0
        self._told_s: float | None = None

    def told(self, after_ms: int) -> None:
        """The server said when to come back: it spreads its devices better than dice do."""
        self._told_s = after_ms / 1_000

    def lasted(self, seconds: float) -> None:
        """A connection was there for so long."""
        if seconds >= STEADY_S:
            self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait now."""
        told, self._told_s = self._told_s, None
        if told is not None:
            return told
        # 2**16 is past any sensible limit; without a cap the power grows for as long as a server is away.
        limit = min(self._limit_s, self._first_s * 2 ** min(self._failures, 16))
        self._failures += 1
        return self._dice(0, limit)


def refusal_of_close(code: int, reason: str, said: HoldfastError | None, *, fresh_token: bool) -> HoldfastError | None:
    """Why not to come back after a close with `code`; None: come back.

    `said` is the error that came before it. `fresh_token`: there will be another one next time.
    """
    expired = code == close_codes.TOKEN_EXPIRED.code and not fresh_token
    if CloseCode(code, reason).come_back and not expired:
        return None
    return said or _REFUSALS.get(code, Refused)(reason or None, close_code=code)


def refusal_of_status(status: int) -> HoldfastError | None:
    """Why not to come back after an HTTP status instead of a WebSocket; None: come back."""
    refusal = _REFUSALS.get(status)
    if refusal is None:
        return None
    return refusal(f"The server answered {status} to the WebSocket's request.", status=status)
