"""Why a connection is closed, and what the device is to do about it.

    3000-3499  4000-4499   come back: after a while, with jitter, and with a fresh token if the code says so
    3500-3999  4500-4999   stop: the same device would be refused again

Threes are about the server, fours about who is there. A connection that ends without any of them: come back.
"""

from __future__ import annotations

from typing import NamedTuple


class CloseCode(NamedTuple):
    """A code of the WebSocket close frame, and its reason in words (at most 123 bytes)."""

    code: int
    reason: str

    @property
    def come_back(self) -> bool:
        """Whether a device that gets it should connect again. True for what is not ours, too."""
        return self.code != TOO_LARGE.code and not (3500 <= self.code < 4000 or 4500 <= self.code < 5000)


TOO_LARGE = CloseCode(1009, "A frame is over the limit.")

SHUTDOWN = CloseCode(3001, "The server shuts down: come back.")
SLOW_DEVICE = CloseCode(3008, "Too much was waiting to be read: come back for the rest.")
NO_PONG = CloseCode(3011, "No answer to a ping: come back.")
INTERNAL_ERROR = CloseCode(3012, "Something failed here: come back.")
UNAVAILABLE = CloseCode(3013, "What is needed to let you in does not answer: come back.")
BAD_FRAMES = CloseCode(3500, "Too many malformed frames one after the other.")

TOKEN_EXPIRED = CloseCode(4001, "The token has expired: come back with a fresh one.")
NO_HELLO = CloseCode(4008, "No token came in time: come back and say hello.")
UNAUTHENTICATED = CloseCode(4500, "No token, or one that cannot be trusted.")
FORBIDDEN_ORIGIN = CloseCode(4503, "Pages of this origin may not connect.")

ALL = (
    TOO_LARGE,
    SHUTDOWN,
    SLOW_DEVICE,
    NO_PONG,
    INTERNAL_ERROR,
    UNAVAILABLE,
    BAD_FRAMES,
    TOKEN_EXPIRED,
    NO_HELLO,
    UNAUTHENTICATED,
    FORBIDDEN_ORIGIN,
)
