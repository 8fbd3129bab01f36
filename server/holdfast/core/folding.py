"""What a device has of a session: its log, folded event by event.

A server folds to give a snapshot to who comes later, and a device folds what it is sent; both come to the
same (promise 9). `client_js/src/folding.js` mirrors this module by name, and `tests/conformance/folding.json`
holds both to it. Three rules make the past the same, whichever part of the log is left:

- A `message` event stands for all earlier events of its message, which may then be gone (compaction): so it
  replaces what is there, and says in `first` where the message began.
- Nothing is remembered of an event that may be gone, save what the event that stands for it brings again.
  That is why a message has the instant of its *last* change.
- Only what belongs to an unfinished turn can still change. A snapshot therefore always has it, however old it
  is, so that nobody ever folds the end of a message on nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from holdfast.core.events import (
    ChunkWritten,
    Event,
    InterruptClosed,
    InterruptOpened,
    InterruptUpdated,
    MessageRewound,
    MessageWritten,
    SessionCreated,
    SessionUpdated,
    StateChanged,
    TurnBlocked,
    TurnEnd,
    TurnFinished,
    TurnProgress,
    TurnQueued,
    TurnResumed,
    TurnStarted,
    TurnWaiting,
    UnknownEvent,
)
from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, Interrupt
from holdfast.core.messages import Message, fold_chunk, interrupted
from holdfast.core.session import SessionInfo

PAGE_MESSAGES = 50  # of a snapshot and of a page of history
PAGE_MAX_BYTES = 200 * 1024  # likewise; the rest of a frame's 256 KiB is for the frame and what must go along


class Place(msgspec.Struct, omit_defaults=True):
    """What a message's own JSON does not say of it."""

    #: The position where it began: messages are ordered by it.
    first: int
    #: The instant of its last change.
    at: int
    #: The turn that it causes (a person's) or that writes it (the agent's).
    turn: str | None = None


class Placed(msgspec.Struct):
    """A message in its place."""

    message: Message
    place: Place


class TurnState(msgspec.Struct, omit_defaults=True):
    """What is shown of a turn."""

    id: str
    agent: str
    status: Literal["queued", "running", "waiting", "blocked", "finished"]
    #: The position where it was first heard of.
    first: int
    #: The branch on which it speaks; empty: the one on which the session began.
    branch: str = ""
    #: The agent's message that it writes, once there is something in it.
    message: str | None = None
    #: While it waits: what it waits for, interrupts and timers.
    open: tuple[str, ...] = ()
    progress: Any = None
    #: Once it is finished: how, and with what.
    end: TurnEnd | None = None
    result: Any = None
    #: `{code, message}` of one that failed, or is blocked.
    error: dict[str, Any] | None = None
    by: By | None = None
    startedAt: int | None = None
    finishedAt: int | None = None


class State(msgspec.Struct):
    """A session as far as its log is folded: up to and with `seq`."""

    epoch: str = ""
    seq: int = 0
    session: SessionInfo | None = None
    messages: dict[str, Placed] = msgspec.field(default_factory=dict[str, Placed])
    turns: dict[str, TurnState] = msgspec.field(default_factory=dict[str, TurnState])
    #: As they are shown; a closed one has a `decision`.
    interrupts: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict[str, dict[str, Any]])
    #: The shared document, and how often it was changed.
    state: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    state_version: int = 0

    @property
    def members(self) -> dict[str, str]:
        """Subject → what they are in the session."""
        return self.session.members if self.session else {}

    @property
    def ordered(self) -> list[Placed]:
        """The messages, oldest first."""
        return sorted(self.messages.values(), key=_first)


class PastEvent(msgspec.Struct, frozen=True):
    """An event of a page of history, which stands for what happened from `seq` on."""

    seq: int
    at: int
    event: Event


class Past(msgspec.Struct, frozen=True):
    """A page of history: the messages that began at the positions `start` to `end`, with their turns."""

    events: tuple[PastEvent, ...]
    start: int
    end: int
    #: Whether there is still older.
    more: bool


def fold(state: State, seq: int, at: int, event: Event | UnknownEvent) -> None:
    """Let one event change the state, in place. What was folded already is passed over, and never fails.

    `at` is the event's instant, in milliseconds. The event itself is not changed, nor kept.
    """
    if seq > state.seq:
        state.seq = seq
        _apply(state, seq, at, event)


