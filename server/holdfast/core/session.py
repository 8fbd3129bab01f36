"""A session: what is shown of it, and what is stored of it."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.identity import By
from holdfast.core.records import Record

QUEUE_MAX = 50  # turns behind the active one; a person who sends more is told to wait
GATES_MAX = 100  # open gates of one session: their turns stand in its record, and their cards on one page
BRANCHES_MAX = 50  # of one session: they stand in its record, and in each snapshot
STEERING_MAX = 20  # messages to a turn that its agent has not looked at yet; it may never look


class Takeover(msgspec.Struct, frozen=True):
    """An operator speaks in the agent's place; no turn runs meanwhile."""

    by: By
    at: int


class Branch(msgspec.Struct, frozen=True):
    """Said in the place of something earlier. Its id is that of its first turn."""

    id: str
    #: The branch that it leaves; empty: the one on which the session began.
    parent: str
    #: The turn on it in whose place its own first turn stands.
    before: str


class SessionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is shown of a session."""

    id: str
    #: Empty: there is none, and nobody answers messages. Its state and its gates are shared all the same.
    agent: str
    owner: str
    #: Subject → what they are here: "owner" or "member".
    members: dict[str, str]
    createdAt: int
    title: str | None = None
    metadata: dict[str, Any] | None = None
    takeover: Takeover | None = None
    #: The branch that is shown and spoken on; empty: the one on which the session began.
    branch: str = ""
    branches: tuple[Branch, ...] = ()


class SessionRecord(Record, frozen=True, omit_defaults=True, kw_only=True):
    """What is stored of a session."""

    kind = "session"
    info: SessionInfo
    #: Digests in the audit trail are salted with it; erased with the session.
    salt: str
    #: The turn that is ready, running, waiting or blocked: at most one.
    active: str | None = None
    #: Turns behind it, in order.
    queue: tuple[str, ...] = ()
    #: Turns of its open gates: nobody runs them, so they are beside the queue.
    gates: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def members(self) -> dict[str, str]:
        return self.info.members
