"""Where the tools ask: a server, reached in one way or another; and how things are asked there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from holdfast.core.durations import milliseconds
from holdfast.core.interrupts import Approvers, Decision
from holdfast.core.ladders import roles_and_subjects
from holdfast.protocol import frames
from holdfast.protocol.frames import GateShown

WAIT_S = 50.0  # of one call: a client of the official TypeScript package gives a call up after 60 s
EXPIRES = "1 day"


class Terms(msgspec.Struct, frozen=True):
    """What the operator of the connection decides, and no agent: who may answer, and until when."""

    #: None: whoever may answer in the gate's session, which is the asking person's own.
    approvers: Approvers | None = None
    #: In words; None: it stays open until somebody answers.
    expires: str | None = EXPIRES
    #: How long one call waits before it says that nobody has answered yet. A permission prompt waits on.
    wait_s: float = WAIT_S


def terms_of(ask: Sequence[str] = (), expires: str | None = None, wait: str | None = None) -> Terms:
    """Terms as an operator writes them: "role:ops", "1 day", "50 s"; what is not written is the default.

    Raises:
        ValueError: one of them is no duration.
    """
    if expires is not None:
        milliseconds(expires)  # what is no duration is said now, not at the first question
    return Terms(
        Approvers(*roles_and_subjects(ask)) if ask else None,
        expires or EXPIRES,
        WAIT_S if wait is None else milliseconds(wait) / 1_000,
    )


class Desk(Protocol):
    """Takes what is asked, and tells what becomes of it."""

    async def request(self, frame: frames.Gate) -> GateShown:
        """Ask; asked again, it is the same. Raises as the command does."""
        ...

    async def read(self, gate: str) -> GateShown: ...

    async def decision(self, shown: GateShown) -> Decision:
        """Wait for it, for as long as it takes. Safe to cancel.

        Raises:
            Draining: here nobody can wait any longer. It stays open: ask again.
            Otherwise as reading does.
        """
        ...

    async def notify(self, frame: frames.Notify) -> None:
        """Tell it. Raises as the command does."""
        ...

    async def withdraw(self, shown: GateShown) -> None:
        """Take it back, if nobody was faster."""
        ...
