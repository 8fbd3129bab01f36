"""A log as workers and devices write it, at random."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from holdfast.core import events
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
    TurnBlocked,
    TurnFinished,
    TurnProgress,
    TurnQueued,
    TurnResumed,
    TurnStarted,
    TurnWaiting,
)
from holdfast.core.folding import (
    State,
    fold,
)
from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, Interrupt
from holdfast.core.messages import Message
from holdfast.core.session import SessionInfo

EPOCH = "e1"


ALICE = By("person", "alice")


def info(title: str | None = None) -> SessionInfo:
    return SessionInfo("s1", "support", "alice", {"alice": "owner"}, 0, title)


def message(own_id: str, text: str, role: Any = "user") -> Message:
    return Message(own_id, role, [{"type": "text", "text": text}])


class Log:
    """A session's log, written by steps that are possible, and compacted as a worker does it."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int, bytes]] = []
        self.erased: set[int] = set()
        #: Message → the positions of its events that are left.
        self.left: dict[str, list[int]] = {}
        #: Message → what it was at some moments, to be rewound to.
        self.past: dict[str, list[bytes]] = {}
        self.state = State(EPOCH)
        self.write(SessionCreated(info()))

    def write(self, event: Event | dict[str, Any]) -> int:
        seq = len(self.all) + 1
        data = msgspec.json.encode(event)
        self.all.append((seq, seq * 10, data))
        fold(self.state, seq, seq * 10, events.decode(data))
        return seq

    def after(self, position: int, *, compacted: bool) -> list[tuple[int, int, bytes]]:
        return [entry for entry in self.all[position:] if not (compacted and entry[0] in self.erased)]

    # What can happen. `n` makes choices.

    def say(self, n: int) -> None:
        turn = f"t{len(self.state.turns)}"
        self.write(MessageWritten(message(f"u{len(self.all)}", "hello"), turn))
        self.write(TurnQueued(turn, "support") if n % 2 else TurnStarted(turn, "support", f"m-{turn}"))

    def start_without_message(self, n: int) -> None:
        turn = f"t{len(self.state.turns)}"
        self.write(TurnStarted(turn, "support", f"m-{turn}"))

    def dequeue(self, n: int) -> None:
        if turn := self.some_turn(n, "queued"):
            self.write(TurnStarted(turn, "support", f"m-{turn}"))

    def chunk(self, n: int) -> None:
        if turn := self.some_turn(n, "running", "waiting", "blocked"):
            own_id = f"m-{turn}"
            call = {"toolCallId": f"call{n % 2}"}
            chunk = [
                {"type": "start-step"},
                {"type": "text-start", "id": "0"},
                {"type": "text-delta", "id": "0", "delta": f"{n} "},
                {"type": "text-delta", "id": "0", "delta": f"{n}!"},
                {"type": "text-end", "id": "0"},
                {"type": "tool-input-start", **call, "toolName": "refund"},
                {"type": "tool-input-delta", **call, "inputTextDelta": f'{{"n": {n}'},
                {"type": "tool-input-available", **call, "toolName": "refund", "input": {"n": n}},
                {"type": "tool-output-available", **call, "output": n},
                {"type": "message-metadata", "messageMetadata": {"n": n}},
            ][n % 10]
            if own_id in self.state.messages:
                self.past.setdefault(own_id, []).append(msgspec.json.encode(self.state.messages[own_id].message))
            seq = self.write(ChunkWritten(turn, own_id, chunk))
            self.left.setdefault(own_id, []).append(seq)

    def compact(self, n: int) -> None:
        if own_id := self.some_message(n):
            placed = self.state.messages[own_id]
            # As from a worker's memory; what it stands for is erased from its newest end.
            copy = msgspec.json.decode(msgspec.json.encode(placed.message), type=Message)
            seq = self.write(MessageWritten(copy, placed.place.turn, placed.place.first))
            left = self.left[own_id]
            kept = left[: n % (len(left) + 1)]
            self.erased |= set(left[len(kept) :])
            self.left[own_id] = [*kept, seq]

    def rewind(self, n: int) -> None:
        own_id = self.some_message(n)
        if own_id and (past := self.past.get(own_id)):
            place = self.state.messages[own_id].place
            then = msgspec.json.decode(past[n % len(past)], type=Message)
            assert place.turn is not None
            self.left[own_id].append(self.write(MessageRewound(then, place.turn, place.first)))

    def ask(self, n: int) -> None:
        if turn := self.some_turn(n, "running"):
            own_id = f"i{len(self.state.interrupts)}"
            asked = Interrupt(own_id, "approval", "s1", turn, "tool_call", input={"n": n}, openedAt=n)
            self.write(InterruptOpened(asked))

    def remind(self, n: int) -> None:
        if interrupt := self.some_open(n):
            self.write(
                InterruptUpdated(
                    interrupt, {"claim": {"by": {"kind": "person", "id": "bob"}, "at": n, "until": n}, "expiresAt": n}
                )
            )

    def settle(self, n: int) -> None:
        if interrupt := self.some_open(n):
            decision = Decision("resolved", {"approved": n % 2 == 0}, ALICE, "rest", n, "r1")
            self.write(InterruptClosed(interrupt, decision))

    def wait(self, n: int) -> None:
        if turn := self.some_turn(n, "running"):
            asked = [i["id"] for i in self.state.interrupts.values() if i["turn"] == turn]
            self.write(TurnWaiting(turn, (*asked, "timer")))

    def resume(self, n: int) -> None:
        if turn := self.some_turn(n, "waiting", "blocked"):
            self.write(TurnResumed(turn))

    def block(self, n: int) -> None:
        if turn := self.some_turn(n, "running"):
            self.write(TurnBlocked(turn, "replay_diverged", "It took another path."))

    def progress(self, n: int) -> None:
        if turn := self.some_turn(n, "running"):
            self.write(TurnProgress(turn, {"done": n}))

    def finish(self, n: int) -> None:
        if turn := self.some_turn(n, "queued", "running", "waiting", "blocked"):
            for interrupt in list(self.state.interrupts.values()):
                if interrupt["turn"] == turn and "decision" not in interrupt:
                    decision = Decision("cancelled", None, By("system", "system"), "system", n)
                    self.write(InterruptClosed(interrupt["id"], decision))
            end = ("completed", "failed", "cancelled")[n % 3]
            error = {"code": "error", "message": "It failed."} if end == "failed" else None
            self.write(TurnFinished(turn, end, n if n % 2 else None, error, ALICE))  # type: ignore[arg-type]

    def rename(self, n: int) -> None:
        self.write(SessionUpdated(info(f"Title {n}")))

    def of_a_later_version(self, n: int) -> None:
        self.write({"type": "vote.counted", "n": n})

    def some_turn(self, n: int, *statuses: str) -> str | None:
        found = [turn.id for turn in self.state.turns.values() if turn.status in statuses]
        return found[n % len(found)] if found else None

    def some_message(self, n: int) -> str | None:
        found = [own_id for own_id in self.left if own_id in self.state.messages]
        return found[n % len(found)] if found else None

    def some_open(self, n: int) -> str | None:
        found = [own_id for own_id, i in self.state.interrupts.items() if "decision" not in i]
        return found[n % len(found)] if found else None


STEPS = [
    *[Log.chunk] * 8,
    *[Log.compact] * 3,
    Log.say,
    Log.say,
    Log.start_without_message,
    Log.start_without_message,
    Log.dequeue,
    Log.rewind,
    Log.ask,
    Log.remind,
    Log.settle,
    Log.wait,
    Log.resume,
    Log.block,
    Log.progress,
    Log.progress,
    *[Log.finish] * 3,
    Log.rename,
    Log.of_a_later_version,
]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    log = Log()
    log.say(draw(st.integers(0, 1)))
    for step, n in draw(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 999)), max_size=80)):
        step(log, n)
    return log
