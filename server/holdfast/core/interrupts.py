"""Interrupts: the pending things that only a human or a device can settle, and every way they may go.

One table holds the whole life of an interrupt, whatever its kind. Two rules of the product are visible in it: a
closed state has no way out (promise 1), and expiry is a way of its own, never a human's "no" (promise 11).
"""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec
from msgspec.structs import replace

from holdfast.core.identity import By, Principal
from holdfast.core.ladders import Escalation, Rung
from holdfast.core.records import Record

Kind = Literal["approval", "client_tool", "question", "form", "gate", "in_doubt"]
Status = Literal["open", "resolved", "cancelled", "expired", "withdrawn", "superseded"]
Closed = Literal["resolved", "cancelled", "expired", "withdrawn", "superseded"]
#: What can happen to an interrupt.
#:   resolve    an answer "resolved" that decides                     cancel     an answer "cancelled", or its turn
#:   vote       an answer that counts but does not decide yet         withdraw   the agent or an admin takes it back
#:   claim      somebody says "I am looking at this"                  supersede  a newer message or branch made it void
#:   remind     a rung of its ladder                                  expire     its deadline
#:   escalate   others are asked: see `escalation`
Happening = Literal["resolve", "cancel", "vote", "claim", "remind", "escalate", "expire", "withdraw", "supersede"]
OnExpiry = Literal["deny", "approve", "cancel", "escalate"]

#: What becomes of votes that differ, once there is a quorum n.
#:   veto       n yes approve, and one no denies at once
#:   majority   when n have voted, the larger side decides; a tie waits for one vote more
#:   unanimous  when n have voted, all of them yes approve; anything else denies
#:   escalate   n that agree decide; as soon as two differ, the next voter of the next rung does
Conflict = Literal["veto", "majority", "unanimous", "escalate"]
QUORUM_MAX = 20  # votes are shown with the interrupt, in one event

TRANSITIONS: dict[tuple[Status, Happening], Status] = {
    ("open", "vote"): "open",
    ("open", "claim"): "open",
    ("open", "remind"): "open",
    ("open", "escalate"): "open",
    ("open", "resolve"): "resolved",
    ("open", "cancel"): "cancelled",
    ("open", "expire"): "expired",
    ("open", "withdraw"): "withdrawn",
    ("open", "supersede"): "superseded",
    # No row starts at a closed state: whatever comes later meets the decision that stands.
}

REASONS: dict[Kind, str] = {
    "approval": "tool_call",
    "client_tool": "holdfast:client_tool",
    "question": "input_required",
    "form": "input_required",
    "gate": "confirmation",
    "in_doubt": "holdfast:in_doubt",
}


#: The reason of what is asked about a call that has run: nothing waits for it (core/reviews.py).
REVIEW = "holdfast:review"


def next_status(status: Status, happening: Happening) -> Status | None:
    """The status after `happening`, or None: too late, the decision stands."""
    return TRANSITIONS.get((status, happening))


class Approvers(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Who may answer, and how many of them it takes. Naming nobody: whoever may answer in the session.

    Raises:
        TypeError, ValueError: a rule that nobody could follow, or that would be misread.
    """

    roles: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    #: How many different people must vote, on an approval or a gate. 1: whoever is first decides.
    quorum: int = 1
    conflict: Conflict = "veto"
    #: Not the person whose message caused the turn.
    not_requester: bool = False
    #: Approving or denying takes a reason.
    require_reason: bool = False
    #: Besides those that are named, whoever may answer in the session.
    members: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.roles, str) or isinstance(self.subjects, str):
            raise TypeError("roles and subjects are lists of names, not one name")
        if not 1 <= self.quorum <= QUORUM_MAX:
            raise ValueError(f"a quorum is 1 to {QUORUM_MAX} people, not {self.quorum}")
        if self.subjects and not self.roles and self.quorum > len(set(self.subjects)):
            raise ValueError(f"a quorum of {self.quorum} cannot be met by {len(set(self.subjects))} people")

    def named(self) -> bool:
        return bool(self.roles or self.subjects)

    def includes(self, principal: Principal) -> bool:
        return principal.subject in self.subjects or any(role in self.roles for role in principal.roles)


class Vote(msgspec.Struct, frozen=True, omit_defaults=True):
    """One person's yes or no, where several are needed."""

    by: By
    approved: bool
    at: int
    via: str
    #: Of the arguments that it was given on: it counts for no others.
    inputHash: str | None = None
    reason: str | None = None
    metadata: dict[str, Any] | None = None
    ref: str | None = None


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody is looking at this, or a device is doing it. It keeps nobody from answering.

    On a client tool it is a lease of one device: a renewal moves `until` without an event, and an event says when it
    is over. Elsewhere it is a courtesy, and means nothing after `until`.
    """

    by: By
    at: int
    until: int
    #: Which of the person's devices: a name that the device gave itself.
    device: str | None = None
    #: Over which connection it was last claimed: when that is gone, the device soon is.
    connection: str | None = None

    def held_by(self, by: By, device: str | None, *, lease: bool) -> bool:
        """Whether it is theirs. A courtesy is a person's, a lease one device's."""
        return self.by.id == by.id and (not lease or self.device == device)


class Edited(msgspec.Struct, frozen=True):
    """Arguments that a voter put in place of the proposed ones: what is voted on from then on."""

    input: Any
    inputHash: str
    by: By


class Interrupt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is shown: AG-UI's interrupt fields, and ours. Instants are integer milliseconds."""

    id: str
    kind: Kind
    session: str
    turn: str
    reason: str
    message: str | None = None
    toolCallId: str | None = None
    toolName: str | None = None
    input: Any = None
    inputHash: str | None = None
    #: What must be fitted by a form's `content`, a client tool's `output`, an approval's edited `input`.
    responseSchema: dict[str, Any] | None = None
    openedAt: int = 0
    expiresAt: int | None = None
    onExpiry: OnExpiry = "deny"
    approvers: Approvers | None = None
    editable: bool = False
    #: False: when it is settled, its turn goes on only after a `continue`.
    autoContinue: bool = True
    #: Whether who approves may let the like pass from now on.
    grantable: bool = False
    claim: Claim | None = None
    #: How far the device that runs a client tool is, in its own words.
    progress: Any = None
    votes: tuple[Vote, ...] = ()
    edited: Edited | None = None
    #: Which agent asks, where it is not the turn's own but one that this had do something.
    agent: str | None = None
    #: Whose message caused this, where that one may not answer.
    requester: str | None = None
    metadata: dict[str, Any] | None = None
    #: What happens while nobody decides, and how many of its rungs have acted or were passed over.
    ladder: tuple[Rung, ...] = ()
    climbed: int = 0
    #: What was done so far because nobody decided.
    escalations: tuple[Escalation, ...] = ()
    #: The votes differed: the next one decides.
    tied: bool = False
    #: Nobody of those asked could be reached, when that was last looked at: `nobody_known` or `all_away`.
    unroutable: str | None = None
    #: Where a form is filled in: a page of somebody else's, for what must not pass through here.
    url: str | None = None

    @property
    def afterwards(self) -> bool:
        """Whether it is about what was done: no turn waits for it, and nobody is called to it."""
        return self.reason == REVIEW


class Decision(msgspec.Struct, frozen=True):
    """The one answer that won. Immutable, and the same for everybody who asks."""

    status: Closed
    payload: Any
    by: By
    #: The way it came: websocket, rest, cli, system …
    via: str
    at: int
    ref: str | None = None

    @property
    def approved(self) -> bool:
        """Only a resolved decision whose payload says JSON `true` is a yes (promise 7)."""
        return self.status == "resolved" and self.body.get("approved") is True

    @property
    def body(self) -> dict[str, Any]:
        """The payload's fields; none if it is no object."""
        payload: object = self.payload
        return cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}


class InterruptRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """What is stored of an interrupt: what was shown, and what became of it."""

    kind = "interrupt"
    interrupt: Interrupt
    #: The operation of its turn that waits for it.
    operation: str
    #: Which arguments are remembered as approved, if a person approves them: an entry for each way to compare.
    remembers: tuple[tuple[str, ...], ...] = ()
    status: Status = "open"
    decision: Decision | None = None
    #: How often a device told its progress, and when it last did.
    progresses: int = 0
    progress_at_ms: int = 0
    #: How long it was to stay open, once its deadline was put off.
    term_ms: int | None = None
    #: Who was asked before others were: (approvers,). Empty: nobody else was.
    asked_first: tuple[Approvers | None, ...] = ()

    @property
    def id(self) -> str:
        return self.interrupt.id

    @property
    def leased(self) -> bool:
        """Whether a claim on it is one device's lease: whoever has it is doing the work."""
        return self.interrupt.kind == "client_tool"

    def showing(self, shown: Interrupt) -> InterruptRecord:
        """The record with what is shown from now on. Who was asked first stays known when others are."""
        handed_over = not self.asked_first and shown.approvers != self.interrupt.approvers
        asked_first = (self.interrupt.approvers,) if handed_over else self.asked_first
        return replace(self, interrupt=shown, asked_first=asked_first)

    def overdue(self, now_ms: int) -> bool:
        due = self.interrupt.expiresAt
        return self.status == "open" and due is not None and due <= now_ms


class GrantWish(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an approval may ask for: to let the like of it pass from now on."""

    #: For this session, or for this agent everywhere, or for it when this person has it act.
    scope: Literal["session", "agent", "person"]
    #: Conditions on the arguments, as in a rule; {} means any. Absent: exactly those that are approved.
    input: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    #: An instant in milliseconds. None: as long as the session; for wider ones 30 days.
    until: int | None = None


class ApprovalPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The answer to an approval or a gate. Only JSON `true` approves (promise 7): anything else is malformed."""

    approved: bool
    reason: str | None = None
    #: Edited arguments: a full replacement.
    input: Any = msgspec.UNSET
    #: Of the arguments that were seen: it is refused if they are others by now.
    inputHash: str | None = None
    metadata: dict[str, Any] | None = None
    grant: GrantWish | msgspec.UnsetType = msgspec.UNSET


class QuestionPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    selected: list[str] = []
    text: str | None = None


class FormPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    action: Literal["accept", "decline", "cancel"]
    content: dict[str, Any] | None = None


class ClientToolPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of the two. Null, 0, false and "" are outputs."""

    output: Any = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET


class InDoubtPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    ran: bool
    result: Any = msgspec.UNSET


class CancelPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an answer with the status "cancelled" may say, whatever the kind."""

    reason: str | None = None


PAYLOADS: dict[Kind, type[msgspec.Struct]] = {
    "approval": ApprovalPayload,
    "gate": ApprovalPayload,
    "question": QuestionPayload,
    "form": FormPayload,
    "client_tool": ClientToolPayload,
    "in_doubt": InDoubtPayload,
}
