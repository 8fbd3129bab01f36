"""The frames of the native WebSocket: JSON objects, told apart by `type`. docs/protocol.md says them in words.

Frames only grow: a new field has a default; unknown fields are passed over; an unknown type is an error.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast

import msgspec

from holdfast.core.errors import BadRequest, HoldfastError, TooLarge, UnknownFrame
from holdfast.core.identity import By
from holdfast.core.interrupts import Approvers, Decision, Interrupt, OnExpiry, Vote
from holdfast.core.ladders import HandOverText, RemindText

SUBPROTOCOL = "holdfast.v1"
FRAME_MAX_BYTES = 256 * 1024  # either way; a snapshot comes in pages below it


class Position(msgspec.Struct, frozen=True):
    """A place in a session's log. `seq` counts 1, 2, 3 …; it means nothing under another epoch. 0: the beginning."""

    epoch: str
    seq: int


#: A device's name for itself, the same over all its connections: any text that no other device of its person has.
DeviceId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Frame(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """What all frames have in common: the tag `type`."""


# ── device → server ──────────────────────────────────────────────────────────────────────────────────────────────


class Hello(Frame, frozen=True, tag="hello"):
    token: str
    #: Shown to others as one of the devices present: "Alice's phone".
    device: str | None = None


class Start(Frame, frozen=True, tag="start"):
    ref: str
    #: Empty: a session without an agent, for a state and gates.
    agent: str = ""
    id: str | None = None
    input: Any = msgspec.UNSET
    message: Any = None
    title: str | None = None
    metadata: dict[str, Any] | None = None


class Attach(Frame, frozen=True, tag="attach"):
    ref: str
    session: str
    since: Position | None = None
    #: Messages in the snapshot, newest.
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Detach(Frame, frozen=True, tag="detach"):
    session: str
    ref: str | None = None


class History(Frame, frozen=True, tag="history"):
    ref: str
    session: str
    before: Annotated[int, msgspec.Meta(ge=1)]
    limit: Annotated[int, msgspec.Meta(ge=1)] = 50


class Send(Frame, frozen=True, tag="send"):
    ref: str
    session: str
    message: Any
    mode: Literal["queue", "steer", "replace", "reject"] | None = None
    replaces: str | None = None


class Answer(Frame, frozen=True, tag="answer"):
    ref: str
    session: str
    interrupt: str
    status: Literal["resolved", "cancelled"]
    payload: Any = None
    #: Which device did what a client tool asked for.
    device: DeviceId | None = None


class AnswerItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer of several. Its status is looked at when its turn comes: a bad item is refused alone."""

    session: str
    interrupt: str
    status: str
    payload: Any = None


class AnswerMany(Frame, frozen=True, tag="answer_many"):
    ref: str
    answers: list[AnswerItem]


class Claim(Frame, frozen=True, tag="claim"):
    ref: str
    session: str
    interrupt: str
    #: None: 5 minutes, 30 seconds for a client tool. 0: lets go.
    for_ms: int | None = None
    device: DeviceId | None = None


class Progress(Frame, frozen=True, tag="progress"):
    ref: str
    session: str
    interrupt: str
    progress: Any
    device: DeviceId | None = None


class Withdraw(Frame, frozen=True, tag="withdraw"):
    ref: str
    session: str
    interrupt: str
    reason: str | None = None


class Gate(Frame, frozen=True, tag="gate"):
    """Ask people to let something pass, from outside any turn. The same `id` again is the same gate."""

    ref: str
    id: str
    name: str
    payload: Any = None
    #: The session in which it stands; None: one of its own.
    session: str | None = None
    message: str | None = None
    approvers: Approvers | None = None
    #: A duration in words: "2 hours".
    expires: str | None = None
    on_expiry: OnExpiry = "deny"
    metadata: dict[str, Any] | None = None
    #: What happens while nobody decides.
    escalate: list[RemindText | HandOverText] = []


class Patch(Frame, frozen=True, tag="patch"):
    """Change a session's state by JSON Patch (RFC 6902)."""

    ref: str
    session: str
    patch: list[dict[str, Any]]
    #: Only if this version stands; None: whatever stands.
    version: int | None = None


class ToolUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    type: Literal["tool-output-available", "tool-output-error", "tool-approval-response"]
    toolCallId: str
    output: Any = msgspec.UNSET
    errorText: str | None = None
    #: Checked as an answer's payload is: only JSON true approves.
    approved: Any = msgspec.UNSET
    reason: str | None = None


class Update(Frame, frozen=True, tag="update"):
    ref: str
    session: str
    updates: list[ToolUpdate]
    message: str | None = None


class Cancel(Frame, frozen=True, tag="cancel"):
    ref: str
    session: str
    turn: str | None = None


class Ping(Frame, frozen=True, tag="ping"):
    pass


class Later(Frame, frozen=True):
    """A frame of the contract whose issue has not come yet: answered `not_implemented`."""

    ref: str


class Takeover(Frame, frozen=True, tag="takeover"):
    ref: str
    session: str


class Handback(Frame, frozen=True, tag="handback"):
    ref: str
    session: str
    #: The messages that queued meanwhile need no turn any more.
    answered: bool = False


class Branch(Frame, frozen=True, tag="branch"):
    ref: str
    session: str
    #: Empty: the one on which the session began.
    branch: str


class Continue(Frame, frozen=True, tag="continue"):
    ref: str
    session: str
    turn: str


class Feedback(Later, frozen=True, tag="feedback"):
    pass


DeviceFrame = (
    Hello
    | Start
    | Attach
    | Detach
    | History
    | Send
    | Answer
    | Update
    | Cancel
    | Ping
    | AnswerMany
    | Gate
    | Patch
    | Claim
    | Progress
    | Withdraw
    | Takeover
    | Handback
    | Branch
    | Continue
    | Feedback
)

# ── server → device ──────────────────────────────────────────────────────────────────────────────────────────────


class Welcome(Frame, frozen=True, tag="welcome"):
    connection: str
    #: `{subject, roles, can, name?, actor?}`
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


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[DeviceFrame] = msgspec.json.Decoder(DeviceFrame)
_TYPES = {frame.__struct_config__.tag for frame in DeviceFrame.__args__}


def encode(frame: Frame) -> bytes:
    return _encoder.encode(frame)


def decode(data: bytes | str) -> DeviceFrame:
    """A device's frame.

    Raises:
        TooLarge, BadRequest, UnknownFrame: with what is wrong, where, and the frame's `ref` in details if it has one.
    """
    if len(data) > FRAME_MAX_BYTES:
        raise TooLarge(f"A frame is at most {FRAME_MAX_BYTES} bytes.", limit=FRAME_MAX_BYTES)
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"A frame must be one JSON object in UTF-8: {error}", **_ref_in(data)) from None
    except RecursionError:
        raise BadRequest("A frame must not be nested thousands of levels deep.", **_ref_in(data)) from None


