"""Ladders: what happens to an interrupt while nobody answers it. Reminders, and others who are asked, each at its time.

    @tool(approval=True, approvers="role:finance", expires="1 day", escalate=[
        Remind("10 min"),
        HandOver("1 h", "role:manager"),
        HandOver("4 h", ["dora", "role:director"], instead=True),
    ])

Authors write durations; the interrupt shows instants. How a rung acts is in `escalation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from holdfast.core.durations import Duration, milliseconds

LADDER_MAX = 10  # rungs: all of them are shown with the interrupt, in one event

#: Why a rung acted.
#:   time        nobody had answered by then          conflict     the votes differed
#:   expiry      the deadline had come                unroutable   nobody asked so far can be reached
Why = Literal["time", "conflict", "expiry", "unroutable"]


class Remind(msgspec.Struct, frozen=True, tag_field="action", tag="remind", forbid_unknown_fields=True):
    """Tell those who are asked once more, when this time has passed without a decision.

    Raises:
        ValueError: it is no duration.
    """

    after: Duration

    def __post_init__(self) -> None:
        _check_after(self.after)


class HandOver(msgspec.Struct, frozen=True, tag_field="action", tag="hand_over", forbid_unknown_fields=True):
    """Ask others, when this time has passed without a decision.

    Args:
        to: "role:manager", "dora", or a list of such.
        instead: those who were asked before may not answer any more. Else they still may.

    Raises:
        ValueError: it is no duration, or it names nobody.
    """

    after: Duration
    to: str | list[str]
    instead: bool = False

    def __post_init__(self) -> None:
        _check_after(self.after)
        if not any(roles_and_subjects(self.to)):
            raise ValueError("to: say who is asked, such as 'role:manager'")


class RemindText(msgspec.Struct, frozen=True, tag_field="action", tag="remind", forbid_unknown_fields=True):
    """A reminder in a file or on the wire: there, a duration is always a text."""

    after: str

    @property
    def rung(self) -> Remind:
        return Remind(self.after)


class HandOverText(msgspec.Struct, frozen=True, tag_field="action", tag="hand_over", forbid_unknown_fields=True):
    """A handing over, likewise."""

    after: str
    to: str | list[str]
    instead: bool = False

    @property
    def rung(self) -> HandOver:
        return HandOver(self.after, self.to, self.instead)


def text_of(rung: Remind | HandOver) -> RemindText | HandOverText:
    """A rung as it is sent."""
    after = f"{milliseconds(rung.after)} ms"
    return RemindText(after) if isinstance(rung, Remind) else HandOverText(after, rung.to, rung.instead)


class Rung(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rung as it is shown: at which instant it acts, if nobody has decided by then."""

    action: Literal["remind", "hand_over"]
    at: int
    roles: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    instead: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Whom it asks, as authors write it."""
        return (*(f"role:{role}" for role in self.roles), *self.subjects)


class Escalation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has been done because nobody decided. `unroutable`: nobody of those asked could be reached."""

    action: Literal["remind", "hand_over", "unroutable"]
    at: int
    #: Of an `unroutable`: `nobody_known` or `all_away`.
    why: Why | Literal["nobody_known", "all_away"]
    #: Who was asked from then on.
    to: tuple[str, ...] = ()


Ladder = Sequence[Remind | HandOver]


def checked(ladder: Sequence[object]) -> tuple[Remind | HandOver, ...]:
    """The ladder, if it can be climbed.

    Raises:
        TypeError, ValueError: it is too long, not in the order in which it acts, or holds what is no rung.
    """
    if len(ladder) > LADDER_MAX:
        raise ValueError(f"escalate: at most {LADDER_MAX} rungs, not {len(ladder)}")
    rungs = tuple(rung for rung in ladder if isinstance(rung, Remind | HandOver))
    if len(rungs) < len(ladder):
        raise TypeError("escalate: a rung is a Remind or a HandOver")
    times = [milliseconds(rung.after) for rung in rungs]
    if times != sorted(times):
        raise ValueError("escalate: write the rungs in the order in which they act")
    return rungs


def rungs(ladder: Ladder, opened_ms: int) -> tuple[Rung, ...]:
    """The ladder of an interrupt that is opened at this instant."""
    return tuple(_rung(rung, opened_ms + milliseconds(rung.after)) for rung in ladder)


def roles_and_subjects(names: str | Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Roles and subjects of what authors write: "role:finance", "alice", or a list of such."""
    given = [names] if isinstance(names, str) else list(names)
    roles = tuple(name.removeprefix("role:") for name in given if name.startswith("role:"))
    return roles, tuple(name for name in given if not name.startswith("role:"))


def _rung(rung: Remind | HandOver, at: int) -> Rung:
    if isinstance(rung, Remind):
        return Rung("remind", at)
    roles, subjects = roles_and_subjects(rung.to)
    return Rung("hand_over", at, roles, subjects, rung.instead)


def _check_after(after: Duration) -> None:
    try:
        milliseconds(after)
    except ValueError as error:
        raise ValueError(f"after: {error}") from None
