"""What a run of the SDK does that must not be done twice: each response of the model, and each tool's effect.

The agents are wrapped where they are, once: their function tools, and models that are given as objects; models that are
given by name come through the provider. The wrapping knows by a context variable whose segment it serves. Outside of
one, an agent does what it did before.

    model response   kept: a segment that is done again hears the same, and so makes the same calls under the same ids
    function tool    begun and ended in the record, as our own tools are
    agent as a tool  what it does is recorded, in the same way
    any other tool   begun in the record: after a crash an operator is asked before the segment is done again
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any, cast

from agents import Agent, FunctionTool, Handoff, Model, ModelProvider, RunHooks, Tool
from agents.items import ModelResponse
from agents.tool_context import ToolContext
from agents.usage import Usage
from openai.types.responses import Response, ResponseCompletedEvent
from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json, to_jsonable_python
from typing_extensions import override

from holdfast.agents.foreign.driving import Stretch

serving: ContextVar[Stretch | None] = ContextVar("serving", default=None)
#: Inside of which call of another agent, so that agents that run side by side are told apart.
_inside: ContextVar[str] = ContextVar("inside", default="")

#: A field that is set to nothing is another thing to the SDK than one that is not there.
_AS_IT_CAME: Any = {"mode": "json", "by_alias": True, "exclude_unset": True}
_USAGE: TypeAdapter[Usage] = TypeAdapter(Usage)


def wrap(agent: Agent[Any], known: set[int] | None = None) -> None:
    """Wrap an agent's tools and model in place, and those of all to which it can hand over. Twice is once."""
    known = set() if known is None else known
    if id(agent) in known:
        return
    known.add(id(agent))
    agent.tools = [_wrapped(one, known) for one in agent.tools]
    if isinstance(agent.model, Model) and not isinstance(agent.model, RecordedModel):
        agent.model = RecordedModel(agent.model)
    for other in agent.handoffs:
        target = other if isinstance(other, Agent) else _target(other)
        if target is not None:
            wrap(target, known)


def _target(handoff: Handoff[Any, Any]) -> Agent[Any] | None:
    """Whom it hands over to, as far as it says so before it does."""
    reference = getattr(handoff, "_agent_ref", None)
    target = None if reference is None else reference()
    return cast("Agent[Any]", target) if isinstance(target, Agent) else None


def _response(**fields: Any) -> Response:
    """As the provider's package reads it from the wire: it takes what other providers leave out, or say besides."""
    return Response.construct(**fields)


def _model() -> str:
    return f"model{_inside.get()}"


class RecordedModel(Model):
    """A model whose responses are kept."""

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    @override
    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        stretch = serving.get()
        if stretch is None:
            return await self.inner.get_response(*args, **kwargs)

        async def ask() -> Any:
            response = await self.inner.get_response(*args, **kwargs)
            said = [item.model_dump(**_AS_IT_CAME) for item in response.output]
            return {
                "output": said,
                "id": response.response_id,
                "usage": _USAGE.dump_python(response.usage, mode="json"),
            }

        kept = await stretch.step(_model(), ask)
        return ModelResponse(_response(output=kept["output"]).output, _USAGE.validate_python(kept["usage"]), kept["id"])

    @override
    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        stretch = serving.get()
        kept = None if stretch is None else stretch.slot(_model())
        if kept is not None and kept.full:
            completed = {"response": _response(**kept.value), "sequence_number": 0, "type": "response.completed"}
            yield ResponseCompletedEvent.construct(**cast("Any", completed))
            return
        async for event in self.inner.stream_response(*args, **kwargs):
            if kept is not None and isinstance(event, ResponseCompletedEvent):
                await kept.keep(event.response.model_dump(**_AS_IT_CAME))
            yield event

    @override
    def get_retry_advice(self, request: Any) -> Any:
        return self.inner.get_retry_advice(request)

    @override
    async def close(self) -> None:
        await self.inner.close()


