"""Ending a turn: its interrupts close, it ends, and the turn that comes next starts, in one commit."""

from __future__ import annotations

from typing import Any

from holdfast.core import decisions, turns
from holdfast.core.commit import Commit, Writer
from holdfast.core.events import TurnEnd
from holdfast.core.identity import By
from holdfast.core.interrupts import Closed, Decision, InterruptRecord
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord

SUPERSEDED = "Superseded by a newer message; nobody said yes or no."


def next_in_line(session: SessionRecord, turn: TurnRecord) -> tuple[str, ...]:
    """The turns whose records are needed to end this one: the one that starts when it ends, if there is one."""
    return session.queue[:1] if session.active == turn.id else ()


def superseding(by: By, via: str, now_ms: int, ref: str | None = None) -> Decision:
    """What closes the questions of a turn that a newer message replaces. It never reads as a yes or a no."""
    return Decision("superseded", {"reason": SUPERSEDED}, by, via, now_ms, ref)


def end(
    session: SessionRecord,
    turn: TurnRecord,
    following: TurnRecord | None,
    asked: list[InterruptRecord],
    how: TurnEnd,
    now_ms: int,
    *,
    by: Writer | None = None,
    who: By | None = None,
    via: str = "system",
    ref: str | None = None,
    closed: Closed | None = None,
    result: Any = None,
    error: dict[str, Any] | None = None,
) -> Commit:
    """End a turn as things stand now.

    `following` is the record of `next_in_line`; `asked` are those of the interrupts that it left open: what it asked
    closes before it ends, on every screen. They are `closed` as withdrawn, or cancelled if the turn is, or superseded
    if somebody replaced it.
    """
    commit = turns.finish(session, turn, following, how, by=by, result=result, error=error, who=who)
    status = closed or ("cancelled" if how == "cancelled" else "withdrawn")
    decision = Decision(status, None, who or By("system", turn.agent), via, now_ms, ref)
    if turn.replaced_by and closed is None:
        decision = superseding(decision.by, via, now_ms, ref)
    ended, commit.events = commit.events, []
    decisions.close_all(commit, session, asked, decision)
    commit.events.extend(ended)
    return commit
