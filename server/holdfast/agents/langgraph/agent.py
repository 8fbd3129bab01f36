"""The agent itself: run the graph until it ends or is interrupted, ask, and resume it by its interrupts' ids.

What the graph has done is in its checkpoints, written before it goes on (`durability="sync"`). Each carries the name
of its segment: a segment that is done again after a crash goes on from the last of its own, and repeats none of it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol, cast

import msgspec
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.types import Command

from holdfast.agents.foreign.driving import Pieces, Stretch, drive
from holdfast.agents.foreign.pending import Answer, Asks, Ended, Pending
from holdfast.agents.foreign.shown import AgentFailed, Chunk
from holdfast.agents.langgraph import asking, conversation
from holdfast.agents.langgraph.asking import Resume, Waits
from holdfast.agents.langgraph.conversation import METADATA, Place
from holdfast.agents.langgraph.effects import GOVERNED, POLICY, Governed
from holdfast.agents.langgraph.streaming import Streaming
from holdfast.agents.outcomes import not_done
from holdfast.core.errors import Unusable
from holdfast.runtime.stepping import Final
from holdfast.runtime.turn import Turn

SEGMENT = "holdfast_segment"  # in a checkpoint's metadata: which segment wrote it
BREAKPOINT = "breakpoint"  # the id of what a graph with `interrupt_before=[…]` waits for
RESULT_MAX = 50_000  # characters of a text that is also the turn's result; all of it is in the message


class Graph(Protocol):
    """A compiled graph, as far as it is used here."""

    checkpointer: Any

    def astream(self, input: Any, config: Any = None, **options: Any) -> AsyncIterator[Any]: ...
    async def aget_state(self, config: Any) -> Any: ...


class LangGraphAgent:
    """An agent for `App.add_agent`; made by `holdfast.agents.from_langgraph`."""

    def __init__(
        self,
        graph: Graph | Callable[[Turn], Graph | Awaitable[Graph]],
        *,
        input: Callable[[Turn], Any] | None,
        result: Callable[[Any], Any] | None,
        resume: Resume | None,
        context: Callable[[Turn], Any] | None,
        config: dict[str, Any] | None,
        asks: Asks,
        repeatable: bool,
    ) -> None:
        if hasattr(graph, "checkpointer"):
            _check(cast("Graph", graph))
        self.graph, self.input, self.result, self.resume = graph, input, result, resume
        self.context, self.config = context, config or {}
        self.asks, self.repeatable = asks, repeatable

    async def __call__(self, turn: Turn) -> Any:
        """Run the graph as this turn. Gives the text that it ended with, or its values where it has no messages."""
        return await drive(turn, "langgraph", _Segments(self, turn), self.asks, replays=self.repeatable)

    async def graph_of(self, turn: Turn) -> Graph:
        if hasattr(self.graph, "checkpointer"):
            return cast("Graph", self.graph)
        made = cast("Callable[[Turn], Any]", self.graph)(turn)
        return _check(await made if inspect.isawaitable(made) else made)


def _check(graph: Graph) -> Graph:
    if not graph.checkpointer:
        raise Unusable(
            "from_langgraph: compile the graph with a checkpointer; one that all workers share and that lasts."
        )
    return graph


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a segment for the next one."""

    place: Place
    waits: list[Waits] = []
    #: Calls that have no result yet; and those that people have let pass.
    unfinished: list[str] = []
    permitted: list[str] = []
    #: Where the graph stands before nodes: of a graph with `interrupt_before=[…]` or `interrupt_after=[…]`.
    before: list[str] = []


class _Segments:
    """The segments of one turn."""

    def __init__(self, agent: LangGraphAgent, turn: Turn) -> None:
        self._agent, self._turn = agent, turn

    async def run(self, stretch: Stretch, states: list[Any], answers: list[Answer]) -> Pieces:
        kept = [msgspec.convert(state, State) for state in states]
        graph = await self._agent.graph_of(self._turn)
        place, since = conversation.place(self._turn.id, self._turn.history)
        begun_at = kept[-1].place if kept else place
        last = kept[-1] if kept else State(place)
        permitted = last.permitted + [str(one.pending.call) for one in answers if one.result.ok and one.pending.call]
        config = self._config(Governed(stretch, permitted, _asked_by_policy(last.waits)))
        segment = _Segment(graph, f"{self._turn.id}/{len(kept)}", begun_at, config, Streaming(last.unfinished))
        given = self._resumed(kept[-1], answers) if kept else self._input(since)
        waiting = [wait.id for wait in kept[-1].waits] if kept else None
        yield {"type": "start-step"}
        context = self._agent.context and self._agent.context(self._turn)
        for one in () if self._agent.repeatable else answers:
            if one.pending.kind == "approval" and one.result.ok:
                await stretch.begins_elsewhere(one.pending.name, one.pending.call or one.pending.id, one.result.input)
        async for chunk in segment.chunks(given, waiting, context):
            yield chunk
            if chunk["type"] == "tool-input-available" and not self._agent.repeatable:
                await stretch.begins_elsewhere(chunk["toolName"], chunk["toolCallId"], chunk["input"])
        ended = await segment.ended(self._agent.result, permitted)
        yield {"type": "finish-step"}
        if not ended.pending:
            yield {"type": "message-metadata", "messageMetadata": {METADATA: msgspec.to_builtins(ended.state.place)}}
        yield Final(ended)

    def _config(self, governed: Governed) -> dict[str, Any]:
        given = self._agent.config
        return {**given, "configurable": {**given.get("configurable", {}), GOVERNED: governed}}

    def _input(self, since: list[Any]) -> Any:
        turn = self._turn
        if self._agent.input is not None:
            return self._agent.input(turn)
        if not turn.message.parts:
            return turn.input
        return {"messages": [*conversation.said(since), conversation.asked(turn.message)]}

    def _resumed(self, state: State, answers: list[Answer]) -> Any:
        if not state.before:
            return Command(resume=asking.resumed(state.waits, answers, self._agent.resume))
        result = answers[0].result
        if not result.ok:
            raise AgentFailed(f"It was not let on to {', '.join(state.before)}. {not_done(result)}")
        return None


