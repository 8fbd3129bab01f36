"""Graphs of LangGraph, with a model that follows a few rules, and a checkpointer in a file: FOLDER/graphs.db.

The model does what the last message says: "refund A-17 200" calls a tool that wants approval, "look A-17" one that does
not, "both A-17 200" both; "count" says how much was said; what tools gave it repeats. "slow" waits, in the middle of a
word, until FOLDER/go is there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, wrap_tool_call
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt
from pydantic import BaseModel
from tests.waiting import wait_until
from typing_extensions import TypedDict

from holdfast import App, Result, Turn
from holdfast.agents import from_langgraph
from holdfast.agents.foreign.pending import AskRules
from holdfast.agents.langgraph import once

ARGUMENTS = {"refund": ("order", "amount"), "look": ("order",)}


class RuledModel(BaseChatModel):
    folder: str

    @property
    def _llm_type(self) -> str:
        return "rules"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        whole = AIMessageChunk("")
        for piece in self._pieces(messages):
            whole += piece
        return ChatResult(generations=[ChatGeneration(message=AIMessage(whole.content, tool_calls=whole.tool_calls))])

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        happened(self.folder, "model")
        for piece in self._pieces(messages):
            yield ChatGenerationChunk(message=piece)
            if messages[-1].text == "slow" or "SLOW" in piece.text:
                await until(Path(self.folder, "go"))

    def _pieces(self, messages: list[BaseMessage]) -> Iterator[AIMessageChunk]:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            results = messages[last_call(messages) + 1 :]
            yield AIMessageChunk(" ".join(f"{message.name}: {message.text}." for message in results))
            return
        verb, *given = last.text.split()
        if verb == "count":
            yield AIMessageChunk(f"{sum(isinstance(one, HumanMessage) for one in messages)} things were said.")
            return
        yield AIMessageChunk("Let me s")
        yield AIMessageChunk("ee.")
        names = {"refund": ["refund"], "look": ["look"], "both": ["look", "refund"]}.get(verb, [])
        for index, name in enumerate(names):
            args = json.dumps(dict(zip(ARGUMENTS[name], given, strict=False)))
            of = {"index": index, "type": "tool_call_chunk"}
            first = {"name": name, "args": args[:5], "id": f"call-{name}-{len(messages)}", **of}
            yield AIMessageChunk("", tool_call_chunks=[first])  # type: ignore[list-item]
            yield AIMessageChunk("", tool_call_chunks=[{"name": None, "args": args[5:], "id": None, **of}])  # type: ignore[list-item]


def last_call(messages: list[BaseMessage]) -> int:
    return max(index for index, message in enumerate(messages) if isinstance(message, AIMessage))


def happened(folder: str | Path, what: str) -> None:
    with Path(folder, "effects").open("a") as file:
        file.write(f"{what}\n")


async def until(path: Path) -> None:
    async def is_there() -> bool:
        return await asyncio.to_thread(path.exists)

    await wait_until(is_there, f"{path} is there", timeout=30)


def assistant(folder: Path, saver: Any, mode: Any, *, guarded: bool = True, recorded: bool = True) -> Any:
    @tool
    async def refund(order: str, amount: float) -> str:
        """Refund an order."""
        happened(folder, f"refund {order} {amount:g}")
        if order == "DIE":
            await asyncio.Event().wait()
        return f"{amount:g} for {order}"

    @tool
    async def look(order: str) -> dict[str, Any]:
        """Look up an order."""
        happened(folder, f"look {order}")
        return {"order": order}

    rules = {"refund": {"allowed_decisions": ["approve", "edit", "reject"]}} if guarded else {}
    return create_agent(
        RuledModel(folder=str(folder)),
        [refund, look],
        middleware=[
            HumanInTheLoopMiddleware(rules, interrupt_mode=mode),
            *([wrap_tool_call(once)] if recorded else []),
        ],
        checkpointer=saver,
    )


class Address(BaseModel):
    street: str
    number: int


def add(before: list[Any] | None, after: list[Any]) -> list[Any]:
    return [*(before or []), after]


class Values(TypedDict, total=False):
    said: Annotated[list[Any], add]


def questions(saver: Any) -> Any:
    """One node that asks everything at once, and again; it gives what it was answered."""

    def ask(name: str, value: Any, schema: Any = None) -> Any:
        def node(_: Values) -> Values:
            return {"said": [name, interrupt(value, response_schema=schema)]}

        return node

    graph = StateGraph(Values)
    for name, value, schema in (
        ("bare", "What name?", None),
        ("gate", {"message": "Sure?", "amount": 7}, None),
        ("form", {"question": "Where?"}, Address),
    ):
        graph.add_node(name, ask(name, value, schema))
        graph.add_edge(START, name)
    return graph.compile(checkpointer=saver)


class Trip(BaseModel):
    to: str


def travels(saver: Any) -> Any:
    """Stops before its second node, whose tool asks in the middle, for what no form can have."""

    @tool
    async def book(to: str) -> str:
        """Book a trip."""
        return f"{to}, {interrupt(Trip(to=to))}"

    async def plan(state: MessagesState) -> MessagesState:
        write = get_stream_writer()
        write({"type": "data-plan", "id": "plan", "data": {"step": 1}})
        write({"trip": Trip(to="Bern")})
        call = {"name": "book", "args": {"to": "Bern"}, "id": "call-book"}
        return {"messages": [AIMessage("I plan.", tool_calls=[call])]}

    graph = StateGraph(MessagesState).add_node("plan", plan).add_node("tools", ToolNode([book], awrap_tool_call=once))
    graph.add_edge(START, "plan").add_edge("plan", "tools")
    return graph.compile(checkpointer=saver, interrupt_before=["tools"])


def resumed(value: Any, result: Result[Any]) -> Any:
    return {"class": "first" if result.ok else "second", "to": value["to"]}


def app_in(folder: Path, policy: Any = None) -> App:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
        async with AsyncSqliteSaver.from_conn_string(str(folder / "graphs.db")) as saver:
            yield {
                "batched": assistant(folder, saver, "batched"),
                "per_call": assistant(folder, saver, "per_call"),
                "free": assistant(folder, saver, "batched", guarded=False),
                "plain": assistant(folder, saver, "batched", recorded=False),
                "questions": questions(saver),
                "travels": travels(saver),
            }

    app = App(lifespan=lifespan, policy=policy)
    for name in ("batched", "per_call", "free", "plain", "questions"):
        graph, asks = graph_of(name), {"refund": AskRules(expires="7 days")}
        app.add_agent(name, from_langgraph(graph, asks=asks, repeatable=name != "plain"))
    app.add_agent("travels", from_langgraph(graph_of("travels"), resume=resumed, repeatable=True))
    return app


def graph_of(name: str) -> Any:
    def graph(turn: Turn) -> Any:
        return turn.deps[name]

    return graph
