"""One run: a turn as a client of AG-UI sees it, from where its own request left off to where the turn stops.

Pure: it is told the session's events, and says AG-UI's. What a client posts is its view, and may be old; where it is
not what stands, the run begins with a snapshot of all messages. From there each chunk is an event, until the turn is
finished or waits for somebody. Then what is still open is listed, all of it: also after some of it was answered.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core import events
from holdfast.core.errors import HoldfastError
from holdfast.core.events import ChunkWritten, MessageRewound, MessageWritten, StateChanged, UnknownEvent
from holdfast.core.folding import State, TurnState, fold
from holdfast.core.messages import Message
from holdfast.gateways.ag_ui import history, interrupts
from holdfast.gateways.ag_ui.writer import Event, Writer
from holdfast.gateways.sessions import is_waiting

PROTOCOL_VERSION = "1.0"


class Client(msgspec.Struct, frozen=True):
    """Who is told, and what it says that it has."""

    thread: str
    run: str
    #: It speaks 1.0 or later. Older ones refuse an outcome `cancelled`, and `pendingToolCallIds`.
    modern: bool = False
    messages: list[dict[str, Any]] = []
    state: Any = None


class Run:
    """Call `begin`, then `tell` with each event that follows, until `ended`."""

    def __init__(self, client: Client, turn: str | None, refusal: HoldfastError | None = None) -> None:
        self._client = client
        self._turn = turn
        self._refusal = refusal
        self._state = State()
        self._writer: Writer | None = None
        #: The ids of the messages that the client has.
        self._told: set[str] = set()
        self._started = False
        self.ended = False

    def begin(self, state: State) -> list[Event]:
        """The run's start, and whatever the client lacks. `state` is folded on here from now on."""
        self._state = state
        said = [*self._start(), *self._shared()]
        if self._refusal is not None:
            return [*said, *self.fail(self._refusal.code, self._refusal.message)]
        return [*said, *self._if_over()]

    def tell(self, seq: int, at: int, event: events.Event | UnknownEvent) -> list[Event]:
        """What an event adds."""
        if seq <= self._state.seq:
            return []
        before = self._message()
        shown = history.agents(before) if before is not None and isinstance(event, MessageWritten) else []
        fold(self._state, seq, at, event)
        match event:
            case ChunkWritten(turn=turn) if turn == self._turn:
                said = self._chunk(event)
            case MessageRewound(turn=turn) if turn == self._turn:
                said = self._corrected()
            case MessageWritten(turn=turn) if turn == self._turn and event.message.role == "assistant":
                said = [] if history.agents(event.message) == shown else self._corrected()
            case StateChanged():
                said = [{"type": "STATE_SNAPSHOT", "snapshot": event.state}]
            case _:
                said = []
        return [*said, *self._if_over()]

    def fail(self, code: str, text: str) -> list[Event]:
        """The stream cannot go on; its turn may."""
        start = [] if self._started else self._started_now()
        return [*start, *self._end({"type": "RUN_ERROR", "code": code, "message": text})]

    # What the client has.

    def _start(self) -> list[Event]:
        if self._started:
            return self._corrected()  # some of what was said in between is gone
        shown = history.history(self._state)
        self._follow(shown)
        known = history.alike(self._client.messages, shown)
        return [*self._started_now(), *([] if known else [_snapshot(shown)])]

    def _started_now(self) -> list[Event]:
        self._started = True
        version = {"protocolVersion": PROTOCOL_VERSION} if self._client.modern else {}
        return [{"type": "RUN_STARTED", **self._named, **version}]

    @property
    def _named(self) -> Event:
        return {"threadId": self._client.thread, "runId": self._client.run}

    def _shared(self) -> list[Event]:
        if not self._state.state_version or self._state.state == self._client.state:
            return []
        return [{"type": "STATE_SNAPSHOT", "snapshot": self._state.state}]

    def _corrected(self) -> list[Event]:
        """All messages as they stand, where events cannot say what has changed."""
        closed = self._writer.close() if self._writer is not None else []
        shown = history.history(self._state)
        self._follow(shown)
        return [*closed, _snapshot(shown)]

    def _follow(self, shown: list[history.Shown]) -> None:
        self._told = {one["id"] for one in shown}
        message = self._message()
        self._writer = Writer(message) if message is not None else None

    def _chunk(self, event: ChunkWritten) -> list[Event]:
        if self._writer is None:
            self._writer = Writer(Message(event.message, "assistant", []))
        said = self._writer.write(event.chunk)
        return self._corrected() if said is None else said

    def _message(self) -> Message | None:
        turn = self._state.turns.get(self._turn or "")
        placed = self._state.messages.get(turn.message or "") if turn is not None else None
        return placed.message if placed is not None else None

    # The end.

    def _if_over(self) -> list[Event]:
        turn = self._state.turns.get(self._turn or "")
        if self._turn is None:
            return self._end(self._finished(None))
        if turn is None or self.ended:
            return []
        if turn.status == "finished":
            return self._end(self._last(turn))
        if turn.status == "blocked" and not interrupts.asked(self._state):
            return self._end(_error(turn, "blocked", "The turn cannot go on until an operator acts."))
        others = (one for one in self._state.turns.values() if one.id != turn.id)
        if is_waiting(turn) or (turn.status == "queued" and any(map(is_waiting, others))):
            return self._end(self._paused())
        return []

    def _last(self, turn: TurnState) -> Event:
        if turn.end == "failed":
            return _error(turn, "failed", "The turn failed.")
        if turn.end == "cancelled":
            return self._finished({"type": "cancelled"} if self._client.modern else None)
        result = {} if turn.result is None else {"result": turn.result}
        return {**self._finished({"type": "success"}), **result}

    def _paused(self) -> Event:
        """What people are asked comes first; once that is settled, what the client's own tools are to do."""
        asked = interrupts.asked(self._state)
        people = [interrupts.theirs(one) for one in asked if one["kind"] != "client_tool"]
        if people:
            return self._finished({"type": "interrupt", "interrupts": people})
        calls = [one["toolCallId"] for one in asked]
        pending = {"pendingToolCallIds": calls} if calls and self._client.modern else {}
        return self._finished({"type": "success", **pending})

    def _finished(self, outcome: Event | None) -> Event:
        return {"type": "RUN_FINISHED", **self._named, **({"outcome": outcome} if outcome else {})}

    def _end(self, last: Event) -> list[Event]:
        self.ended = True
        closed = self._writer.close() if self._writer is not None else []
        return [*closed, *self._said_meanwhile(), last]

    def _said_meanwhile(self) -> list[Event]:
        """What others said while this ran."""
        told = self._told | (self._writer.told if self._writer is not None else set[str]())
        shown = history.history(self._state)
        return [] if {one["id"] for one in shown} == told else [_snapshot(shown)]


def _error(turn: TurnState, code: str, text: str) -> Event:
    """Why a turn failed, or cannot go on; `code` and `text` where it does not say."""
    error = turn.error or {}
    return {"type": "RUN_ERROR", "code": error.get("code") or code, "message": error.get("message") or text}


def _snapshot(shown: list[history.Shown]) -> Event:
    return {"type": "MESSAGES_SNAPSHOT", "messages": shown}
