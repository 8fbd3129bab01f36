"""What was said before a turn: the session folded up to the turn's start, and kept for the next one.

A session's turns follow each other, so what one turn needed is a part of what the next one needs. A worker keeps the
folded state of the sessions that it served last, and reads only what has come since.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import msgspec

from holdfast.core import branches, telling
from holdfast.core.events import Event, TurnStarted, UnknownEvent, decode
from holdfast.core.folding import State, fold, load
from holdfast.core.interrupts import REVIEW, Decision, Interrupt
from holdfast.core.messages import Message
from holdfast.core.turns import TurnRecord
from holdfast.store.log import Log

KEPT = 64  # sessions; one more costs a read of its log


class Past(msgspec.Struct, frozen=True):
    """What a turn finds when it begins: the same in every run of it."""

    #: Oldest first.
    messages: list[Message] = []
    #: The one that caused the turn.
    cause: Message | None = None
    #: What is asked in the session and still open: gates from outside of turns.
    pending: list[Interrupt] = []
    #: What a model should be told beside the messages, in words.
    notes: list[str] = []


class Histories:
    """The histories of sessions, as far as this worker has needed them."""

    def __init__(self, log: Log, kept: int = KEPT) -> None:
        self._log, self._kept = log, kept
        self._states: OrderedDict[str, State] = OrderedDict()

    async def before(self, turn: TurnRecord, begins: int) -> Past:
        """What was said and asked before the position where `turn` begins."""
        state = self._states.pop(turn.session, None)
        state = await self._folded(turn.session, state, begins)
        self._states[turn.session] = state
        while len(self._states) > self._kept:
            self._states.popitem(last=False)
        return _past(state, turn)

    async def _folded(self, session: str, state: State | None, begins: int) -> State:
        page = await self._log.page(session, state.seq if state else 0)
        if state is None or state.epoch != page.epoch or state.seq >= begins or state.seq < page.floor:
            kept = await self._log.folded(session) if page.floor else None
            state = load(kept) if kept else State()
            state.epoch = page.epoch
            page = await self._log.page(session, state.seq)
        while page.entries:
            for entry in page.entries:
                if entry.seq >= begins:
                    return state
                fold(state, entry.seq, entry.at, decode(entry.data))
            page = await self._log.page(session, page.entries[-1].seq)
        return state


async def events_since(log: Log, session: str, begins: int) -> tuple[list[tuple[int, Event]], int]:
    """The events from a position on, and the head of the log."""
    events: list[tuple[int, Event]] = []
    after = begins - 1
    while True:
        page = await log.page(session, after)
        for entry in page.entries:
            event = decode(entry.data)
            if not isinstance(event, UnknownEvent):
                events.append((entry.seq, event))
            after = entry.seq
        if not page.entries or after >= page.head:
            return events, page.head


async def beginning(log: Log, turn: TurnRecord) -> int:
    """Where a turn began, found in the log: for one whose worker died before it could note it."""
    events, _ = await events_since(log, turn.session, 1)
    for seq, event in events:
        if isinstance(event, TurnStarted) and event.turn == turn.id:
            return seq
    return 1


def _past(state: State, turn: TurnRecord) -> Past:
    messages, cause = _said(state, turn)
    asked = [(_shown(one), _decision(one)) for one in _asked(state)]
    pending = [shown for shown, decision in asked if decision is None]
    return Past(messages, cause, pending, telling.notes(asked))


def _asked(state: State) -> list[dict[str, Any]]:
    """What is open; and what was asked since, and by, the last turn that came to its end as it wished."""
    ended = [turn for turn in state.turns.values() if turn.status == "finished" and turn.agent]
    since = max((turn.first for turn in ended if turn.end == "completed"), default=0)
    lately = {turn.id for turn in ended if turn.first >= since}
    found = [one for one in state.interrupts.values() if "decision" not in one or one["turn"] in lately]
    return [one for one in found if one["reason"] != REVIEW]  # what is said afterwards is not for the agent


def _shown(interrupt: dict[str, Any]) -> Interrupt:
    return msgspec.convert(interrupt, Interrupt)


def _decision(interrupt: dict[str, Any]) -> Decision | None:
    given = interrupt.get("decision")
    return None if given is None else msgspec.convert(given, Decision)


def _said(state: State, turn: TurnRecord) -> tuple[list[Message], Message | None]:
    """Copies: what an author does with them must not be in the next turn's history.

    Messages of turns that come later are in the log already, but not yet said.
    """
    finished = {own_id for own_id, one in state.turns.items() if one.status == "finished"}
    said = [
        copy.deepcopy(one.message)
        for one in branches.visible(state, turn.branch)
        if one.place.turn is None or one.place.turn in finished
    ]
    cause = state.messages.get(turn.cause) if turn.cause else None
    return said, copy.deepcopy(cause.message) if cause else None
