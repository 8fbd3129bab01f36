"""An agent of the OpenAI Agents SDK as the agent of a turn: what it needs approved are our interrupts.

needs_approval                  ▶ approval       RunState.approve | RunState.reject(rejection_message=…)
a tool given to `add_agent`     ▶ our own call   approved, and its result is what we recorded
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import msgspec
from agents import Agent, FunctionTool, Model, RunConfig, Runner, RunState
from agents.items import ToolApprovalItem
from agents.result import RunResultStreaming
from pydantic_core import to_jsonable_python

from holdfast.agents.foreign.driving import Pieces, Stretch, drive
from holdfast.agents.foreign.pending import Answer, Asks, Ended, Pending, checked
from holdfast.agents.openai_agents import conversation
from holdfast.agents.openai_agents.recording import (
    Noting,
    RecordedModel,
    RecordedProvider,
    arguments,
    is_gated,
    serving,
    wrap,
)
from holdfast.agents.openai_agents.streaming import Streaming
from holdfast.agents.outcomes import not_done
from holdfast.runtime.stepping import Final
from holdfast.runtime.turn import Turn

RESULT_MAX = 50_000  # characters of a text that is also the turn's result; all of it is in the message


class OpenAIAgent:
    """An agent for `App.add_agent`; made by `holdfast.agents.from_openai_agents`."""

    def __init__(
        self,
        agent: Agent[Any],
        context: Callable[[Turn], Any] | None,
        asks: Asks,
        max_turns: int,
        config: RunConfig | None,
    ) -> None:
        wrap(agent)
        self.agent, self.context, self.asks, self.max_turns = agent, context, checked(asks), max_turns
        config = config or RunConfig()
        model = RecordedModel(config.model) if isinstance(config.model, Model) else config.model
        self.config = replace(config, model=model, model_provider=RecordedProvider(config.model_provider))

    async def __call__(self, turn: Turn) -> Any:
        """Run the agent as this turn. Gives its final output, in JSON values."""
        given = turn.deps if self.context is None else self.context(turn)
        context = await given if inspect.isawaitable(given) else given
        return await drive(turn, self.agent.name, _Talk(self, turn, context), self.asks, replays=True)


class _Talk:
    """One turn of it."""

    def __init__(self, adapter: OpenAIAgent, turn: Turn, context: Any) -> None:
        self._adapter, self._turn, self._context = adapter, turn, context

    async def run(self, stretch: Stretch, states: list[Any], answers: list[Answer]) -> Pieces:
        adapter, given = self._adapter, {one.pending.id: one for one in answers}
        agent = self._with_ours(given)
        token = serving.set(stretch)  # the run's tasks are begun with it
        try:
            running = Runner.run_streamed(
                agent,
                await self._resumed(agent, states[-1], given) if states else self._asked(),
                context=None if states else self._context,
                max_turns=adapter.max_turns,
                hooks=Noting(stretch),
                run_config=adapter.config,
            )
        finally:
            serving.reset(token)
        streaming = Streaming()
        async with aclosing(_events(running)) as events:
            async for event in events:
                for chunk in streaming.chunks(event):
                    yield chunk
        yield Final(self._ended(running))

    def _asked(self) -> list[Any]:
        turn = self._turn
        said = conversation.asked(turn.message) if turn.message.parts else conversation.started(turn.input)
        notes = [{"role": "system", "content": "\n".join(turn.notes)}] if turn.notes else []
        return [*conversation.told(turn.history), *notes, said]

    async def _resumed(self, agent: Agent[Any], kept: Any, given: Mapping[str, Answer]) -> RunState[Any, Any]:
        state = await RunState.from_json(agent, kept, context_override=self._context)
        for item in state.get_interruptions():
            answer = given[item.call_id or ""]
            if answer.pending.kind == "tool" or answer.result.ok:
                state.approve(item)  # of a tool of ours: it gives what became of it
            else:
                state.reject(item, rejection_message=not_done(answer.result))
        return state

    def _ended(self, running: RunResultStreaming) -> Ended:
        if not running.interruptions:
            output = running.final_output
            return Ended(result=output[:RESULT_MAX] if isinstance(output, str) else to_jsonable_python(output))
        state = running.to_state().to_json(context_serializer=lambda _: {})
        return Ended(state, [self._pending(item) for item in running.interruptions])

    def _pending(self, item: ToolApprovalItem) -> Pending:
        name, call, given = item.name or "", item.call_id or "", arguments(item.arguments)
        tool = next((one for one in item.agent.tools if isinstance(one, FunctionTool) and one.name == name), None)
        if name in self._turn.tools:
            return Pending("tool", call, name, given, call=call)
        gated = tool is None or is_gated(tool)
        described = tool.description if tool else None
        return Pending("approval", call, name, given, described, call=call, editable=False, gated=gated)

    # The tools that are given to `add_agent`.

    def _with_ours(self, given: Mapping[str, Answer]) -> Agent[Any]:
        """The agent with our tools beside its own: it stops for each call of one, and is given what that gave."""
        if not self._turn.tools:
            return self._adapter.agent

        async def result(context: Any, _: str) -> Any:
            became = given[context.tool_call_id].result
            return _words(became.returned) if became.ok else not_done(became)

        ours = [
            FunctionTool(
                name=tool.name,
                description=tool.description or "",
                params_json_schema=tool.signature.input_schema,
                on_invoke_tool=result,
                strict_json_schema=False,
                needs_approval=True,
            )
            for tool in self._turn.tools.values()
        ]
        return self._adapter.agent.clone(tools=[*self._adapter.agent.tools, *ours])


async def _events(running: RunResultStreaming) -> AsyncGenerator[Any]:
    """The run's events. Who leaves them ends the run."""
    try:
        async for event in running.stream_events():
            yield event
    finally:
        if not running.is_complete:
            running.cancel()


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(msgspec.to_builtins(value, enc_hook=str))
