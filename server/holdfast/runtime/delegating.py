"""Delegating: an agent has another one do something, as one operation of its turn.

    no record ──judge──▶ asking ──the agent's function──▶ done
                            ▲              │
                            └── waits, or its worker dies: run again from the top, over what is recorded

The operations of the agent that was called stand in the same turn, under keys that begin with the call's. So what they
ask is asked in the same session, a cancel of the turn reaches them, and nothing is done twice: see
docs/design/child-agents.md.
"""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from holdfast.core.errors import HoldfastError, ReplayDiverged, Unavailable
from holdfast.core.events import ChunkWritten
from holdfast.core.messages import Message, said_by
from holdfast.core.operations import Failure, Operation
from holdfast.runtime.agent_tools import AgentTool, Running
from holdfast.runtime.calling import FAILURE_MAX, ToolCall
from holdfast.runtime.execution import Execution, Runs, drop
from holdfast.runtime.history import Past
from holdfast.runtime.journal import Journal
from holdfast.runtime.results import Result
from holdfast.store.manifests import natural

DEPTH_MAX = 5  # agents inside each other; deeper is mostly an agent that calls itself for ever
#: What an agent's steps are in a message that is another's: the whole of it is one step there.
_ITS_OWN = ("start", "start-step", "finish-step", "reset-step", "message-metadata", "finish", "error", "abort")


