"""An agent of pydantic-ai as the agent of a turn: its deferred tools are our interrupts.

requires_approval, ApprovalRequired  ▶ approval       ToolApproved(override_args) | ToolDenied(message)
CallDeferred, an external tool       ▶ client tool    the device's output, or why there is none
a tool given to `add_agent`          ▶ our own call   its result: policy, approval and record are ours
CallDeferred(kind="question")        ▶ question       what was answered
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast, get_args

import msgspec
from pydantic import TypeAdapter
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied
from pydantic_ai.capabilities import ReinjectSystemPrompt
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ToolCallPart
from pydantic_ai.run import AgentRunResult, AgentRunResultEvent
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset
from pydantic_ai.ui.vercel_ai import VercelAIEventStream
from pydantic_ai.usage import RunUsage, UsageLimits
from pydantic_core import to_jsonable_python

from holdfast.agents.foreign.driving import Pieces, Stretch, drive
from holdfast.agents.foreign.pending import Answer, Asks, Ended, Pending, checked
from holdfast.agents.models import conversation
from holdfast.agents.outcomes import not_done
from holdfast.agents.pydantic_agents.recording import GOVERNED, Recording
from holdfast.runtime.deciding import Reply
from holdfast.runtime.results import Result
from holdfast.runtime.stepping import Final
from holdfast.runtime.turn import Turn

Deps = Callable[[Turn], Any]

RESULT_MAX = 50_000  # characters of a text that is also the turn's result; all of it is in the message
_USAGE: TypeAdapter[RunUsage] = TypeAdapter(RunUsage)


class PydanticAgent:
    """An agent for `App.add_agent`; made by `holdfast.agents.from_pydantic_ai`."""

    def __init__(self, agent: Agent[Any, Any], deps: Deps | None, asks: Asks, limits: UsageLimits | None) -> None:
        self.agent, self.deps, self.asks, self.limits = agent, deps, checked(asks), limits
        self.output = _output(agent.output_type)

    async def __call__(self, turn: Turn) -> Any:
        """Run the agent as this turn. Gives its output, in JSON values."""
        given = turn.deps if self.deps is None else self.deps(turn)
        deps = await given if inspect.isawaitable(given) else given
        return await drive(turn, self.agent.name or "agent", _Talk(self, turn, deps), self.asks, replays=True)


def _output(declared: Any) -> Any:
    """What a run may give. None: the agent names `DeferredToolRequests` itself, as it must where it has validators."""
    named = cast("list[Any]", declared) if isinstance(declared, list | tuple) else [declared, *get_args(declared)]
    return None if DeferredToolRequests in named else [declared, DeferredToolRequests]


class _Talk:
    """One turn of it."""

    def __init__(self, adapter: PydanticAgent, turn: Turn, deps: Any) -> None:
        self._adapter, self._turn, self._deps = adapter, turn, deps

    async def run(self, stretch: Stretch, states: list[Any], answers: list[Answer]) -> Pieces:
        recording, adapter = Recording(stretch), self._adapter
        usage = _USAGE.validate_python(states[-1]["usage"]) if states else RunUsage()
        running = adapter.agent.run_stream_events(
            None if answers else self._prompt(),
            output_type=adapter.output,
            message_history=self._history(states),
            deferred_tool_results=results_of(answers) if answers else None,
            deps=self._deps,
            instructions="\n".join(self._turn.notes) or None,
            usage=usage,
            usage_limits=adapter.limits,
            toolsets=self._toolsets(),
            capabilities=[recording, ReinjectSystemPrompt()],
        )
        watched = _Watched()
        async with running as events, aclosing(_chunks(watched.over(events))) as chunks:
            async for chunk in chunks:
                if chunk["type"] == "error" and watched.failure is not None:
                    raise watched.failure
                yield chunk
        assert watched.result is not None
        yield Final(_ended(watched.result, usage, recording.tools, self._turn.tools))

    def _prompt(self) -> Any:
        turn = self._turn
        return (conversation.asked(turn.message) if turn.message.parts else conversation.started(turn.input)).content

    def _history(self, states: Sequence[Any]) -> list[ModelMessage]:
        said = [ModelMessagesTypeAdapter.validate_python(state["messages"]) for state in states]
        return conversation.told(self._turn.history) + [message for messages in said for message in messages]

    def _toolsets(self) -> list[Any]:
        """The tools that are given to `add_agent`, as the framework sees them: somebody else makes the call."""
        offered = [
            ToolDefinition(
                name=tool.name, parameters_json_schema=tool.signature.input_schema, description=tool.description
            )
            for tool in self._turn.tools.values()
        ]
        return [ExternalToolset(offered)] if offered else []


class _Watched:
    """A run's events as they pass by, and how it ended."""

    def __init__(self) -> None:
        self.result: AgentRunResult[Any] | None = None
        self.failure: Exception | None = None

    async def over(self, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for event in events:
                if isinstance(event, AgentRunResultEvent):
                    self.result = cast("AgentRunResultEvent[Any]", event).result
                yield event
        except Exception as error:
            self.failure = error  # the stream of chunks would keep its text alone
            raise


async def _chunks(events: AsyncIterator[Any]) -> AsyncGenerator[dict[str, Any]]:
    """The AI SDK's chunks of a run. With its version 7: the default leaves approvals out."""
    stream: VercelAIEventStream[Any, Any] = VercelAIEventStream(None, sdk_version=7)
    async for chunk in stream.transform_stream(events):
        encoded = stream.encode_event(chunk)
        if not encoded.startswith("data: [DONE]"):
            yield msgspec.json.decode(encoded.removeprefix("data: "))


def _ended(
    result: AgentRunResult[Any], usage: RunUsage, tools: Mapping[str, ToolDefinition], ours: Collection[str]
) -> Ended:
    output = result.output
    if not isinstance(output, DeferredToolRequests):
        value = output[:RESULT_MAX] if isinstance(output, str) else to_jsonable_python(output)
        return Ended(result=value)
    said = ModelMessagesTypeAdapter.dump_python(result.new_messages(), mode="json")
    calls = (*output.approvals, *output.calls)
    pending = [_pending(one, output, tools.get(one.tool_name), one.tool_name in ours) for one in calls]
    return Ended({"messages": said, "usage": _USAGE.dump_python(usage, mode="json")}, pending)


def _pending(call: ToolCallPart, requests: DeferredToolRequests, tool: ToolDefinition | None, is_ours: bool) -> Pending:
    own_id, name, given = call.tool_call_id, call.tool_name, call.args_as_dict()
    described = tool.description if tool else None
    metadata = requests.metadata.get(own_id)
    match requests.kind(own_id):
        case "approval":
            gated, schema = metadata != GOVERNED, tool.parameters_json_schema if tool else None
            shown = metadata if gated else None
            return Pending("approval", own_id, name, given, described, schema, own_id, metadata=shown, gated=gated)
        case "question":
            words = str(given.get("question") or described or name)
            return Pending("question", own_id, name, given, words, call=own_id, options={"context": given})
        case _:
            kind = "tool" if is_ours else "client_tool"
            return Pending(kind, own_id, name, given, described, call=own_id, metadata=metadata)


def results_of(answers: Sequence[Answer]) -> DeferredToolResults:
    """What became of the deferred calls, in pydantic-ai's terms: all of them at once, as it wants."""
    results = DeferredToolResults()
    for answer in answers:
        pending, result = answer.pending, answer.result
        if pending.kind == "approval":
            results.approvals[pending.id] = _decision(result)
        else:
            results.calls[pending.id] = _words(pending, result)
        if result.decision is not None:
            results.answered_by[pending.id] = result.decision.by.id
    return results


def _decision(result: Result[Any]) -> ToolApproved | ToolDenied:
    if result.ok:
        return ToolApproved(override_args=result.input if result.edited else None)
    return ToolDenied(not_done(result))


def _words(pending: Pending, result: Result[Any]) -> Any:
    if result.ok and isinstance(result.returned, Reply):
        return result.returned.text or ", ".join(result.returned.selected)
    return conversation.outcome(pending.name, pending.id, result).content
