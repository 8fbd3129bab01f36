"""What the server says to a device. docs/protocol.md says each in words."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, Interrupt, Vote
from holdfast.protocol.frame import Frame, Position


class Welcome(Frame, frozen=True, tag="welcome"):
    connection: str
    #: `{subject, roles, can, name?, actor?, deputyFor?}`
    principal: dict[str, Any]
    limits: dict[str, int]
    serverTime: int


class Attached(Frame, frozen=True, tag="attached"):
    """What follows are events from `seq` on: of the snapshot, or of the position that was asked for (replay).

    `head` is the last position when this was sent: a device that has reached it is up to date.
    """

    ref: str
    session: str
    epoch: str
    seq: int
    mode: Literal["snapshot", "replay"]
    head: int
    snapshot: Any = None


class EventFrame(Frame, frozen=True, tag="event"):
    """One event. With `from`, it stands for all positions from there to `seq`."""

    session: str
    seq: int
    at: int
    event: msgspec.Raw
    from_: int | None = msgspec.field(default=None, name="from")


class PageEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    seq: int
    at: int
    event: msgspec.Raw
    from_: int | None = msgspec.field(default=None, name="from")


class Page(Frame, frozen=True, tag="page"):
    """Older history, ascending, for the positions `from` to `to`. `more`: there is still older."""

    ref: str
    session: str
    events: list[PageEvent]
    from_: int = msgspec.field(name="from")
    to: int
    more: bool


class Gap(Frame, frozen=True, tag="gap"):
    """The position that was asked for cannot be replayed from; a snapshot follows."""

    session: str
    requested: Position
    earliest: Position


class Device(msgspec.Struct, frozen=True, omit_defaults=True):
    connection: str
    subject: str
    name: str | None = None
    device: str | None = None


class Presence(Frame, frozen=True, tag="presence"):
    session: str
    devices: list[Device]


class Pong(Frame, frozen=True, tag="pong"):
    serverTime: int


class Ok(Frame, frozen=True, tag="ok"):
    ref: str
    session: str | None = None
    epoch: str | None = None
    seq: int | None = None
    turn: str | None = None
    message: str | None = None
    #: Of a message: the turn at work before its own, how many must end first; or that it steers `turn` instead.
    behind: str | None = None
    ahead: int = 0
    steers: bool = False
    #: Of the state that was patched.
    version: int | None = None


class Answered(Frame, frozen=True, tag="answered"):
    ref: str
    outcome: Literal["won", "lost", "recorded"]
    interrupt: str | None = None
    decision: Decision | None = None
    vote: Vote | None = None
    #: The grant that was given with it, once that stands.
    grant: str | None = None


class AnswerResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answered object of one item, or its error."""

    interrupt: str
    outcome: Literal["won", "lost", "recorded"] | None = None
    decision: Decision | None = None
    vote: Vote | None = None
    error: dict[str, Any] | None = None


class AnsweredMany(Frame, frozen=True, tag="answered_many"):
    """One result for each item, in their order."""

    ref: str
    results: list[AnswerResult]


class UpdateResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answered object of one item, or its error."""

    toolCallId: str
    outcome: Literal["won", "lost", "recorded"] | None = None
    interrupt: str | None = None
    decision: Decision | None = None
    vote: Vote | None = None
    error: dict[str, Any] | None = None


class Updated(Frame, frozen=True, tag="updated"):
    ref: str
    results: list[UpdateResult]


class GateShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A gate as it is, up to the position `seq`: attach from there and miss nothing."""

    #: As its requester calls it.
    id: str
    session: str
    interrupt: Interrupt
    status: str
    canAnswer: bool
    epoch: str
    seq: int
    decision: Decision | None = None


class Gated(Frame, frozen=True, tag="gated"):
    """The gate stands. `created`: by this command, now."""

    ref: str
    created: bool
    gate: GateShown


class Continued(Frame, frozen=True, tag="continued"):
    """Who let the turn go on: this device, or the one to which it lost."""

    ref: str
    outcome: Literal["won", "lost"]
    turn: str
    by: By
    at: int


class Error(Frame, frozen=True, tag="error"):
    code: str
    message: str
    retry: bool
    ref: str | None = None
    details: dict[str, Any] | None = None


class Closing(Frame, frozen=True, tag="closing"):
    """The server goes away: come back after this time, to wherever the address leads then."""

    reconnect_after_ms: int