def snapshot(state: State, limit: int | None = PAGE_MESSAGES, max_bytes: int | None = PAGE_MAX_BYTES) -> dict[str, Any]:
    """What a device is given that comes now: plain JSON, nothing shared with the state.

    It has the newest messages with their turns and interrupts, at most `limit` messages and about `max_bytes`
    (None: all); and, whatever their size, the turns that are not finished, the messages that these write, and
    what is open. Continue with `history(before)` while there is `more`.
    """
    excerpt = _Excerpt(state)
    excerpt.size = len(msgspec.json.encode(state.state))
    excerpt.add(_alive(state, excerpt))
    newest, more = _newest(excerpt, state.seq + 1, limit, max_bytes)
    before = newest[0].place.first if newest else state.seq + 1
    excerpt.add(_turns_begun(state, before if more else 0, state.seq))
    placed = sorted(excerpt.messages.values(), key=_first)
    return msgspec.to_builtins(
        {
            "session": state.session,
            "members": state.members,
            "messages": [each.message for each in placed],
            "places": {each.message.id: each.place for each in placed},
            # In the order in which they began and were asked: cards stand in this order.
            "turns": sorted(excerpt.turns.values(), key=lambda turn: turn.first),
            "interrupts": [each for name, each in state.interrupts.items() if name in excerpt.interrupts],
            "state": state.state,
            "stateVersion": state.state_version,
            "more": more,
            "before": before,
        }
    )


def from_snapshot(given: dict[str, Any], epoch: str, seq: int) -> State:
    """The state that a snapshot shows, to be folded on from `seq`."""
    places = given["places"]
    messages = ({"message": message, "place": places[message["id"]]} for message in given["messages"])
    return msgspec.convert(
        {
            "epoch": epoch,
            "seq": seq,
            "messages": {placed["message"]["id"]: placed for placed in messages},
            **{kind: {one["id"]: one for one in given[kind]} for kind in ("turns", "interrupts")},
            "session": given["session"],
            "state": given["state"],
            "state_version": given.get("stateVersion", 0),
        },
        State,
    )


def history(
    state: State, before: int, limit: int | None = PAGE_MESSAGES, max_bytes: int | None = PAGE_MAX_BYTES
) -> Past:
    """The newest messages (at least one, if any is left) that began before `before`, with their turns.

    The events are made from the state: one for each message, and those that make its turn what it came to.
    `absorb` takes them.
    """
    excerpt = _Excerpt(state)
    page, more = _newest(excerpt, before, limit, max_bytes)
    start = page[0].place.first if more else 1
    end = min(before - 1, state.seq)
    excerpt.add(_turns_begun(state, start, end))
    events = [_message_event(placed) for placed in page]
    for turn in excerpt.turns.values():
        if turn.status == "finished":  # what is not, everybody has
            events += _turn_events(turn, excerpt.asked[turn.id])
    return Past(tuple(sorted(events, key=lambda past: past.seq)), start, end, more)


def absorb(state: State, events: Iterable[PastEvent]) -> None:
    """Let a page of history complete the state, in place. What the state has is newer, and stays."""
    past = State()
    for each in events:
        _apply(past, each.seq, each.at, each.event)
    state.messages = past.messages | state.messages
    state.turns = past.turns | state.turns
    state.interrupts = past.interrupts | state.interrupts


def dump(state: State) -> bytes:
    """The whole state, as a checkpoint keeps it."""
    return msgspec.json.encode(state)


def load(data: bytes) -> State:
    """The state of a checkpoint."""
    return msgspec.json.decode(data, type=State)


# ---------------------------------------------------------------- folding


def _apply(state: State, seq: int, at: int, event: Event | UnknownEvent) -> None:
    change = _FOLDS.get(type(event))
    if change is not None:  # an event of a later version is passed over
        change(state, seq, at, event)


def _session(state: State, _seq: int, _at: int, event: SessionCreated | SessionUpdated) -> None:
    state.session = event.session


def _state(state: State, _seq: int, _at: int, event: StateChanged) -> None:
    state.state, state.state_version = event.state, event.version


def _message(state: State, seq: int, at: int, event: MessageWritten | MessageRewound) -> None:
    given = event.message
    old = state.messages.get(given.id)
    first = event.first or (old.place.first if old else seq)
    # Chunks are folded in place, into parts that must not be the event's.
    own = Message(given.id, given.role, [dict(part) for part in given.parts], given.metadata)
    state.messages[given.id] = Placed(own, Place(first, at, event.turn))


