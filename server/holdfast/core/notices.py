"""Notices: what is told to people who are not connected, to whom it may still be told, and how often it is tried.

A notice says no more than what happened, to which interrupt, at which version. What is sent is looked up when it is
sent, so that nobody is called to a question that was answered meanwhile.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core import ids
from holdfast.core.commit import Notice
from holdfast.core.errors import BadInput
from holdfast.core.interrupts import Decision, Interrupt, InterruptRecord

CLOSED = "interrupt.closed"
SAID = "turn.notice"  # by `turn.notify`

ATTEMPTS_MAX = 12  # at one notice for one target, over some 38 hours: a target may be down over a night
FIRST_MS = 5_000  # before the second attempt; three times as long each time
LIMIT_MS = 12 * 3_600_000  # between two attempts

TEXT_MAX = 4_000  # characters of a notice of one's own: what fits a chat message
TO_MAX = 20  # names that it is for


class NoticeShown(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A notice as it is sent: with what it is about, as that is now."""

    #: The same in every attempt: who gets it twice knows it by this.
    id: str
    kind: str
    session: str
    #: When it was written, in milliseconds.
    at: int
    #: The id of the interrupt that it is about.
    about: str | None = None
    #: As it is shown on a card. None: there is none, or its session was deleted.
    interrupt: Interrupt | None = None
    #: open, resolved, cancelled, expired, withdrawn, superseded; or deleted, with its session.
    status: str | None = None
    decision: Decision | None = None
    turn: str | None = None
    text: str | None = None
    to: tuple[str, ...] = ()


def id_of(notice: Notice) -> str:
    """The name of a notice, whoever sends it and however often."""
    if notice.kind == SAID:
        return ids.notice_id(notice.kind, notice.turn or "", notice.operation or "")
    return ids.notice_id(notice.kind, notice.interrupt, str(notice.version))


def lane_of(notice: Notice) -> str:
    """What must keep its order: all notices of one interrupt stand in one lane, and any other in one of its own."""
    return notice.interrupt or id_of(notice)


def is_due(notice: Notice, record: InterruptRecord | None, *, told: bool) -> bool:
    """Whether there is still a reason to send it to a target that was `told` of the interrupt before, or was not.

    A question that has closed is nobody's any more. That it has closed is told to those who were called.
    """
    if not notice.interrupt:
        return True
    if notice.kind == CLOSED:
        return told
    return record is not None and record.decision is None


def shown(notice: Notice, at_ms: int, record: InterruptRecord | None) -> NoticeShown:
    """The notice with what it is about."""
    return NoticeShown(
        id=id_of(notice),
        kind=notice.kind,
        session=notice.session,
        at=at_ms,
        about=notice.interrupt or None,
        interrupt=record.interrupt if record else None,
        status=_status(notice, record),
        decision=record.decision if record else None,
        turn=record.interrupt.turn if record else notice.turn,
        text=notice.text,
        to=notice.to,
    )


def _status(notice: Notice, record: InterruptRecord | None) -> str | None:
    if record is not None:
        return record.status
    return "deleted" if notice.interrupt else None


def wait_ms(attempts: int, chance: float, wished_ms: int = 0) -> int:
    """How long after so many attempts the next one comes. `chance`, in [0, 1), spreads what failed together.

    It is at least what the target wishes, but a target cannot put us off for longer than we would wait by ourselves.
    """
    # 3**16 is past the limit; without a cap the power would grow for nothing.
    limit = min(LIMIT_MS, FIRST_MS * 3 ** min(attempts - 1, 16))
    return max(int(limit * (1 + chance) / 2), min(wished_ms, LIMIT_MS))


def said(session: str, turn: str, operation: str, text: str, to: tuple[str, ...]) -> Notice:
    """A notice of the author's own. Raises as `check_said`."""
    check_said(text, to)
    return Notice(SAID, session, "", 0, turn=turn, operation=operation, text=text, to=to)


def check_said(text: str, to: tuple[str, ...]) -> None:
    """Whether it can be a notice.

    Raises:
        BadInput: it says nothing, or too much, or is for too many.
    """
    if not text.strip() or len(text) > TEXT_MAX:
        raise BadInput(f"A notice has 1 to {TEXT_MAX} characters.", length=len(text), limit=TEXT_MAX)
    if len(to) > TO_MAX or not all(to):
        raise BadInput(f"A notice is for at most {TO_MAX} names, none of them empty.", limit=TO_MAX)


def body(notice: NoticeShown) -> dict[str, Any]:
    """The parts of a notice, as JSON has them."""
    interrupt = notice.interrupt
    about: Any = interrupt if interrupt is not None else ({"id": notice.about} if notice.about else None)
    parts = {
        "id": notice.id,
        "session": notice.session,
        "turn": notice.turn,
        "interrupt": about,
        "status": notice.status,
        "decision": notice.decision,
        "text": notice.text,
        "to": notice.to,
    }
    return {name: msgspec.to_builtins(value) for name, value in parts.items() if value not in (None, ())}
