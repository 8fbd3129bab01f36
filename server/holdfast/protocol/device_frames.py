"""What a device says to the server. docs/protocol.md says each in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from holdfast.core.feedback import Target
from holdfast.core.interrupts import Approvers, OnExpiry
from holdfast.core.ladders import HandOverText, RemindText
from holdfast.protocol.frame import Frame, Position

#: A device's name for itself, the same over all its connections: any text that no other device of its person has.
DeviceId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


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
    escalate: list[RemindText | HandOverText] = msgspec.field(default_factory=list[RemindText | HandOverText])
    #: What is wanted: a yes, or an answer in words to `message`.
    kind: Literal["gate", "question"] = "gate"


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


class Feedback(Frame, frozen=True, tag="feedback"):
    """What a person says afterwards about a message, an operation or an interrupt."""

    ref: str
    session: str
    target: Target
    #: From -1 (bad) to 1 (good).
    score: float | None = None
    labels: tuple[str, ...] = ()
    comment: str | None = None
    #: What it should have been.
    correction: Any = None


class Notify(Frame, frozen=True, tag="notify"):
    """What people are told outside any turn. It stands on the board of who tells it."""

    ref: str
    text: str
    #: Whom targets are to give it; empty: who tells it.
    to: tuple[str, ...] = ()


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
    | Notify
)
