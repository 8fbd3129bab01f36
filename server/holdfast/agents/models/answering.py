"""One response of a model: streamed to everybody, and kept as it came, so that it is never asked for twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import msgspec
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import ModelAPIError, UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from holdfast.agents.models import retrying
from holdfast.agents.models.conversation import ids_used, tell_apart
from holdfast.agents.models.spending import Spending, Usage
from holdfast.agents.models.streaming import Streaming
from holdfast.core import ids
from holdfast.core.errors import BadInput
from holdfast.runtime.stepping import Final
from holdfast.runtime.tools import Tool
from holdfast.runtime.turn import Turn

ERROR_MAX = 1_000  # characters of what is wrong with a call's arguments


class Proposed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool call that the model wants. With an `error` it cannot be made, and the model is told why."""

    name: str
    #: As the provider knows it, or ours in its place where that was used before.
    call: str
    input: dict[str, Any] = {}
    error: str | None = None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is recorded of a response."""

    #: The provider's message as pydantic-ai keeps it, with signatures and ids.
    response: dict[str, Any]
    usage: Usage = Usage()
    calls: list[Proposed] = []

    @property
    def message(self) -> ModelResponse:
        return cast("ModelResponse", ModelMessagesTypeAdapter.validate_python([self.response])[0])


class Question(msgspec.Struct, frozen=True):
    """What a model is asked, and by which rules."""

    model: Model
    messages: list[ModelMessage]
    parameters: ModelRequestParameters
    settings: ModelSettings
    retries: int
    #: The tool by which the model gives the turn's result; it is no tool of the agent's.
    result: str | None = None


async def stream(turn: Turn, question: Question, spending: Spending) -> AsyncIterator[dict[str, Any] | Final[Any]]:
    """The chunks of a response, and at last the Answer. A failure that may pass is waited for, and asked again.

    Raises:
        ModelFailed: the provider failed for good, or too often.
    """
    name = f"response-{len(question.messages)}"
    yield {"type": "start-step"}
    for attempts in range(1, question.retries + 2):
        streaming, shown = Streaming(name, lambda tool, nth: _shown_id(turn, tool, nth), question.result), False
        try:
            async with model_request_stream(
                question.model,
                question.messages,
                model_settings=question.settings,
                model_request_parameters=question.parameters,
            ) as events:
                async for event in events:
                    for chunk in streaming.chunks(event):
                        shown = True
                        yield chunk
                response = events.get()
            break
        except (ModelAPIError, UnexpectedModelBehavior) as error:
            if shown:
                yield {"type": "reset-step"}
            await retrying.pause(error, attempts, question.retries)
    else:
        raise AssertionError  # the last attempt's pause raises
    answer = _answer(turn, question, response, streaming.calls)
    for chunk in _refusals(answer.calls, streaming.calls):
        yield chunk
    metadata = spending.shown(answer.usage, response.model_name or question.model.model_name)
    yield {"type": "message-metadata", "messageMetadata": metadata}
    yield {"type": "finish-step"}
    yield Final(answer)


def _answer(turn: Turn, question: Question, response: ModelResponse, shown: Mapping[int, str]) -> Answer:
    own_ids = [shown.get(index, "") for index in range(len(response.parts))]
    tell_apart(response, ids_used(question.messages), own_ids)
    parts = [part for part in response.parts if isinstance(part, ToolCallPart)]
    calls = [proposed(part, turn.tools, question.result) for part in parts]
    kept = ModelMessagesTypeAdapter.dump_python([response], mode="json")[0]
    usage = response.usage
    spent = Usage(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
    return Answer(kept, spent, calls)


def proposed(part: ToolCallPart, tools: Mapping[str, Tool[..., Any]], result: str | None) -> Proposed:
    """A call, checked: its arguments against the tool's schema, before anybody is asked about it."""
    name, call = part.tool_name, part.tool_call_id
    if name not in tools and name != result:
        known = ", ".join(sorted(tools)) or "none"
        return Proposed(name, call, error=f"There is no tool {name!r}. The tools are: {known}.")
    try:
        given: Any = json.loads(part.args or "{}") if isinstance(part.args, str | None) else part.args
    except ValueError as error:
        return Proposed(name, call, error=f"The arguments are no JSON: {error}.")
    if not isinstance(given, dict):
        return Proposed(name, call, error="The arguments are no JSON object.")
    values = cast("dict[str, Any]", given)
    try:
        return Proposed(name, call, values if name == result else tools[name].signature.check(values))
    except BadInput as error:
        return Proposed(name, call, values, f"The arguments do not fit: {error.message[:ERROR_MAX]}.")


def _refusals(calls: list[Proposed], shown: Mapping[int, str]) -> list[dict[str, Any]]:
    """Calls that cannot be made are shown as such: no operation will say what became of them."""
    return [
        {
            "type": "tool-input-error",
            "toolCallId": call_id,
            "toolName": call.name,
            "input": call.input,
            "errorText": call.error,
        }
        for call, call_id in zip(calls, shown.values(), strict=True)
        if call.error is not None
    ]


def _shown_id(turn: Turn, tool: str, nth: int) -> str:
    """The id of a call before it is made; of one that cannot be made, just an id."""
    known = turn.tools.get(tool)
    if known is None:
        return ids.call_id(turn.id, f"unknown:{tool}:{nth}")
    return turn.next_call_id(known, nth)
