"""People, as far as the server knows them: who was seen with which roles, who is away, and who stands in for them.

All of it is facts that were read before; whether an interrupt reaches anybody is decided here. None of it gives a
right to anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

from holdfast.core import voting
from holdfast.core.errors import BadInput
from holdfast.core.identity import SUBJECT_MAX, Principal, Right
from holdfast.core.interrupts import Approvers, Interrupt

DAY_MS = 86_400_000
SEEN_MS = 30 * DAY_MS  # who was not seen for so long is not counted on: people leave without saying so
LEARNING_MS = DAY_MS  # a directory that is younger has not seen everybody's working day yet
AWAY_MAX_MS = 90 * DAY_MS  # a longer absence is a change of roles

Unreachable = Literal["nobody_known", "all_away"]


class Away(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody is away, and may have named who stands in. The rights are those of the token that said so."""

    subject: str
    until: int
    deputy: str | None = None
    roles: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ("mine",)
    can: tuple[Right, ...] = ()

    @property
    def principal(self) -> Principal:
        """Who would answer, if they were there."""
        return Principal(self.subject, self.roles, self.sessions, self.can)


class People(msgspec.Struct, frozen=True):
    """What is known of those whom an interrupt asks, or may come to ask."""

    #: Who was seen with each of the roles, lately.
    known: Mapping[str, Collection[str]]
    #: By subject; also absences that are over.
    away: Mapping[str, Away]
    #: It is too early to say that nobody has a role.
    learning: bool = False

    def is_away(self, subject: str, now_ms: int) -> bool:
        absence = self.away.get(subject)
        return absence is not None and absence.until > now_ms


class Known(msgspec.Struct, frozen=True):
    """Whoever is in a session, and what is known of those whom something in it asks."""

    members: Collection[str]
    people: People


def away(principal: Principal, until: int, deputy: str | None, now_ms: int) -> Away:
    """What a person says of their absence.

    Raises:
        BadInput: it is over already or too long, or they name themselves.
    """
    if not now_ms < until <= now_ms + AWAY_MAX_MS:
        raise BadInput(f"until: an instant in the next {AWAY_MAX_MS // DAY_MS} days, in milliseconds.", path="until")
    if deputy is not None and not 0 < len(deputy) <= SUBJECT_MAX:
        raise BadInput(f"deputy: 1 to {SUBJECT_MAX} characters.", path="deputy")
    if deputy == principal.subject:
        raise BadInput("deputy: somebody else.", path="deputy")
    return Away(principal.subject, until, deputy, principal.roles, principal.sessions, principal.can)


def unreachable(shown: Interrupt, members: Collection[str], people: People, now_ms: int) -> Unreachable | None:
    """Why nobody of those asked can be expected to answer. None: somebody can, or it cannot be told.

    Who is named, and who is a member, is known without having been seen. Nobody knows who else may enter a session.
    """
    rule = shown.approvers or Approvers()
    asked = set(rule.subjects).union(*(people.known.get(role, ()) for role in rule.roles))
    if people.learning and any(not people.known.get(role) for role in rule.roles):
        return None
    if rule.members or not rule.named():
        asked |= set(members)
    asked = {who for who in asked if may_in_principle(shown, who) and voting.vote_of(shown, who) is None}
    if not asked:
        return "nobody_known" if rule.named() and not rule.members else None
    return None if any(_is_covered(shown, who, people, now_ms) for who in asked) else "all_away"


def may_in_principle(shown: Interrupt, who: str) -> bool:
    """Whether this person, whatever their roles, is not the one who must not answer their own request."""
    return not (shown.approvers is not None and shown.approvers.not_requester and who == shown.requester)


def _is_covered(shown: Interrupt, who: str, people: People, now_ms: int) -> bool:
    if not people.is_away(who, now_ms):
        return True
    deputy = people.away[who].deputy
    if deputy is None or people.is_away(deputy, now_ms) or voting.vote_of(shown, deputy) is not None:
        return False
    return may_in_principle(shown, deputy)