class RecordedProvider(ModelProvider):
    """Models by name, recorded."""

    def __init__(self, inner: ModelProvider) -> None:
        self._inner = inner

    @override
    def get_model(self, model_name: str | None) -> Model:
        model = self._inner.get_model(model_name)
        return model if isinstance(model, RecordedModel) else RecordedModel(model)

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


class Noting(RunHooks[Any]):
    """Notes the start of tools that cannot be recorded by themselves: shells, computers, those of MCP servers."""

    def __init__(self, stretch: Stretch) -> None:
        self._stretch = stretch

    @override
    async def on_tool_start(self, context: Any, agent: Any, tool: Tool) -> None:
        if isinstance(tool, FunctionTool) and isinstance(tool.on_invoke_tool, _Recorded | _Agent):
            return
        call = context.tool_call_id if isinstance(context, ToolContext) else ""
        given: Any = arguments(context.tool_arguments) if isinstance(context, ToolContext) else {}
        await self._stretch.begins(tool.name, call, given)


class _Recorded:
    """The body of a function tool, recorded."""

    def __init__(self, name: str, inner: Callable[[Any, str], Awaitable[Any]]) -> None:
        self._name, self._inner = name, inner

    async def __call__(self, context: ToolContext[Any], given: str) -> Any:
        stretch = serving.get()
        if stretch is None:
            return await self._inner(context, given)

        async def run() -> Any:
            token = serving.set(None)  # what runs inside is part of this effect
            try:
                return _kept(await self._inner(context, given))
            finally:
                serving.reset(token)

        return await stretch.effect(self._name, context.tool_call_id, arguments(given), run)


class _Agent:
    """Another agent as a tool: what it does is recorded, not that it ran. It may stop for a human, and go on."""

    def __init__(self, inner: Callable[[Any, str], Awaitable[Any]]) -> None:
        self._inner = inner

    async def __call__(self, context: ToolContext[Any], given: str) -> Any:
        token = _inside.set(f"{_inside.get()}.{context.tool_call_id}")
        try:
            return await self._inner(context, given)
        finally:
            _inside.reset(token)


def _wrapped(tool: Tool, known: set[int]) -> Tool:
    if not isinstance(tool, FunctionTool) or isinstance(tool.on_invoke_tool, _Recorded | _Agent):
        return tool
    if getattr(tool, "_is_agent_tool", False):
        wrap(cast("Agent[Any]", getattr(tool, "_agent_instance")), known)  # noqa: B009 - private to the SDK
        tool.on_invoke_tool = cast("Any", _Agent(tool.on_invoke_tool))
        return tool
    tool.on_invoke_tool = cast("Any", _Recorded(tool.name, tool.on_invoke_tool))
    if tool.needs_approval is not True:
        tool.needs_approval = _Governed(tool.name, tool.needs_approval)
    return tool


class _Governed:
    """Whether a call must be approved: as its author says, or because a policy has a word to say about it."""

    def __init__(self, name: str, asked: bool | Callable[..., Awaitable[bool]]) -> None:
        self._name, self.asked = name, asked

    async def __call__(self, context: Any, given: dict[str, Any], call: str) -> bool:
        if not isinstance(self.asked, bool) and await self.asked(context, given, call):
            return True
        stretch = serving.get()
        return stretch is not None and await stretch.governed(self._name, call, given)


def is_gated(tool: FunctionTool) -> bool:
    """Whether its author may want a human."""
    return not isinstance(tool.needs_approval, _Governed) or tool.needs_approval.asked is not False


def arguments(given: str | None) -> Any:
    """A call's arguments, as an object, whatever the model made of them."""
    try:
        values = from_json(given or "{}")
    except ValueError:
        values = given
    return cast("Any", values) if isinstance(values, dict) else {"arguments": values}


def _kept(value: Any) -> Any:
    """What a tool gave, in JSON values: what the SDK would make a text of, as that text."""
    if value is None or isinstance(value, str | int | float | bool | list | dict):
        return to_jsonable_python(value, fallback=str)
    if isinstance(value, BaseModel) and value.__class__.__module__.startswith("agents."):
        return value.model_dump(mode="json")  # an image, a file
    return str(value)
