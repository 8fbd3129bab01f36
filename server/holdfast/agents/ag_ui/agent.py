"""The agent itself: run it, ask people what it waits for, make the calls that it wants of us, and run it again.

AG-UI wants all answers at once; ours are durable one by one, and sent when the last has come.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from holdfast.agents.ag_ui import asking, conversation, running
from holdfast.agents.ag_ui.posting import PrivateHeaders, Where
from holdfast.agents.ag_ui.running import STATE, State
from holdfast.agents.foreign.driving import Pieces, Stretch, drive
from holdfast.agents.foreign.pending import Answer, Asks
from holdfast.agents.outcomes import not_done
from holdfast.core import ids
from holdfast.core.errors import Unusable
from holdfast.core.messages import Message
from holdfast.runtime.tools import Tool
from holdfast.runtime.turn import Turn

PROTOCOL_VERSION = "1.0"  # that this speaks

Headers = Mapping[str, str] | Callable[[Turn], Mapping[str, str] | Awaitable[Mapping[str, str]]]


class AgUiAgent:
    """An agent for `App.add_agent`; made by `holdfast.agents.agui`."""

    def __init__(
        self, where: Where, *, headers: Headers, props: Any, asks: Asks, idempotent: bool, retries: int
    ) -> None:
        if not where.url.startswith(("http://", "https://")):
            raise Unusable(f"agui({where.url!r}): an address begins with http:// or https://.")
        self.where, self.headers, self.props, self.asks = where, headers, props, asks
        self.idempotent, self.retries = idempotent, retries

    async def __call__(self, turn: Turn) -> Any:
        """Answer what caused the turn. Gives the agent's result, or the text that it ended with."""
        return await drive(turn, "agui", _Runs(self, turn), self.asks)


class _Runs:
    """The runs of one turn."""

    def __init__(self, agent: AgUiAgent, turn: Turn) -> None:
        self._agent, self._turn = agent, turn

    async def run(self, stretch: Stretch, states: list[Any], answers: list[Answer]) -> Pieces:
        kept = [msgspec.convert(state, State) for state in states]
        messages, last = self._said(kept), kept[-1] if kept else State()
        results = [_result(one) for one in answers if one.pending.kind == "tool"]
        given = self._input(len(kept) + 1, [*messages, *results], _state(kept, self._turn.history))
        resume = [asking.answer(one, last.shapes[one.pending.id]) for one in answers if one.pending.kind != "tool"]
        resume += [asking.unanswered(interrupt) for interrupt in last.expired]
        asked = running.Asked(
            where=self._agent.where,
            headers=await self._headers(),
            input=given | ({"resume": resume} if resume else {}),
            carried=[*last.unfinished, *(one.pending.call for one in answers if one.pending.call)],
            permitted=[one.pending for one in answers if one.pending.kind == "approval" and one.result.ok],
            retries=self._agent.retries,
            idempotent=self._agent.idempotent,
        )
        async for piece in running.stream(stretch, asked, results):
            yield piece

    def _said(self, kept: list[State]) -> list[dict[str, Any]]:
        """The conversation so far."""
        turn = self._turn
        cause = conversation.asked(turn.message) if turn.message.parts else conversation.started(turn.id, turn.input)
        said = [*conversation.told(turn.history), cause]
        for state in kept:
            said = state.messages if state.whole else [*said, *state.messages]
        return said

    def _input(self, nth: int, messages: list[dict[str, Any]], state: Any) -> dict[str, Any]:
        turn, props = self._turn, self._agent.props
        return {
            "threadId": turn.session,
            # The same whenever this run is tried again: an agent that keeps its runs can tell.
            "runId": ids.call_id(turn.id, f"agui:{nth}"),
            "protocolVersion": PROTOCOL_VERSION,
            "messages": messages,
            "tools": [_offered(tool) for tool in turn.tools.values()],
            "context": [{"description": "What people were asked before", "value": note} for note in turn.notes],
            "state": state,
            "forwardedProps": props(turn) if callable(props) else props,
        }

    async def _headers(self) -> PrivateHeaders:
        """Asked for whenever something is sent, and recorded nowhere: they may hold secrets."""
        given = self._agent.headers
        made = given(self._turn) if callable(given) else given
        return PrivateHeaders(await made if inspect.isawaitable(made) else made)


def _state(kept: list[State], history: list[Message]) -> Any:
    """The shared state as the agent left it: in this turn, else in the last message that shows one."""
    changed = [state.state[0] for state in kept if state.state is not None]
    if changed:
        return changed[-1]
    parts = [part for message in reversed(history) for part in message.parts if part["type"] == "data-state"]
    shown: list[Any] = [part.get("data") for part in parts if part.get("id") == STATE]
    return shown[0] if shown else {}


def _offered(tool: Tool[..., Any]) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description or "", "parameters": tool.signature.input_schema}


def _result(one: Answer) -> dict[str, Any]:
    """What a call of ours gave, for the agent to read."""
    call, result = one.pending.id, one.result
    if not result.ok:
        return conversation.not_answered(call, not_done(result))
    value = msgspec.to_builtins(result.value, enc_hook=str)
    if result.edited:
        value = {"result": value, "note": "A human changed the arguments first.", "arguments": result.input}
    return conversation.answered(call, value)
