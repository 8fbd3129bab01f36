"""Async generators of the AI SDK's chunks as agents: what would serve `useChat` serves a session.

The AI SDK's contract is kept: a generator that needs a human asks for an approval and ends, and is called again with a
conversation in which the approval is answered. It keeps nothing in between, and so need not know who waits, or where.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeGuard, cast

import msgspec

from holdfast.agents.foreign.driving import Pieces, Stretch, drive
from holdfast.agents.foreign.pending import Answer, Asks, Ended, Pending
from holdfast.agents.foreign.shown import Chunk
from holdfast.agents.outcomes import not_done
from holdfast.core.messages import Message, Part, fold_chunk
from holdfast.runtime.stepping import Final
from holdfast.runtime.turn import Turn

UIMessage = dict[str, Any]
Chunks = Callable[[Turn, list[UIMessage]], AsyncIterator[str | Chunk]]

RESULT_MAX = 50_000  # characters of the text that is also the turn's result; all of it is in the message


class ChunkAgent:
    """An agent for `App.add_agent`; made by `holdfast.agents.from_chunks`."""

    def __init__(self, chunks: Chunks, asks: Asks) -> None:
        self._chunks, self._asks = chunks, asks

    async def __call__(self, turn: Turn) -> Any:
        """Stream what it yields as this turn. Gives its text."""
        return await drive(turn, "chunks", _Calls(self._chunks, turn), self._asks)


class _Calls:
    """The calls of the generator in one turn."""

    def __init__(self, chunks: Chunks, turn: Turn) -> None:
        self._chunks, self._turn = chunks, turn

    async def run(self, stretch: Stretch, states: list[Any], answers: list[Answer]) -> Pieces:
        turn = self._turn
        own = msgspec.convert(states[-1], Message) if states else Message(turn.id, "assistant", [])
        for one in answers:
            _answered(own, one)
            if one.pending.kind == "approval" and one.result.ok:  # it makes the call now, and says so when it is done
                await stretch.begins_elsewhere(one.pending.name, one.pending.id, one.result.input)
        said = [_plain(message) for message in [*turn.history, turn.message] if message.parts]
        own_before = [_plain(own)] if states else []
        own.parts.append({"type": "step-start"})
        yield {"type": "start-step"}
        async with aclosing(_closing(self._chunks(turn, [*said, *own_before]))) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    _say(own, piece)
                elif piece.get("type") in ("start-step", "finish-step"):
                    continue  # a call of the generator is a step
                else:
                    fold_chunk(own, piece)
                yield piece
                if _is_call(piece) and piece["toolName"] not in turn.tools:
                    await stretch.begins_elsewhere(piece["toolName"], piece["toolCallId"], piece.get("input"))
        yield {"type": "finish-step"}
        yield Final(Ended(_plain(own), _pending(own, turn), own.text[:RESULT_MAX], _unfinished(own)))


async def _closing(pieces: AsyncIterator[str | Chunk]) -> AsyncGenerator[str | Chunk]:
    """Whatever iterates, as what can be closed: a connection to a model is, when nobody listens any more."""
    try:
        async for piece in pieces:
            yield piece
    finally:
        if isinstance(pieces, AsyncGenerator):
            await cast("AsyncGenerator[str | Chunk]", pieces).aclose()


def _plain(message: Message) -> UIMessage:
    return msgspec.to_builtins(message)


def _is_call(piece: str | Chunk) -> TypeGuard[Chunk]:
    return not isinstance(piece, str) and piece.get("type") == "tool-input-available"


def _say(own: Message, text: str) -> None:
    """A text that came by itself: those that follow each other are one part."""
    last = own.parts[-1]
    if last["type"] != "text":
        own.parts.append(last := {"type": "text", "text": "", "state": "done"})
    last["text"] += text


# ---------------------------------------------------------------- waiting, and going on


def _pending(own: Message, turn: Turn) -> list[Pending]:
    return [made for part in own.parts if (made := _waiting(part, turn)) is not None]


def _waiting(part: Part, turn: Turn) -> Pending | None:
    """What a part waits for: a human's yes, a tool that the app has, or one that runs on a device."""
    kind, state = str(part["type"]), part.get("state")
    if part.get("providerExecuted") or not (kind == "dynamic-tool" or kind.startswith("tool-")):
        return None
    call, name = part["toolCallId"], part.get("toolName") or kind.removeprefix("tool-")
    if state == "approval-requested":
        asked = part["approval"]
        message = asked.get("requestReason")
        return Pending("approval", asked["id"], name, input=part.get("input"), message=message, call=call)
    if state != "input-available":
        return None
    return Pending("tool" if name in turn.tools else "client_tool", call, name, input=part.get("input"), call=call)


def _unfinished(own: Message) -> list[str]:
    """Calls that were let pass, and have not said what they gave."""
    states = {part["toolCallId"]: part for part in own.parts if part.get("state") == "approval-responded"}
    return [call for call, part in states.items() if part["approval"].get("approved")]


def _answered(own: Message, one: Answer) -> None:
    """The part as the AI SDK has it once it is answered."""
    [part] = [part for part in own.parts if part.get("toolCallId") == one.pending.call][-1:]
    result = one.result
    if one.pending.kind != "approval":
        value = {"state": "output-available", "output": msgspec.to_builtins(result.returned, enc_hook=str)}
        part.update(value if result.ok else {"state": "output-error", "errorText": not_done(result)})
        return
    reason = result.reason if result.ok or result.status == "denied" else not_done(result)
    answer = {"id": one.pending.id, "approved": result.ok} | ({"reason": reason} if reason else {})
    part.update(state="approval-responded", approval={**part["approval"], **answer})
    if result.ok:
        part["input"] = result.input
