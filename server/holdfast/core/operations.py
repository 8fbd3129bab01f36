"""Operations: the recorded things inside a turn. What has a record is never done again."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from holdfast.core.ids import call_id
from holdfast.core.interrupts import Decision
from holdfast.core.policies import Judged

OPERATIONS_MAX = 1_000  # a turn; a loop that needs more is several turns
OPERATIONS_RESERVE = 50  # beyond it, for a hook that is told of the limit: to ask people, to tell them, to tidy up
OPERATIONS_CEILING = 10_000  # a turn, whatever its hook grants: all of it is read whenever the turn goes on
OPERATIONS_MAX_BYTES = 8 * 1024 * 1024  # a turn, all operations together
OPERATIONS_RESERVE_BYTES = 512 * 1024  # beyond what is recorded, for such a hook
OPERATIONS_CEILING_BYTES = 32 * 1024 * 1024  # likewise

#: What an author asked for. `text` is what the agent wrote between two others; `first` is which of several won;
#: `permit` is a tool call that another framework makes, once it is let pass; `agent` is what another agent does.
OperationKind = Literal[
    "tool",
    "client_tool",
    "step",
    "stream",
    "ask",
    "form",
    "gate",
    "sleep",
    "text",
    "observed",
    "first",
    "notify",
    "schedule",
    "limit",
    "permit",
    "agent",
]
#:   waiting   an interrupt or a deadline is open for it, or was and has not been carried on yet
#:   started   its effect may have happened (written before execute)
#:   asking    its body waits for a human, and will be run again from the top
#:   done      its outcome is recorded, for ever
OperationStatus = Literal["waiting", "started", "asking", "done"]
Outcome = Literal["done", "denied", "expired", "cancelled", "withdrawn", "superseded", "failed"]


class Failure(msgspec.Struct, frozen=True):
    """An exception as a replay sees it too."""

    type: str
    message: str


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One recorded thing of a turn."""

    turn: str
    #: Kind, name and how-manieth of that name: "tool:refund:1".
    key: str
    kind: OperationKind
    status: OperationStatus
    #: Of the arguments that were proposed: a replay that proposes others has diverged (promise 6).
    inputHash: str | None = None
    #: The arguments that count: the proposed ones, or the edited ones.
    input: Any = None
    #: The proposed arguments, where a human put others in their place; else None.
    proposed: Any = None
    #: How many operations the agent's function had begun before it: what it wrote earlier is settled.
    place: int = 0
    #: Whether a human had to be asked, and which rule said so. It is not judged again.
    judged: Judged | None = None
    #: Of a rule, where no human had to be asked; those of interrupts stand with them.
    decision: Decision | None = None
    #: The interrupt that it waits for, or waited for.
    interrupt: str | None = None
    #: The interrupt by which a human let it pass, where another one came after it: then it waits for that.
    passed: str | None = None
    #: The interrupt that asks whether its effect happened.
    doubt: str | None = None
    #: When a sleep ends.
    due_ms: int | None = None
    #: How it ended.
    outcome: Outcome | None = None
    value: Any = None
    failure: Failure | None = None
    reason: str | None = None
    #: Which agent does it, in which version: name@version. It goes on with the version that it began with.
    agent: str | None = None
    #: Under which id its call is shown; None: under one of its own.
    call: str | None = None
    #: How often its body was begun.
    attempts: int = 0
    #: When it was first recorded, and when it was done.
    begun_ms: int | None = None
    done_ms: int | None = None

    @property
    def call_id(self) -> str:
        """The tool call as which the message shows it."""
        return self.call or call_id(self.turn, self.key)

    @property
    def edited(self) -> bool:
        """Whether the arguments that count are a human's, and not the agent's."""
        return self.proposed is not None


def operation_key(kind: str, name: str, nth: int) -> str:
    """The name of the nth (from 1) operation of this kind and name in its turn."""
    return f"{kind}:{name}:{nth}"
