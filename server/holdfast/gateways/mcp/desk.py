"""Where the tools ask: a server, reached in one way or another; and how things are asked there."""

from __future__ import annotations

from typing import Protocol

import msgspec

from holdfast.core.interrupts import Approvers, Decision
from holdfast.protocol import frames
from holdfast.protocol.frames import GateShown

WAIT_S = 50.0  # of one call: a client of the official TypeScript package gives a call up after 60 s


class Terms(msgspec.Struct, frozen=True):
    """What the operator of the connection decides, and no agent: who may answer, and until when."""

    #: None: whoever may answer in the gate's session, which is the asking person's own.
    approvers: Approvers | None = None
    #: In words; None: it stays open until somebody answers.
    expires: str | None = "1 day"
    #: How long one call waits before it says that nobody has answered yet. A permission prompt waits on.
    wait_s: float = WAIT_S


class Desk(Protocol):
    """Takes what is asked, and tells what becomes of it."""

    async def request(self, frame: frames.Gate) -> GateShown:
        """Ask; asked again, it is the same. Raises as the command does."""
        ...

    async def read(self, gate: str) -> GateShown: ...

    async def decision(self, shown: GateShown) -> Decision:
        """Wait for it, for as long as it takes. Safe to cancel."""
        ...

    async def withdraw(self, shown: GateShown) -> None:
        """Take it back, if nobody was faster."""
        ...
