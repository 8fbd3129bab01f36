"""The agent's message of one turn: what the log holds of it, and the one event that can stand for that."""

from __future__ import annotations

import msgspec

from holdfast.core.commit import Commit
from holdfast.core.events import (
    EVENT_MAX_BYTES,
    ChunkWritten,
    Event,
    MessageRewound,
    MessageWritten,
    UnknownEvent,
    encode,
)
from holdfast.core.messages import Message, fold_chunk, interrupted
from holdfast.core.operations import Operation
from holdfast.runtime.journal import is_void
from holdfast.store.instructions import ERASED_MAX


class Transcript:
    """A message, folded as its events are committed, with their positions in the log."""

    def __init__(self, turn: str, message: str) -> None:
        self.turn = turn
        self.message = Message(message, "assistant", [])
        #: Where the message begins; None: nothing was written yet.
        self.first: int | None = None
        #: Positions of all events that make it, ascending.
        self.positions: list[int] = []

    def add(self, seq: int, event: Event | UnknownEvent) -> None:
        """An event of the log, if it belongs to the message. Twice is once."""
        match event:
            case ChunkWritten(message=own) if own == self.message.id:
                if seq in self.positions[-1:]:
                    return
                fold_chunk(self.message, event.chunk)
            case MessageWritten() | MessageRewound() if event.message.id == self.message.id:
                self.message = msgspec.json.decode(msgspec.json.encode(event.message), type=Message)
                if event.first is not None:
                    self.first = event.first
            case _:
                return
        self.positions.append(seq)
        if self.first is None:
            self.first = seq

    def stand_for_all(self, commit: Commit, *, ended: bool) -> list[int]:
        """Add to `commit` the event that stands for the message so far.

        Returns the positions that are left to be erased by later commits, newest first. A message over the limit of
        an event stays as its chunks.
        """
        if not self.positions or (len(self.positions) == 1 and not ended):
            return []
        if ended:
            interrupted(self.message)
        event = MessageWritten(message=self.message, turn=self.turn, first=self.first)
        if len(encode(event)) > EVENT_MAX_BYTES:
            return []
        commit.events.insert(0, event)
        newest_first = self.positions[::-1]
        commit.erases.extend(newest_first[:ERASED_MAX])
        return newest_first[ERASED_MAX:]


def without_void(
    turn: str, message: str, events: list[tuple[int, Event]], operations: dict[str, Operation]
) -> tuple[Transcript, bool]:
    """The message as its record knows it, and whether more than that was streamed by a worker that died."""
    transcript, voided = Transcript(turn, message), False
    for seq, event in events:
        if isinstance(event, ChunkWritten) and event.message == message and is_void(event.op, operations):
            voided = True
            transcript.positions.append(seq)
            transcript.first = transcript.first or seq
        else:
            transcript.add(seq, event)
    return transcript, voided


def rewinding(transcript: Transcript) -> tuple[MessageRewound, list[int]]:
    """The event that takes back what is void, and the positions for which it stands."""
    event = MessageRewound(message=transcript.message, turn=transcript.turn, first=transcript.first)
    return event, transcript.positions[::-1]
