"""One device's connection, without its I/O: bytes go in, and what is to be done comes out.

              receive: Hello → Authenticate          welcome()
    hello ─────────────────────────────────▶ hello ───────────▶ open      receive: → Perform | Pong | Refuse
      │  overdue(): NO_HELLO                                      │  overdue(): TOKEN_EXPIRED
      └───────────────────────────▶ Close ◀───────────────────────┘  TOO_LARGE, BAD_FRAMES

Frames of one session are performed in the order in which they came, so that of two sends the first is the
first. Sessions do not wait for each other, and a ping waits for nothing: see `Perform.lane`.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from holdfast.core.errors import BadRequest, HoldfastError, LimitReached, TooLarge, UnknownFrame
from holdfast.core.identity import Principal
from holdfast.core.ids import gate_session_id, session_id
from holdfast.protocol import close_codes, frames
from holdfast.protocol.close_codes import CloseCode
from holdfast.protocol.frames import AnswerMany, Attach, Detach, DeviceFrame, Gate, Hello, Notify, Ping, Start
from holdfast.protocol.limits import Limits

Command: TypeAlias = DeviceFrame


class Authenticate(msgspec.Struct, frozen=True):
    """Check the token; then `welcome`, or close."""

    hello: Hello


class Perform(msgspec.Struct, frozen=True):
    """Do it, behind what is under way in its lane; then say `settled`."""

    frame: Command
    lane: str


class Pong(msgspec.Struct, frozen=True):
    """Answer a ping, now."""


class Refuse(msgspec.Struct, frozen=True):
    """Answer with an error. The connection stays open."""

    error: HoldfastError
    ref: str | None


class Close(msgspec.Struct, frozen=True):
    """Say what is wrong, if there are words for it, and close."""

    code: CloseCode
    error: HoldfastError | None = None


Step: TypeAlias = Authenticate | Perform | Pong | Refuse | Close


class Connection:
    """The state of one device's connection."""

    def __init__(self, limits: Limits, opened_at_ms: int) -> None:
        self.limits = limits
        self.principal: Principal | None = None
        #: The sessions that it is attached to, or is being attached to.
        self.attached: set[str] = set()
        self._hello_by_ms = opened_at_ms + limits.hello_ms
        self._greeted = False
        self._pending = 0
        self._bad = 0

    def receive(self, data: bytes | str) -> Step:
        """What one text frame asks for."""
        if len(data) > self.limits.frame_max_bytes:
            return Close(close_codes.TOO_LARGE, TooLarge(limit=self.limits.frame_max_bytes))
        try:
            frame = frames.decode(data)
        except UnknownFrame as error:  # a device of a later version: not a bad one
            return _refuse(error)
        except TooLarge as error:
            return Close(close_codes.TOO_LARGE, error)
        except BadRequest as error:
            return self._malformed(error)
        except (msgspec.MsgspecError, TypeError):  # so malformed that what is wrong with it cannot be said
            return self._malformed(BadRequest("A frame must be one JSON object with a `type`."))
        self._bad = 0
        return self._step(frame)

    def welcome(self, principal: Principal) -> None:
        """Who is there is known."""
        self.principal = principal

    def settled(self) -> None:
        """A command that was to be performed has been answered."""
        self._pending -= 1

    @property
    def full(self) -> bool:
        """Whether nothing more may be read until a command is settled."""
        return self._pending >= self.limits.pending_max

    @property
    def deadline_ms(self) -> int | None:
        """When to look at `overdue`. None: there is no deadline."""
        return self._hello_by_ms if self.principal is None else self.principal.expires_at_ms

    def overdue(self, now_ms: int) -> Close | None:
        """What to do about the deadline, if it has passed."""
        deadline = self.deadline_ms
        if deadline is None or now_ms < deadline:
            return None
        return Close(close_codes.NO_HELLO if self.principal is None else close_codes.TOKEN_EXPIRED)

    def _step(self, frame: DeviceFrame) -> Step:
        match frame:
            case Ping():
                return Pong()
            case Hello():
                return self._hello(frame)
            case _ if self.principal is None:
                return Close(close_codes.UNAUTHENTICATED, BadRequest("The first frame must be a hello."))
            case Attach() if not self._attach(frame):
                limit = self.limits.sessions_max
                return Refuse(LimitReached(f"A connection attaches at most {limit} sessions.", limit=limit), frame.ref)
            case Detach():
                self.attached.discard(frame.session)
            case _:
                pass
        self._pending += 1
        return Perform(frame, _lane(frame, self.principal))

    def _hello(self, frame: Hello) -> Step:
        if self._greeted or self.principal is not None:
            return Refuse(BadRequest("There was a hello already; to change the token, connect again."), None)
        self._greeted = True
        return Authenticate(frame)

    def _attach(self, frame: Attach) -> bool:
        if frame.session not in self.attached and len(self.attached) >= self.limits.sessions_max:
            return False
        self.attached.add(frame.session)
        return True

    def _malformed(self, error: BadRequest) -> Step:
        self._bad += 1
        if self._bad > self.limits.bad_frames_max:
            return Close(close_codes.BAD_FRAMES, error)
        return _refuse(error)


def _refuse(error: HoldfastError) -> Refuse:
    return Refuse(error, error.details.get("ref"))


def _lane(frame: DeviceFrame, principal: Principal) -> str:
    """The session; a start's is known before it is there, so that what is sent behind it finds it."""
    match frame:
        case Start():
            return frame.id or session_id(principal.subject, frame.ref)
        case AnswerMany():  # one session's answers stay in order with what else is said there
            sessions = {item.session for item in frame.answers}
            return sessions.pop() if len(sessions) == 1 else ""
        case Gate():
            return frame.session or gate_session_id(principal.subject, frame.id)
        case Notify():
            return "notices"  # one person's, of one board: in their order
        case Hello() | Ping():
            return ""
        case _:
            return frame.session