class Child(Execution):
    """The execution of an agent that another one called: in the same turn, with operations and a past of its own."""

    def __init__(self, parent: Execution, tool: AgentTool[..., Any], operation: Operation) -> None:
        journal = Journal(parent.journal.recorded, operation.key)
        message, self._input = tool.told(operation.input)
        past = _past(parent, message, history=tool.history)
        super().__init__(parent.environment, parent.session, parent.writer, journal, past, parent.reins)
        self._name = tool.agent
        self.changed, self.branches = parent.changed, parent.branches
        self.tools = parent.tools
        self.depth = parent.depth + 1
        self.aloud = parent.aloud and tool.aloud
        self._parent = parent
        self._closed = False
        self._over = asyncio.Event()
        self._failure: HoldfastError | None = None

    @property
    def agent(self) -> str:
        return self._name

    @property
    def called(self) -> str | None:
        return self._name

    @property
    def input(self) -> Any:
        return self._input

    @property
    def sealed(self) -> bool:
        return self._closed or self._parent.sealed

    async def run(self, function: Running) -> tuple[Any, Failure | None]:
        """Run it to its end: what it gave, or why not. Where it waits, this waits with it, until all is dropped."""
        running = self.start(lambda: function(self))
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            if not running.done():
                self._closed = True
                await drop(running)
        await self.end_text()
        return await self._outcome(running)

    async def _outcome(self, running: asyncio.Task[Any]) -> tuple[Any, Failure | None]:
        if self._failure is not None:
            return None, Failure(self._failure.code, self._failure.message)
        if self.output is not None:
            return self.output[0], None
        if running.cancelled():
            return None, Failure("CancelledError", "by itself")
        if (error := running.exception()) is not None:
            self.log.error("agent failed", called=self._name, exc_info=error)
            return None, Failure(type(error).__name__, str(error)[:FAILURE_MAX])
        try:
            self.journal.end()
        except ReplayDiverged as diverged:
            await self.give_up(diverged)
        return running.result(), None

    # How it ends otherwise: alone, or with its turn.

    async def end_with(self, value: Any) -> Any:
        """It ends here, with this; the agent that called it goes on. Never returns."""
        self.output = (value,)
        self._over.set()
        await self.halt()

    async def give_up(self, error: Exception) -> Any:
        """What only the worker can deal with is the turn's; another error is the agent's own. Never returns."""
        if not isinstance(error, HoldfastError) or isinstance(error, Unavailable | ReplayDiverged):
            return await super().give_up(error)
        self._failure = self._failure or error
        self._over.set()
        return await self.halt()

    # What it shows, in the message of the agent that called it.

    async def emit(self, chunk: dict[str, Any], op: str | None) -> None:
        if chunk.get("type") not in _ITS_OWN:
            await super().emit(chunk, op)

    def chunk_event(self, chunk: dict[str, Any], op: str | None = None) -> ChunkWritten:
        return super().chunk_event(self._marked(chunk), op)

    def _marked(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """With whose it is. Ids that are counted anew in each agent are told apart by where they come from."""
        kind, chunk = str(chunk.get("type")), dict(chunk)
        if kind.startswith(("text-", "reasoning-")):
            chunk["id"] = f"{self.journal.scope}{chunk.get('id')}"
            if not self.aloud:
                chunk["type"] = f"reasoning-{kind.partition('-')[2]}"
        if "sourceId" in chunk:
            chunk["sourceId"] = f"{self.journal.scope}{chunk['sourceId']}"
        if not kind.startswith(("data-", "tool-output-", "tool-approval-")) and not kind.endswith("-delta"):
            chunk["providerMetadata"] = {**(chunk.get("providerMetadata") or {}), **said_by(self._name)}
        return chunk


class AgentCall(ToolCall):
    """One call of an agent."""

    def __init__(self, x: Execution, tool: AgentTool[..., Any], key: str, place: int, call: str | None = None) -> None:
        super().__init__(x, tool, key, place, call)
        self._agent = tool

    async def _first(self, operation: Operation) -> Result[Any]:
        reason = self._impossible()
        if reason is None:
            return await super()._first(operation)
        failed = replace(operation, status="done", outcome="failed", reason=reason)
        await self._commit("record", failed, [*self._shown(operation.input), self._output(failed)])
        return self._recorded(failed)

    def _impossible(self) -> str | None:
        """Why nobody can do it."""
        if self.x.depth >= DEPTH_MAX:
            return f"Agents call each other at most {DEPTH_MAX} deep, and {self.x.agent} is called that deep already."
        if self._agent.runs is None and self._newest() is None:
            names = sorted({agent.name for agent in self.x.environment.agents.values()})
            return f"There is no agent {self._agent.agent!r} in this app. The agents are: {', '.join(names)}."
        return None

    async def _execute(self, operation: Operation, *, ungated: bool = False) -> Result[Any]:
        if operation.status != "asking":
            with self.x.branches.effect():
                begun = replace(operation, status="asking", attempts=operation.attempts + 1, agent=self._version())
                overtaken = await self._begin(operation, begun, ungated=ungated)
            if overtaken is not None:
                return await self._overtaken(operation, overtaken)
            operation = begun
            self.x.environment.executed(self.tool.name, operation.input)
        function = self._function(operation)  # not an effect: the worker may let go while it runs
        value, failure = await Child(self.x, self._agent, operation).run(function)
        if failure is None:
            value, failure = self._kept(value)
        ended = self._ended(operation, value, failure)
        await self._commit("record", ended, [self._output(ended)])
        return self._recorded(ended)

    def _newest(self) -> Runs | None:
        agents = [one for one in self.x.environment.agents.values() if one.name == self._agent.agent]
        return max(agents, key=lambda one: natural(one.version), default=None)

    def _version(self) -> str:
        newest = self._newest()
        return self._agent.agent if self._agent.runs or newest is None else f"{newest.name}@{newest.version}"

    def _function(self, operation: Operation) -> Running:
        if self._agent.runs is not None:
            return self._agent.runs
        agent = self.x.environment.agents.get(operation.agent or "")
        if agent is None:
            raise ReplayDiverged(f"{self.key} was begun by {operation.agent}, which this worker does not have.")
        return agent.run


def _past(parent: Execution, message: str | None, *, history: bool) -> Past:
    cause = None if message is None else Message("", "user", [{"type": "text", "text": message}])
    return Past(parent.past.messages if history else [], cause)