def _chunk(state: State, seq: int, at: int, event: ChunkWritten) -> None:
    placed = state.messages.get(event.message)
    if placed is None:
        placed = Placed(Message(event.message, "assistant", []), Place(seq, at, event.turn))
        state.messages[event.message] = placed
    fold_chunk(placed.message, event.chunk)
    placed.place.at = at


def _queued(state: State, seq: int, _at: int, event: TurnQueued) -> None:
    turn = _turn(state, seq, event)
    turn.status, turn.end, turn.result, turn.error = "queued", None, None, None  # it may have failed before
    turn.by, turn.finishedAt = None, None
    turn.branch = event.branch or turn.branch
    if placed := state.messages.get(event.cause or ""):
        placed.place.turn = event.turn


def _started(state: State, seq: int, at: int, event: TurnStarted) -> None:
    turn = _turn(state, seq, event)
    turn.status, turn.message, turn.startedAt = "running", event.message, at


def _turn(state: State, seq: int, event: TurnQueued | TurnStarted) -> TurnState:
    return state.turns.setdefault(event.turn, TurnState(event.turn, event.agent, "queued", seq))


def _waiting(state: State, _seq: int, _at: int, event: TurnWaiting) -> None:
    if turn := state.turns.get(event.turn):
        turn.status, turn.open, turn.error = "waiting", event.open, None


def _resumed(state: State, _seq: int, _at: int, event: TurnResumed) -> None:
    if turn := state.turns.get(event.turn):
        turn.status, turn.open, turn.error = "running", (), None


def _blocked(state: State, _seq: int, _at: int, event: TurnBlocked) -> None:
    if turn := state.turns.get(event.turn):
        turn.status, turn.error = "blocked", {"code": event.code, "message": event.message}


def _progress(state: State, _seq: int, _at: int, event: TurnProgress) -> None:
    if turn := state.turns.get(event.turn):
        turn.progress = event.progress


def _finished(state: State, _seq: int, at: int, event: TurnFinished) -> None:
    if turn := state.turns.get(event.turn):
        turn.status, turn.open, turn.finishedAt = "finished", (), at
        turn.end, turn.result, turn.error, turn.by = event.status, event.result, event.error, event.by
    for placed in _written_by(state, event.turn):
        interrupted(placed.message)


def _opened(state: State, _seq: int, _at: int, event: InterruptOpened) -> None:
    known = state.interrupts.get(event.interrupt.id)
    if known is None or "decision" not in known:  # a decision never changes (promise 1)
        state.interrupts[event.interrupt.id] = msgspec.to_builtins(event.interrupt)


def _updated(state: State, _seq: int, _at: int, event: InterruptUpdated) -> None:
    if event.interrupt in state.interrupts:
        state.interrupts[event.interrupt] |= event.changes


def _closed(state: State, _seq: int, _at: int, event: InterruptClosed) -> None:
    known = state.interrupts.get(event.interrupt)
    if known is None:
        return
    known.setdefault("decision", msgspec.to_builtins(event.decision))
    if turn := state.turns.get(known["turn"]):
        turn.open = tuple(name for name in turn.open if name != event.interrupt)


_FOLDS: dict[type, Callable[[State, int, int, Any], None]] = {
    SessionCreated: _session,
    SessionUpdated: _session,
    StateChanged: _state,
    MessageWritten: _message,
    MessageRewound: _message,
    ChunkWritten: _chunk,
    TurnQueued: _queued,
    TurnStarted: _started,
    TurnWaiting: _waiting,
    TurnResumed: _resumed,
    TurnBlocked: _blocked,
    TurnProgress: _progress,
    TurnFinished: _finished,
    InterruptOpened: _opened,
    InterruptUpdated: _updated,
    InterruptClosed: _closed,
}


# ---------------------------------------------------------------- pages

#: What an excerpt is made of: messages, turns, interrupts.
Thing: TypeAlias = Placed | TurnState | dict[str, Any]


