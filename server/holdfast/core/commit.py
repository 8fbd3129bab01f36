"""The Commit: all that becomes true together, and the guards under which it is true.

The core decides by returning one. `commit.lua` applies it whole, or not at all (promise 3).
"""

from __future__ import annotations

import msgspec

from holdfast.core.audit import AuditEntry
from holdfast.core.deadlines import Deadline
from holdfast.core.events import Event
from holdfast.core.operations import Operation
from holdfast.core.records import Record


class Fence(msgspec.Struct, frozen=True):
    """A worker's right to write for a turn: the store's epoch and a number that only grows."""

    epoch: str
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.number}"


class Writer(msgspec.Struct, frozen=True):
    """Names a worker's commit: the next one applies, a repeated one is answered as before, a stale one bounces."""

    turn: str
    fence: Fence
    #: 1, 2, 3 … under one fence.
    number: int


class CommandId(msgspec.Struct, frozen=True):
    """Names a device's commit: repeating it repeats the reply, not the effect."""

    subject: str
    ref: str
    #: Of the command's body: another body under a known ref is refused.
    digest: str


class Job(msgspec.Struct, frozen=True):
    """A hint to workers that a turn is ready. The turn's record is the truth."""

    turn: str
    #: agent@version: only workers that registered it look there.
    queue: str


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to tell people who are not connected. Leaves by the outbox."""

    #: interrupt.opened, interrupt.closed, any other interrupt.*; or turn.notice, which is about no interrupt ("").
    kind: str
    session: str
    interrupt: str
    version: int
    #: What follows is of `turn.notify`: who says it, in which operation, what, and to whom.
    turn: str | None = None
    operation: str | None = None
    text: str | None = None
    to: tuple[str, ...] = ()


class Trim(msgspec.Struct, frozen=True):
    """The log up to `floor` goes. `folded`, the state at that position, stands for it from then on."""

    #: Where the floor was when this was made: another trim since then bounces it.
    was: int
    floor: int
    folded: bytes


class Commit(msgspec.Struct):
    """What is to become true together. Every record in `puts` guards the version it was read at."""

    session: str
    #: What it is about, in one word: names its failpoints and its metrics.
    label: str
    #: Who commits: a command, a worker, or None (the clock, whose guard is `due`).
    by: CommandId | Writer | None = None
    #: The store's epoch under which it was decided: after a restart its records may be others of the same version.
    epoch: str | None = None
    #: The session must not exist yet.
    creates: bool = False
    #: The session ends here: a tombstone stays, and nothing is ever committed to it again (rule g).
    buries: bool = False
    #: It writes to a shelf of schedules, which needs no session's life.
    on_shelf: bool = False
    #: Records to set, each as read and then changed: its `version` is what must still stand (0: must not exist).
    puts: list[Record] = msgspec.field(default_factory=list[Record])
    #: Records that must still stand as read, though they are not set: (record).
    guards: list[Record] = msgspec.field(default_factory=list[Record])
    #: Records to take away, each as read: what guards the others guards these.
    removes: list[Record] = msgspec.field(default_factory=list[Record])
    #: Names of deadlines that must have come.
    due: list[str] = msgspec.field(default_factory=list[str])
    #: In the order in which everybody will see them.
    events: list[Event] = msgspec.field(default_factory=list[Event])
    #: Positions of the log for which one of the events stands from now on (compaction).
    erases: list[int] = msgspec.field(default_factory=list[int])
    trim: Trim | None = None
    operations: list[Operation] = msgspec.field(default_factory=list[Operation])
    #: Operations whose record goes: they are asked for anew.
    forgets: list[Operation] = msgspec.field(default_factory=list[Operation])
    set_deadlines: list[Deadline] = msgspec.field(default_factory=list[Deadline])
    drop_deadlines: list[str] = msgspec.field(default_factory=list[str])
    jobs: list[Job] = msgspec.field(default_factory=list[Job])
    drop_jobs: list[Job] = msgspec.field(default_factory=list[Job])
    #: Interrupts to list in, or take from, the inbox.
    inbox_add: list[str] = msgspec.field(default_factory=list[str])
    inbox_drop: list[str] = msgspec.field(default_factory=list[str])
    #: Grants to list, or that are listed no more.
    grants_add: list[str] = msgspec.field(default_factory=list[str])
    grants_drop: list[str] = msgspec.field(default_factory=list[str])
    #: A fence to set for a turn (take), or None: whatever fence it has is void (release, wait, finish).
    fences: dict[str, Fence | None] = msgspec.field(default_factory=dict[str, "Fence | None"])
    #: Members whose session lists show this session, and those whose lists no longer do.
    list_for: list[str] = msgspec.field(default_factory=list[str])
    unlist_for: list[str] = msgspec.field(default_factory=list[str])
    notices: list[Notice] = msgspec.field(default_factory=list[Notice])
    audit: list[AuditEntry] = msgspec.field(default_factory=list[AuditEntry])
    #: Turns whose workers must look up: cancelled, steered.
    nudges: list[str] = msgspec.field(default_factory=list[str])
    #: Nobody is told that it is done before it has the copies that `HOLDFAST_WAIT` asks for (rule e).
    durable: bool = False
    #: What the command is answered, now and when it is repeated.
    reply: msgspec.Raw | None = None
    #: False: doing it again does no harm, and so it is not kept under the command's ref.
    remembered: bool = True
