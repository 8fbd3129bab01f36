"""Events: the immutable entries of a session's log.

An event does not hold its own position or time: the store gives both when it is appended, and they travel beside it.
Types only grow: a new field has a default, an old one keeps its meaning.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, Interrupt
from holdfast.core.messages import Message
from holdfast.core.session import SessionInfo

EVENT_MAX_BYTES = 192 * 1024  # of one encoded event; larger bodies go by reference

TurnEnd = Literal["completed", "failed", "cancelled"]


class EventBase(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """What all events have in common: the tag `type`."""


class SessionCreated(EventBase, frozen=True, tag="session.created"):
    session: SessionInfo


class SessionUpdated(EventBase, frozen=True, tag="session.updated"):
    """Title, metadata or members changed: the whole of what is shown of the session."""

    session: SessionInfo


class SessionDeleted(EventBase, frozen=True, tag="session.deleted"):
    """The last event there is: everything before it is being erased."""

    by: By


class StateChanged(EventBase, frozen=True, tag="session.state"):
    """Somebody changed the shared document: the whole of it."""

    state: dict[str, Any]
    version: int
    by: By


class MessageWritten(EventBase, frozen=True, tag="message"):
    """A whole message: a person's, or the agent's so far, standing for the chunks that made it."""

    message: Message
    turn: str | None = None
    #: Where the message began, if not here: folding orders messages by it.
    first: int | None = None


class MessageRewound(EventBase, frozen=True, tag="message.rewound"):
    """A worker died in mid-message: what was streamed past this is void."""

    message: Message
    turn: str
    first: int | None = None


class ChunkWritten(EventBase, frozen=True, tag="chunk"):
    """One increment of the agent's message: an AI SDK UI message chunk, verbatim."""

    turn: str
    message: str
    chunk: dict[str, Any]
    #: The operation under which it was streamed. Void if a worker dies before that operation is recorded as done.
    op: str | None = None


class TurnQueued(EventBase, frozen=True, tag="turn.queued"):
    turn: str
    agent: str
    #: The turn that runs or waits meanwhile.
    behind: str | None = None
    #: How many turns must end before it starts.
    ahead: int = 0
    #: A message that was said to steer another turn, whose agent never looked: it causes this turn instead.
    cause: str | None = None
    #: The branch on which it speaks, if not the one on which the session began.
    branch: str | None = None


class TurnStarted(EventBase, frozen=True, tag="turn.started"):
    turn: str
    agent: str
    message: str | None = None


class TurnSteered(EventBase, frozen=True, tag="turn.steered"):
    """Its agent has taken in what was said while it ran or waited."""

    turn: str
    messages: tuple[str, ...]


class TurnWaiting(EventBase, frozen=True, tag="turn.waiting"):
    turn: str
    open: tuple[str, ...]


class TurnResumed(EventBase, frozen=True, tag="turn.resumed"):
    """The continuation: exactly one for each time that the turn stopped."""

    turn: str


class TurnBlocked(EventBase, frozen=True, tag="turn.blocked"):
    """It cannot go on until an operator acts; what it asks stays answerable."""

    turn: str
    code: str
    message: str


class TurnProgress(EventBase, frozen=True, tag="turn.progress"):
    turn: str
    progress: Any


class TurnFinished(EventBase, frozen=True, tag="turn.finished"):
    turn: str
    status: TurnEnd
    result: Any = None
    #: `{code, message}` of a failed turn.
    error: dict[str, Any] | None = None
    by: By | None = None


class InterruptOpened(EventBase, frozen=True, tag="interrupt.opened"):
    interrupt: Interrupt


class InterruptUpdated(EventBase, frozen=True, tag="interrupt.updated"):
    """A vote, a claim, a reminder, an escalation: the fields that changed."""

    interrupt: str
    changes: dict[str, Any]


class InterruptClosed(EventBase, frozen=True, tag="interrupt.closed"):
    interrupt: str
    decision: Decision


Event = (
    SessionCreated
    | SessionUpdated
    | SessionDeleted
    | StateChanged
    | MessageWritten
    | MessageRewound
    | ChunkWritten
    | TurnQueued
    | TurnStarted
    | TurnSteered
    | TurnWaiting
    | TurnResumed
    | TurnBlocked
    | TurnProgress
    | TurnFinished
    | InterruptOpened
    | InterruptUpdated
    | InterruptClosed
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event of a type that this version does not know: kept, and passed over."""

    type: str


def encode(event: Event) -> bytes:
    """The stored bytes: made once, and what every device gets."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event | UnknownEvent:
    """The event in stored bytes; a type of a later version is passed over, not refused."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError:
        return UnknownEvent(msgspec.json.decode(data).get("type", ""))