class _Excerpt:
    """A part of a state, and how many bytes it is: whatever is in it is there, and counted, once."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.messages: dict[str, Placed] = {}
        self.turns: dict[str, TurnState] = {}
        self.interrupts: dict[str, dict[str, Any]] = {}
        self.size = 0
        #: Turn → what it asked.
        self.asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for interrupt in state.interrupts.values():
            self.asked[interrupt["turn"]].append(interrupt)

    def add(self, things: Iterable[Thing]) -> None:
        for thing in self._missing(things):
            self.size += len(msgspec.json.encode(thing))
            kept, own_id = self._where(thing)
            kept[own_id] = thing

    def cost(self, things: Iterable[Thing]) -> int:
        """The bytes by which these would make it larger."""
        return sum(len(msgspec.json.encode(thing)) for thing in self._missing(things))

    def around(self, placed: Placed) -> Iterator[Thing]:
        """A message, its turn and what that asked."""
        yield placed
        if turn := self.state.turns.get(placed.place.turn or ""):
            yield turn
            yield from self.asked[turn.id]

    def _missing(self, things: Iterable[Thing]) -> Iterator[Thing]:
        for thing in things:
            kept, own_id = self._where(thing)
            if own_id not in kept:
                yield thing

    def _where(self, thing: Thing) -> tuple[dict[str, Any], str]:
        match thing:
            case Placed():
                return self.messages, thing.message.id
            case TurnState():
                return self.turns, thing.id
            case _:
                return self.interrupts, thing["id"]


def _alive(state: State, excerpt: _Excerpt) -> Iterator[Thing]:
    """What later events can still change."""
    yield from (interrupt for interrupt in state.interrupts.values() if "decision" not in interrupt)
    for turn in state.turns.values():
        if turn.status != "finished":
            yield turn
            yield from excerpt.asked[turn.id]
            if turn.status != "queued":  # a queued one has written nothing
                yield from _written_by(state, turn.id)


def _newest(excerpt: _Excerpt, before: int, limit: int | None, max_bytes: int | None) -> tuple[list[Placed], bool]:
    """Add the newest messages that began before `before`; gives them, and whether older are left."""
    older = [placed for placed in excerpt.state.ordered if placed.place.first < before]
    budget = math.inf if max_bytes is None else max_bytes
    taken: list[Placed] = []
    for placed in reversed(older):
        around = list(excerpt.around(placed))
        full = excerpt.size + excerpt.cost(around) > budget
        if len(taken) == limit or (full and excerpt.messages):  # a page without a message would lead nowhere
            break
        excerpt.add(around)
        taken.append(placed)
    more = any(placed.message.id not in excerpt.messages for placed in older)
    return taken[::-1], more


def _turns_begun(state: State, start: int, end: int) -> Iterator[TurnState | dict[str, Any]]:
    """The turns that began there, for some have no message, and what they asked."""
    turns = {turn.id: turn for turn in state.turns.values() if start <= turn.first <= end}
    yield from turns.values()
    yield from (interrupt for interrupt in state.interrupts.values() if interrupt["turn"] in turns)


def _written_by(state: State, turn: str) -> Iterator[Placed]:
    """The agent's messages of a turn."""
    for placed in state.messages.values():
        if placed.place.turn == turn and placed.message.role == "assistant":
            yield placed


def _message_event(placed: Placed) -> PastEvent:
    place = placed.place
    return PastEvent(place.first, place.at, MessageWritten(placed.message, place.turn, place.first))


def _turn_events(turn: TurnState, asked: list[dict[str, Any]]) -> Iterator[PastEvent]:
    """The events that make a finished turn, and what it asked, what they are."""
    if turn.startedAt is None or turn.branch:
        yield PastEvent(turn.first, 0, TurnQueued(turn.id, turn.agent, branch=turn.branch or None))
    if turn.startedAt is not None:
        yield PastEvent(turn.first, turn.startedAt, TurnStarted(turn.id, turn.agent, turn.message))
    for interrupt in asked:
        opened = msgspec.convert(interrupt, Interrupt)
        yield PastEvent(turn.first, opened.openedAt, InterruptOpened(opened))
        if "decision" in interrupt:
            decision = msgspec.convert(interrupt["decision"], Decision)
            yield PastEvent(turn.first, decision.at, InterruptClosed(opened.id, decision))
    if turn.progress is not None:
        yield PastEvent(turn.first, turn.finishedAt or 0, TurnProgress(turn.id, turn.progress))
    finished = TurnFinished(turn.id, turn.end or "completed", turn.result, turn.error, turn.by)
    yield PastEvent(turn.first, turn.finishedAt or 0, finished)


def _first(placed: Placed) -> int:
    return placed.place.first
