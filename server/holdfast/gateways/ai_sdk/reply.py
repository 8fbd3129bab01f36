"""One reply to a chat: a turn's message in chunks, from what the chat has to where the turn stops.

Pure: it is told the session's events, and says chunks. A reply ends when its turn has finished, or only people or
time can carry it on; then the chat may ask for more. Whatever was said, a chat must not believe that it has to
submit again: it would, for ever. So a reply never ends on a step that is nothing but settled calls.
"""

from __future__ import annotations

import msgspec

from holdfast.core.events import ChunkWritten, Event, MessageRewound, MessageWritten, UnknownEvent
from holdfast.core.folding import State, TurnState, fold
from holdfast.core.messages import Message, Part, fold_chunk
from holdfast.gateways.ai_sdk.replay import TEXTS, Chunk, asked_in, catching_up, is_tool, last_step, outcome
from holdfast.gateways.sessions import is_waiting

#: Said by us alone: an agent that says them would end the chat's message, or rename it.
_OURS = ("start", "finish", "abort", "error")
#: What needs a call that the chat knows.
_OF_CALLS = ("tool-input-delta", "tool-output-available", "tool-output-error", "tool-output-denied")


class Reply:
    """Call `begin` once, then `tell` with each event that follows, until `ended`."""

    def __init__(self, turn: str | None, known: Message | None = None, refusal: str | None = None) -> None:
        self._turn = turn
        self._known = known
        self._refusal = refusal
        self._state = State()
        #: What the chat has by now; None: nothing of this turn's message.
        self._sent: Message | None = None
        #: Texts that were begun in this very reply: no other can be continued.
        self._open: set[tuple[str, str]] = set()
        self.ended = False

    def begin(self, state: State) -> list[Chunk]:
        """The message as far as it is. `state` is folded on here from now on."""
        self._state = state
        chunks = self._whole()
        if self._refusal is not None:
            return [*chunks, *self._end({"type": "error", "errorText": self._refusal})]
        return [*chunks, *self._if_over()]

    def tell(self, seq: int, at: int, event: Event | UnknownEvent) -> list[Chunk]:
        """What an event adds."""
        if seq <= self._state.seq:
            return []
        fold(self._state, seq, at, event)
        chunks: list[Chunk] = []
        match event:
            case ChunkWritten(turn=turn) if turn == self._turn:
                chunks = [*self._begun(event.message), *self._said(event.chunk)]
            case MessageRewound(turn=turn) if turn == self._turn:
                chunks = self._rewound()
            case MessageWritten(turn=turn) if turn == self._turn and event.message.role == "assistant":
                chunks = self._whole()
            case _:
                pass
        return [*chunks, *self._if_over()]

    def fail(self, code: str, text: str) -> list[Chunk]:  # noqa: ARG002 - a chat knows no codes
        """The stream cannot go on; its turn may."""
        return self._end({"type": "error", "errorText": text})

    # The message.

    def _whole(self) -> list[Chunk]:
        """What is missing of the message as it stands, in one go."""
        message = self._message()
        if message is None:
            return []
        begun = self._begun(message.id)
        assert self._sent is not None
        chunks = catching_up(self._sent, message)
        self._note(chunks)
        if message.metadata is not None and message.metadata != self._sent.metadata:
            chunks.append({"type": "message-metadata", "messageMetadata": message.metadata})
        self._sent = _copy(message)
        return [*begun, *chunks]

    def _begun(self, message: str) -> list[Chunk]:
        if self._sent is not None:
            return []
        same = self._known is not None and self._known.id == message
        self._sent = self._known if same else Message(message, "assistant", [])
        return [{"type": "start", "messageId": message}]

    def _said(self, chunk: Chunk) -> list[Chunk]:
        """A chunk of the agent's, as it came, unless the chat could not bear it."""
        assert self._sent is not None
        if chunk.get("type") in _OURS:
            metadata = chunk.get("messageMetadata")
            chunk = {"type": "message-metadata", "messageMetadata": metadata}
            if metadata is None:
                return []
        chunks = self._connected(chunk)
        for each in chunks:
            fold_chunk(self._sent, each)
        self._note(chunks)
        return chunks

    def _connected(self, chunk: Chunk) -> list[Chunk]:
        """The chunk with what the chat needs before it; nothing, if it continues what the chat does not know."""
        kind = str(chunk.get("type"))
        what, _, step = kind.partition("-")
        if what in TEXTS and step in ("delta", "end"):
            return self._continued(chunk, what, step)
        if kind in _OF_CALLS and self._call(chunk.get("toolCallId")) is None:
            return []
        if kind == "tool-approval-response":
            return self._answered(chunk)
        if kind == "tool-approval-request" and self._call(chunk.get("toolCallId")) is None:
            return []
        return [chunk]

    def _continued(self, chunk: Chunk, what: str, step: str) -> list[Chunk]:
        if (what, str(chunk.get("id"))) in self._open:
            return [chunk]
        return [{"type": f"{what}-start", "id": chunk.get("id")}, chunk] if step == "delta" else []

    def _answered(self, chunk: Chunk) -> list[Chunk]:
        part = self._call(chunk.get("toolCallId"))
        if part is not None and asked_in(part).get("id") == chunk.get("approvalId"):
            return [chunk]
        asked = {"type": "tool-approval-request", "approvalId": chunk.get("approvalId")}
        return [] if part is None else [{**asked, "toolCallId": chunk["toolCallId"]}, chunk]

    def _rewound(self) -> list[Chunk]:
        """What a dead worker streamed is void: the step is said anew."""
        message = self._message()
        if message is None or self._sent is None:
            return self._whole()
        self._open.clear()
        step = last_step(message)
        self._sent = Message(message.id, "assistant", message.parts[: len(message.parts) - len(step)], message.metadata)
        return [{"type": "reset-step"}, *self._whole()]

    def _note(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            what, _, step = str(chunk.get("type")).partition("-")
            if what in TEXTS:
                (self._open.discard if step == "end" else self._open.add)((what, str(chunk.get("id"))))

    def _message(self) -> Message | None:
        turn = self._state.turns.get(self._turn or "")
        placed = self._state.messages.get(turn.message or "") if turn is not None else None
        return placed.message if placed is not None else None

    def _call(self, call: object) -> Part | None:
        parts = self._sent.parts if self._sent is not None else []
        return next((part for part in reversed(parts) if is_tool(part) and part.get("toolCallId") == call), None)

    # The end.

    def _if_over(self) -> list[Chunk]:
        turn = self._state.turns.get(self._turn or "")
        if self._turn is None:
            return self._end({"type": "finish", "finishReason": "stop"})
        if turn is None or self.ended:
            return []
        match turn.status:
            case "finished":
                return self._end(_last(turn))
            case "waiting" if turn.open:
                return self._end({"type": "finish", "finishReason": "tool-calls"})
            case "blocked":
                return self._end({"type": "finish", "finishReason": "other"})
            case "queued" if self._behind_what_waits():
                return self._end({"type": "finish", "finishReason": "other"})
            case _:
                return []

    def _behind_what_waits(self) -> bool:
        """The chat must be free meanwhile: it may be the one that is asked."""
        return any(is_waiting(one) for one in self._others())

    def _others(self) -> list[TurnState]:
        return [turn for turn in self._state.turns.values() if turn.id != self._turn]

    def _end(self, last: Chunk) -> list[Chunk]:
        self.ended = True
        left = [{"type": f"{what}-end", "id": own_id} for what, own_id in sorted(self._open)]
        self._open.clear()
        return [*left, *([] if last["type"] == "error" else self._step_off()), last]

    def _step_off(self) -> list[Chunk]:
        """Begin a step after one of settled calls only: a chat would take that for one to submit.

        A step alone is not shown until something is written, so the last outcome is said again; it changes nothing.
        """
        calls = [part for part in last_step(self._sent) if is_tool(part)] if self._sent is not None else []
        settled = ("approval-responded", "output-available", "output-error", "output-denied")
        if not calls or any(part["state"] not in settled for part in calls):
            return []
        written = outcome(calls[-1]) or [{"type": "message-metadata", "messageMetadata": {}}]
        return [{"type": "start-step"}, *written]


def _last(turn: TurnState) -> Chunk:
    if turn.end == "failed":
        return {"type": "error", "errorText": (turn.error or {}).get("message", "The turn failed.")}
    if turn.end == "cancelled":
        return {"type": "abort", "reason": "cancelled"}
    return {"type": "finish", "finishReason": "stop"}


def _copy(message: Message) -> Message:
    return msgspec.json.decode(msgspec.json.encode(message), type=Message)
