"""What a run of pydantic-ai does that must not be done twice: each response of the model, and each tool's effect.

model request   kept: a segment that is done again hears the same, and so makes the same calls under the same ids
tool            begun and ended in the record, as our own tools are; how it ended may be one of pydantic-ai's signals
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    ModelRetry,
    ToolFailed,
    ToolFailedError,
    ToolRetryError,
)
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse, ToolCallPart, ToolReturn
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_core import to_json, to_jsonable_python
from typing_extensions import override

from holdfast.agents.foreign.driving import Stretch

#: Of a call for which only our policies want the run to stop.
GOVERNED = {"holdfast": "governed"}
_TOOL_RETURN: TypeAdapter[ToolReturn[Any]] = TypeAdapter(ToolReturn)


class Recording(AbstractCapability[Any]):
    """A capability of one run: it records through the stretch, and notes what the tools look like."""

    def __init__(self, stretch: Stretch) -> None:
        self._stretch = stretch
        #: By name, as they were offered to the model last.
        self.tools: dict[str, ToolDefinition] = {}

    @override
    async def prepare_tools(self, ctx: RunContext[Any], tool_defs: list[ToolDefinition]) -> list[ToolDefinition]:
        self.tools = {one.name: one for one in tool_defs}
        return tool_defs

    @override
    async def wrap_model_request(
        self, ctx: RunContext[Any], *, request_context: Any, handler: Callable[[Any], Awaitable[ModelResponse]]
    ) -> ModelResponse:
        async def ask() -> Any:
            return ModelMessagesTypeAdapter.dump_python([await handler(request_context)], mode="json")

        kept = await self._stretch.step("model", ask)
        return cast("ModelResponse", ModelMessagesTypeAdapter.validate_python(kept)[0])

    @override
    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: Callable[[dict[str, Any]], Awaitable[Any]],
    ) -> Any:
        shown = to_jsonable_python(args, fallback=lambda value: type(value).__name__)
        kept = await self._stretch.effect(
            call.tool_name,
            call.tool_call_id,
            shown,
            lambda: _ended(handler(args)),
            ungoverned=None if ctx.tool_call_approved else _stop,
        )
        return _revived(kept)


def _stop() -> None:
    raise ApprovalRequired(metadata=dict(GOVERNED))


async def _ended(running: Awaitable[Any]) -> dict[str, Any]:
    """How it ended, in JSON values. What is no signal of pydantic-ai's is raised."""
    try:
        value = await running
    except ModelRetry as retry:
        return {"retry": retry.message}
    except ToolRetryError as retry:
        return {"retry": _text(retry.tool_retry.content)}
    except ToolFailedError as failed:
        return {"failed": _text(failed.tool_failed.content)}
    except ToolFailed as failed:
        return {"failed": failed.message}
    except ApprovalRequired as asks:
        return {"approval": to_jsonable_python(asks.metadata, fallback=str)}
    except CallDeferred as asks:
        return {"deferred": to_jsonable_python(asks.metadata, fallback=str), "kind": asks.kind}
    returned = cast("ToolReturn[Any]", value) if isinstance(value, ToolReturn) else ToolReturn(value)
    kept = _TOOL_RETURN.dump_python(returned, mode="json", fallback=str)
    return {"returned": kept, "whole": isinstance(value, ToolReturn)}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else to_json(content, fallback=str).decode()


def _revived(kept: dict[str, Any]) -> Any:
    match kept:
        case {"retry": message}:
            raise ModelRetry(message)
        case {"failed": message}:
            raise ToolFailed(message)
        case {"approval": metadata}:
            raise ApprovalRequired(metadata)
        case {"deferred": metadata, "kind": kind}:
            raise CallDeferred(metadata, kind=kind)
        case {"returned": returned, "whole": whole}:
            revived = _TOOL_RETURN.validate_python(returned)
            return revived if whole else revived.return_value
        case _:  # an operator's word for what it gave
            return kept