class _Segment:
    """One of them."""

    def __init__(self, graph: Graph, name: str, place: Place, config: dict[str, Any], streaming: Streaming) -> None:
        self._graph, self._name, self._place, self._given = graph, name, place, config
        self._thread = {"configurable": {"thread_id": place.thread}}
        self._streaming = streaming

    async def chunks(self, given: Any, waiting: list[str] | None, context: Any) -> AsyncGenerator[Chunk]:
        """Run it; or, if a worker died in it, show what it had done by then, and go on."""
        found = await self._graph.aget_state(self._thread)
        if found.metadata is not None and found.metadata.get(SEGMENT) == self._name:
            async for chunk in self._shown_again(found):
                yield chunk
            if found.interrupts or not found.next:
                return
            given, checkpoint = None, None
        else:
            self._check(found, waiting)
            checkpoint = self._place.checkpoint if waiting is None else None
        stream = self._graph.astream(
            given,
            self._config(checkpoint),
            context=context,
            stream_mode=["messages", "custom"],
            subgraphs=True,
            durability="sync",
            version="v2",
        )
        async with aclosing(cast("AsyncGenerator[Any]", stream)) as parts:
            async for part in parts:
                for chunk in self._part(part["type"], part["data"]):
                    yield chunk
        for chunk in self._streaming.end():
            yield chunk

    def _config(self, checkpoint: str | None) -> dict[str, Any]:
        own: dict[str, Any] = {**self._thread["configurable"]}
        if checkpoint is not None:
            own["checkpoint_id"] = checkpoint
        return {
            **self._given,
            "configurable": {**self._given["configurable"], **own},
            "metadata": {**self._given.get("metadata", {}), SEGMENT: self._name},
        }

    def _check(self, found: Any, waiting: list[str] | None) -> None:
        """What the graph waits for must be there: a checkpointer that forgets would begin anew."""
        if waiting is None:
            return
        lost = set(waiting) - {one.id for one in found.interrupts}
        if lost or not found.next:
            raise AgentFailed(
                f"The checkpointer does not have the thread {self._place.thread} as it was left: "
                "it must be one that lasts, and that all workers share."
            )

    def _part(self, kind: str, data: Any) -> list[Chunk]:
        if kind == "messages":
            message, metadata = data
            return list(self._streaming.piece(message, str(metadata.get("langgraph_checkpoint_ns", ""))))
        given = asking.plain(data)
        named = cast("dict[str, Any]", given).get("type") if isinstance(given, dict) else None
        if isinstance(named, str) and named.startswith("data-"):
            return [cast("Chunk", given)]
        return [{"type": "data-custom", "data": given}]

    async def _shown_again(self, found: Any) -> AsyncGenerator[Chunk]:
        """What the dead worker had streamed is taken back: here are its messages, as far as the graph has them."""
        before: list[BaseMessage] = []
        if self._place.checkpoint is not None:
            at = {"configurable": {**self._thread["configurable"], "checkpoint_id": self._place.checkpoint}}
            before = _messages((await self._graph.aget_state(at)).values)
        known = {message.id for message in before}
        for message in _messages(found.values):
            if message.id not in known:
                for chunk in self._streaming.whole(message):
                    yield chunk

    async def ended(self, result: Callable[[Any], Any] | None, permitted: list[str]) -> Ended:
        """How it ended, by what the checkpointer has."""
        found = await self._graph.aget_state(self._thread)
        place = Place(self._place.thread, found.config["configurable"].get("checkpoint_id"))
        left = [*self._streaming.unfinished]
        if found.interrupts:
            waits = [asking.waits(one.id, one.value, one.response_schema) for one in found.interrupts]
            schemas = {one.id: one.response_schema for one in found.interrupts}
            calls = _calls(found.values)
            pending = [made for wait in waits for made in asking.pending(wait, schemas[wait.id], calls)]
            return Ended(State(place, waits, left, permitted), pending, unfinished=left)
        if found.next:
            names = list(found.next)
            asked = Pending("gate", BREAKPOINT, BREAKPOINT, input={"next": names}, message=f"Go on to {names[0]}?")
            return Ended(State(place, [], left, permitted, names), [asked], unfinished=left)
        return Ended(State(place), result=_result(found.values) if result is None else result(found.values))


def _asked_by_policy(waits: list[Waits]) -> list[str]:
    """The calls that the graph would have let pass, and a policy did not."""
    return [wait.value["tool_call_id"] for wait in waits if wait.shape == "call" and wait.value.get(POLICY)]


def _messages(values: Any) -> list[BaseMessage]:
    given: Any = cast("dict[str, Any]", values).get("messages") if isinstance(values, dict) else None
    found = cast("list[Any]", given) if isinstance(given, list) else []
    return [message for message in found if isinstance(message, BaseMessage)]


def _calls(values: Any) -> dict[str, tuple[str, Any]]:
    """The calls of the last response."""
    said = [message for message in _messages(values) if isinstance(message, AIMessage)]
    return {str(call["id"]): (call["name"], call["args"]) for call in (said[-1].tool_calls if said else [])}


def _result(values: Any) -> Any:
    said = [message for message in _messages(values) if isinstance(message, AIMessage)]
    if said:
        return said[-1].text[:RESULT_MAX]
    result = asking.plain(values)
    return result if len(msgspec.json.encode(result)) <= RESULT_MAX else None