def event_frame(session: str, seq: int, at: int, event: bytes, from_: int | None = None) -> bytes:
    """The frame of a stored event: its bytes go in as they are, never encoded again."""
    start = b"" if from_ is None or from_ == seq else b'"from":%d,' % from_
    return b'{"type":"event","session":"%s","seq":%d,"at":%d,%s"event":%s}' % (session.encode(), seq, at, start, event)


def error_body(error: HoldfastError) -> dict[str, Any]:
    """An error of one item among several."""
    body: dict[str, Any] = {"code": error.code, "message": error.message, "retry": error.retry}
    return body | ({"details": error.details} if error.details else {})


def error_frame(error: HoldfastError, ref: str | None = None) -> Error:
    return Error(error.code, error.message, error.retry, ref, error.details or None)


def _decode(data: bytes | str) -> DeviceFrame:
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _refusal(data, str(error)) from None


_REF = re.compile(rb'"ref"\s*:\s*"([\x20\x21\x23-\x5b\x5d-\x7e]{1,128})"')


def _ref_in(data: bytes | str) -> dict[str, str]:
    """The ref of a frame that cannot be read: whoever sent it must learn that it was refused."""
    raw = data if isinstance(data, bytes) else data.encode(errors="replace")
    found = _REF.search(raw)
    return {"ref": found[1].decode()} if found else {}


def _refusal(data: bytes | str, reason: str) -> BadRequest:
    try:
        raw: object = msgspec.json.decode(data)
    except msgspec.DecodeError as error:  # what stands behind a value that has the wrong type already
        return BadRequest(f"A frame must be one JSON object in UTF-8: {error}")
    if not isinstance(raw, dict):
        return BadRequest("A frame must be a JSON object with a `type`.")
    fields = cast("dict[str, Any]", raw)
    ref, kind = fields.get("ref"), fields.get("type")
    details = {"ref": ref} if isinstance(ref, str) else {}
    if not isinstance(kind, str) or kind not in _TYPES:
        return UnknownFrame(f"There is no frame of type {str(kind)[:64]!r}.", **details)
    return BadRequest(f"{kind}: {reason}", **details)
