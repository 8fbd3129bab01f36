"""The agent itself: ask the model, make the calls that it wants, tell it what they gave, until it has said enough.

Each response is one recorded operation and each tool call another: what is run again after a wait, a week or a crash
finds them all, and asks only for what is missing.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Self, cast

import msgspec
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import InstructionPart, ModelMessage, ModelRequest, ModelRequestPart
from pydantic_ai.models import Model, ModelRequestParameters, infer_model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from holdfast.agents.models import answering, condensing, conversation
from holdfast.agents.models.answering import Answer, Proposed, Question
from holdfast.agents.models.condensing import Condensed
from holdfast.agents.models.results import Given, OutputType
from holdfast.agents.models.spending import Limits, Prices, Spending
from holdfast.core.errors import Unusable
from holdfast.runtime.execution import Asked
from holdfast.runtime.results import Result
from holdfast.runtime.tools import Tool
from holdfast.runtime.turn import Turn

Instructions = str | Callable[[Turn], str | Awaitable[str]]
RESULT_MAX = 50_000  # characters of the text that is also the turn's result; all of it is in the message


class ModelAgent:
    """An agent for `App.add_agent`; made by `holdfast.agents.llm`."""

    def __init__(
        self,
        model: Any,
        *,
        instructions: Instructions | None,
        output: Any,
        max_turns: int,
        max_tokens: int | None,
        budget: float | None,
        prices: Prices | None,
        condense_above: int | None,
        retries: int,
        settings: dict[str, Any] | None,
    ) -> None:
        self.model = _model(model)
        self.instructions = instructions
        self.output = None if output is None else OutputType(output)
        self.limits = Limits(max_turns, max_tokens, budget, prices)
        self.retries, self.condense_above = retries, condense_above
        # The provider's client would retry unseen, under what we retry ourselves.
        self.settings = cast("ModelSettings", {"max_retries": 0} | (settings or {}))

    async def __aenter__(self) -> Self:
        """Entered by its worker. What the model holds open, ends with that: connections to its provider."""
        await self.model.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self.model.__aexit__(*raised)

    async def __call__(self, turn: Turn) -> Any:
        """Answer what caused the turn. Gives the value of the output type, or the text that the model ended with."""
        return await _Talk(self, turn).run()


class _Talk:
    """One turn of it."""

    def __init__(self, agent: ModelAgent, turn: Turn) -> None:
        self._agent, self._turn = agent, turn
        self._spending = Spending(turn, agent.limits)
        self._messages: list[ModelMessage] = []
        self._instructions: list[InstructionPart] = []

    async def run(self) -> Any:
        self._messages = await self._history()
        self._instructions = await self._instructed()
        request: list[ModelRequestPart] = [self._prompt()]
        while True:
            self._messages.append(ModelRequest(request))
            answer = await self._ask()
            given = self._given(answer)
            if given is not None:
                return given.value
            request = await self._make(answer.calls)
            request.extend([conversation.asked(message) for message in await self._turn.steering()])
            if not request and self._agent.output is None:
                return (answer.message.text or "")[:RESULT_MAX]
            request = request or [conversation.asked_for_result()]

    async def _history(self) -> list[ModelMessage]:
        """The messages before this turn: condensed as far as a former turn did it, or as they must be now."""
        agent, (condensed, messages) = self._agent, condensing.found(self._turn.history)
        old = [] if agent.condense_above is None else condensing.too_long(messages, agent.condense_above)
        if old:
            recorded = await self._turn.stream(
                "condense", condensing.stream, agent.model, agent.settings, agent.retries, condensed, old
            )
            made = msgspec.convert(recorded, Condensed | None)
            if made is not None:
                self._spending.add(made.usage)
                condensed, messages = made, messages[len(old) :]
        beginning: list[ModelMessage] = [] if condensed is None else [ModelRequest([condensed.part])]
        return beginning + conversation.told(messages)

    def _prompt(self) -> ModelRequestPart:
        turn = self._turn
        return conversation.asked(turn.message) if turn.message.parts else conversation.started(turn.input)

    async def _instructed(self) -> list[InstructionPart]:
        given = self._agent.instructions
        said = given(self._turn) if callable(given) else given
        text = await said if inspect.isawaitable(said) else said
        parts = [InstructionPart(text)] if text else []
        if notes := self._turn.notes:  # last, for what stands before may be cached
            parts.append(InstructionPart("\n".join(notes), dynamic=True))
        return parts

    async def _ask(self) -> Answer:
        await self._spending.before_request()
        question = Question(
            self._agent.model,
            self._messages,
            self._parameters(),
            self._agent.settings,
            self._agent.retries,
            self._agent.output and self._agent.output.tool.name,
        )
        recorded = await self._turn.stream("model", answering.stream, self._turn, question, self._spending)
        answer = msgspec.convert(recorded, Answer)
        self._spending.add(answer.usage)
        self._messages.append(answer.message)
        return answer

    def _parameters(self) -> ModelRequestParameters:
        tools = [_definition(tool) for tool in self._turn.tools.values()]
        output = self._agent.output
        if output is None:
            return ModelRequestParameters(function_tools=tools, instruction_parts=self._instructions)
        return ModelRequestParameters(
            function_tools=tools,
            instruction_parts=self._instructions,
            output_mode="tool",
            output_tools=[output.tool],
            allow_text_output=False,
        )

    def _given(self, answer: Answer) -> Given | None:
        """The result, if the model gives one and calls nothing else beside it."""
        output = self._agent.output
        if output is None or [call.name for call in answer.calls] != [output.tool.name]:
            return None
        return output.read(answer.calls[0])

    async def _make(self, calls: list[Proposed]) -> list[ModelRequestPart]:
        """Make the calls side by side, and say what each of them gave, in the model's order."""
        known = [call for call in calls if call.name in self._turn.tools]
        results = iter(await self._turn.all(*(self._operation(call) for call in known)))
        return [self._outcome(call, next(results) if call.name in self._turn.tools else None) for call in calls]

    def _operation(self, call: Proposed) -> Asked[Result[Any]]:
        tool = self._turn.tools[call.name]
        return self._turn.call(tool, **call.input) if call.error is None else self._turn.refuse(tool, call.error)

    def _outcome(self, call: Proposed, result: Result[Any] | None) -> ModelRequestPart:
        if call.error is not None:
            return conversation.refused(call.name, call.call, call.error)
        if result is None:  # the result's tool
            output = self._agent.output
            assert output is not None
            return conversation.refused(call.name, call.call, output.wrong_with(call))
        return conversation.outcome(call.name, call.call, result)


def _definition(tool: Tool[..., Any]) -> ToolDefinition:
    schema = tool.signature.input_schema
    return ToolDefinition(name=tool.name, parameters_json_schema=schema, description=tool.description)


def _model(model: Any) -> Model:
    """Raises Unusable when there is no such model, or no key for it."""
    if isinstance(model, Model):
        return cast("Model", model)
    try:
        return infer_model(model)
    except ImportError as error:
        said = f"llm({model!r}): its provider's package is not installed."
        raise Unusable(f"{said} Install the extra: pip install 'holdfast[llm]'", extra="llm") from error
    except (UserError, ValueError) as error:
        raise Unusable(f"llm({model!r}): {error}") from error
