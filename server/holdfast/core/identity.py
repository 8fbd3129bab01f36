"""Principals: who is behind a device, and what they may do. Always from authentication, never from a body."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from holdfast.core.errors import Forbidden, NotFound

#: `work` is a worker's: it speaks as agents do. No other right implies it.
Right = Literal["read", "send", "answer", "cancel", "mint", "work", "admin"]
SUBJECT_MAX = 256  # characters of a subject's name; it is part of index keys
OPERATOR = "operator"  # the role that settles calls in doubt and blocked turns


class By(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who did something, as shown to everybody."""

    kind: Literal["person", "policy", "deadline", "system"]
    id: str
    name: str | None = None
    #: Who acted for that person (an app that answers *as* Alice).
    actor: str | None = None
    #: In whose place, who was away.
    deputyFor: str | None = None


class Principal(msgspec.Struct, frozen=True, omit_defaults=True):
    """An authenticated subject and its rights."""

    subject: str
    roles: tuple[str, ...] = ()
    #: "mine" (owner or member), "*", ids and globs.
    sessions: tuple[str, ...] = ("mine",)
    can: tuple[Right, ...] = ("read", "send", "answer", "cancel")
    name: str | None = None
    actor: str | None = None
    #: When the token behind this ends; None: never.
    expires_at_ms: int | None = None
    #: As which agents it may speak with the right `work`: names and globs.
    agents: tuple[str, ...] = ("*",)

    @property
    def by(self) -> By:
        return By("person", self.subject, self.name, self.actor)

    def within(self, *, session: str, members: dict[str, str]) -> bool:
        """Whether the session is one of those that this principal may touch at all."""
        return any(
            self.subject in members if pattern == "mine" else fnmatchcase(session, pattern) for pattern in self.sessions
        )

    def has(self, right: Right) -> bool:
        return right in self.can or ("admin" in self.can and right != "work")


def check_work(principal: Principal, agent: str) -> None:
    """Let a worker of this agent pass, or refuse.

    Raises:
        Forbidden: without the right, or as another agent.
    """
    if not principal.has("work"):
        raise Forbidden("Your token does not grant 'work'.", right="work")
    if not any(fnmatchcase(agent, pattern) for pattern in principal.agents):
        raise Forbidden(f"Your token does not grant 'work' as {agent[:100]!r}.", right="work", agent=agent[:100])


def check(principal: Principal, right: Right, session: str, members: dict[str, str]) -> None:
    """Let pass, or refuse. A session out of reach looks as if it did not exist.

    Raises:
        NotFound: not one of the principal's sessions.
        Forbidden: one of them, but without this right.
    """
    if not principal.within(session=session, members=members):
        raise NotFound("There is no such session, or it is not yours to see.", session=session)
    if not principal.has(right):
        raise Forbidden(f"Your token does not grant {right!r}.", right=right)
