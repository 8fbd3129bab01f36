"""Optional: the LLM agent, and adapters to other agent frameworks. Each needs its extra, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.core.durations import Duration, milliseconds
from holdfast.core.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.agents.ag_ui.agent import AgUiAgent, Headers
    from holdfast.agents.chunks import ChunkAgent, Chunks
    from holdfast.agents.foreign.pending import Asks
    from holdfast.agents.langgraph.agent import Graph, LangGraphAgent
    from holdfast.agents.models.agent import Instructions, ModelAgent
    from holdfast.agents.models.spending import Prices
    from holdfast.agents.openai_agents.adapter import OpenAIAgent
    from holdfast.agents.pydantic_agents.adapter import PydanticAgent
    from holdfast.runtime.results import Result
    from holdfast.runtime.turn import Turn

__all__ = ["Prices", "agui", "from_chunks", "from_langgraph", "from_openai_agents", "from_pydantic_ai", "llm"]


def llm(
    model: Any,
    *,
    instructions: Instructions | None = None,
    output: Any = None,
    max_turns: int = 20,
    max_tokens: int | None = None,
    budget: float | None = None,
    prices: Prices | None = None,
    condense_above: int | None = None,
    retries: int = 4,
    settings: dict[str, Any] | None = None,
) -> ModelAgent:
    """An agent that lets a language model speak, and call the tools that `add_agent` gives it.

    Args:
        model: "openai:…", "anthropic:…", "google:…" or another name that pydantic-ai knows; or a Model of its.
        instructions: what the model is told first; or a function of the turn that gives it.
        output: a type. The turn ends when the model gives a value of it, and that is the turn's result.
        max_turns: responses of the model in one turn.
        max_tokens: of all requests and responses of one turn. None: no limit.
        budget: what one turn may cost, by `prices`. None: no limit.
        prices: of a million tokens, in the budget's currency.
        condense_above: about so many tokens of former messages, above which the older ones are condensed. None: never.
        retries: of one request, when the provider fails in a way that may pass.
        settings: of pydantic-ai's ModelSettings: temperature, thinking, max_tokens of one response …

    Raises:
        Unusable: the extra `holdfast[llm]` is not installed, or the model's name or key is missing.
        ValueError: a limit is none, or there is a budget without prices.
    """
    try:
        from holdfast.agents.models.agent import ModelAgent
    except ModuleNotFoundError as error:
        raise _missing("llm", error) from error
    return ModelAgent(
        model,
        instructions=instructions,
        output=output,
        max_turns=max_turns,
        max_tokens=max_tokens,
        budget=budget,
        prices=prices,
        condense_above=condense_above,
        retries=retries,
        settings=settings,
    )


def agui(
    url: str,
    *,
    headers: Headers | None = None,
    props: Any = None,
    asks: Asks | None = None,
    idempotent: bool = False,
    silence: Duration = "2 min",
    retries: int = 3,
) -> AgUiAgent:
    """An agent that speaks AG-UI over HTTP, in whatever language and framework it is written.

    Args:
        url: where it takes runs, by POST.
        headers: sent with each run: a mapping, or a function of the turn that gives one. They are recorded nowhere.
        props: the run's `forwardedProps`: a JSON value, or a function of the turn that gives one.
        asks: how people are asked, by the tool's name, or the interrupt's reason; "*" is for all others.
        idempotent: the agent does a run only once, however often it is asked for by its id. Otherwise a run in which
            it made calls of its own is not repeated after a crash, unless an operator says so.
        silence: without a byte for so long, the connection is taken for dead.
        retries: of a run that the agent could not begin.

    Raises:
        Unusable: the extra `holdfast[ag-ui]` is not installed, or the address is none.
        ValueError: `silence` is no duration.
    """
    try:
        from holdfast.agents.ag_ui.agent import AgUiAgent
        from holdfast.agents.ag_ui.posting import Where
    except ModuleNotFoundError as error:
        raise _missing("ag-ui", error) from error
    where = Where(url, milliseconds(silence) / 1_000)
    return AgUiAgent(where, headers=headers or {}, props=props, asks=asks or {}, idempotent=idempotent, retries=retries)


def from_pydantic_ai(
    agent: Any, *, deps: Callable[[Turn], Any] | None = None, asks: Asks | None = None, usage_limits: Any = None
) -> PydanticAgent:
    """An agent of pydantic-ai, as it is. Its deferred tools are interrupts, which any entitled device can answer.

    Args:
        agent: pydantic-ai's Agent, with its own model and tools. What `add_agent` gets as `tools` is offered to it too.
        deps: what its tools get as `ctx.deps`, made of the turn; may be async. None: what the app's lifespan yields.
        asks: whom to ask about which of its tools, and for how long: {"refund": {"approvers": "role:finance"}}.
        usage_limits: pydantic-ai's UsageLimits, of one turn.

    Raises:
        Unusable: the extra `holdfast[llm]` is not installed.
    """
    try:
        from holdfast.agents.pydantic_agents.adapter import PydanticAgent
    except ModuleNotFoundError as error:
        raise _missing("llm", error) from error
    return PydanticAgent(agent, deps, asks or {}, usage_limits)


def from_openai_agents(
    agent: Any,
    *,
    context: Callable[[Turn], Any] | None = None,
    asks: Asks | None = None,
    max_turns: int = 20,
    run_config: Any = None,
) -> OpenAIAgent:
    """An agent of the OpenAI Agents SDK, as it is. What it needs approved is asked of people, on any device.

    Its function tools, and those of the agents to which it can hand over, are wrapped in place; outside of a turn they
    do what they did before.

    Args:
        agent: the SDK's Agent. What `add_agent` gets as `tools` is offered to it beside its own.
        context: what its tools get, made of the turn; may be async. None: what the app's lifespan yields.
        asks: whom to ask about which of its tools, and for how long: {"refund": {"approvers": "role:finance"}}.
        max_turns: responses between two pauses.
        run_config: the SDK's RunConfig.

    Raises:
        Unusable: the extra `holdfast[openai-agents]` is not installed.
    """
    try:
        from holdfast.agents.openai_agents.adapter import OpenAIAgent
    except ModuleNotFoundError as error:
        raise _missing("openai-agents", error) from error
    return OpenAIAgent(agent, context, asks or {}, max_turns, run_config)


def from_langgraph(
    graph: Graph | Callable[[Turn], Graph | Awaitable[Graph]],
    *,
    input: Callable[[Turn], Any] | None = None,
    result: Callable[[Any], Any] | None = None,
    resume: Callable[[Any, Result[Any]], Any] | None = None,
    context: Callable[[Turn], Any] | None = None,
    config: dict[str, Any] | None = None,
    asks: Asks | None = None,
    repeatable: bool = False,
) -> LangGraphAgent:
    """A graph of LangGraph, compiled with a checkpointer that lasts and that all workers share.

    Args:
        graph: the graph; or a function of the turn that gives it, for one that the app's lifespan has made.
        input: what the graph is given; without it `{"messages": […]}`, or the turn's input.
        result: of the graph's values, the turn's result; without it the last text, or the values.
        resume: what an interrupt is resumed with, from its value and what came of it; without it see the how-to.
        context: the graph's run-time context.
        config: of LangChain's RunnableConfig: `recursion_limit`, `tags`, `configurable` …
        asks: how people are asked, by the tool's name, "question", "form" or "interrupt"; "*" is for all others.
        repeatable: a node in which a worker died may be run again: its tools do no harm, or run through
            `holdfast.agents.langgraph.once`. Otherwise an operator is asked first, if calls were under way.

    Raises:
        Unusable: the extra `holdfast[langgraph]` is not installed, or the graph has no checkpointer.
    """
    try:
        from holdfast.agents.langgraph.agent import LangGraphAgent
    except ModuleNotFoundError as error:
        raise _missing("langgraph", error) from error
    return LangGraphAgent(
        graph,
        input=input,
        result=result,
        resume=resume,
        context=context,
        config=config,
        asks=asks or {},
        repeatable=repeatable,
    )


def from_chunks(chunks: Chunks, *, asks: Asks | None = None) -> ChunkAgent:
    """An async generator of the AI SDK's UI message chunks (or plain texts), as what serves `useChat` would stream.

    It is called with the turn and the conversation, as UIMessages, the last of them the user's. When it has ended and
    asked for approvals, or left calls without outputs, it is called again with the answers: the last message is its
    own then, with parts in the states `approval-responded`, `output-available` …

    Args:
        chunks: the generator function. What it does is done again if a worker dies in the middle of it.
        asks: how people are asked, by the tool's name; "*" is for all others.
    """
    from holdfast.agents.chunks import ChunkAgent

    return ChunkAgent(chunks, asks or {})


def _missing(extra: str, error: ModuleNotFoundError) -> Unusable:
    return Unusable(f"{error.name} is not installed. Install the extra: pip install 'holdfast[{extra}]'", extra=extra)


def __getattr__(name: str) -> Any:
    if name == "Prices":
        from holdfast.agents.models.spending import Prices

        return Prices
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
