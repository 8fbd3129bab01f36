"""The LLM agent with an offline model: what it asks the model, what it records, and what it never does twice."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelMessage, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from holdfast import App, GoOn, Limit, Turn, client_tool, tool
from holdfast.agents import Prices, llm
from holdfast.agents.models import retrying
from holdfast.core.errors import Unusable
from holdfast.testing import TestSession, harness, wait_until


@tool(approval=True, expires="1h", editable=True)
async def refund(order: str, amount: float) -> str:
    """Refund an order."""
    return f"{amount:g} of {order} refunded"


@tool(approval=False)
async def lookup(order: str) -> dict[str, Any]:
    """Look an order up."""
    return {"order": order, "total": 200}


@client_tool
async def location() -> str:
    """Where the device is."""


class Scripted:
    """A model that says one response of its script after the other, and notes what it was asked."""

    def __init__(self, *script: list[Any]) -> None:
        self.script = list(script)
        self.asked: list[list[ModelMessage]] = []
        self.infos: list[AgentInfo] = []
        self.model = FunctionModel(stream_function=self._stream)

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        self.asked.append(list(messages))
        self.infos.append(info)
        index = 0
        for piece in self.script[len(self.asked) - 1]:
            match piece:
                case str():
                    yield piece
                case Exception():
                    raise piece
                case asyncio.Event():
                    await piece.wait()
                case (name, arguments, call_id):
                    index += 1
                    yield {index: DeltaToolCall(name, arguments, tool_call_id=call_id)}

    def returns(self, request: int = -1) -> list[ToolReturnPart]:
        """What the last message of a request says of tools."""
        return [part for part in self.asked[request][-1].parts if isinstance(part, ToolReturnPart)]


def app_of(scripted: Scripted, *tools: Any, **options: Any) -> App:
    app, on_limit = App(), options.pop("on_limit", None)
    app.add_agent("a", llm(scripted.model, **options), tools=tools or [refund, lookup, location], on_limit=on_limit)
    return app


async def parts(session: TestSession) -> list[dict[str, Any]]:
    state = await session.state()
    said = [entry.message for entry in state.messages.values() if entry.message.role == "assistant"]
    return [part for message in said for part in message.parts]


async def result_of(session: TestSession) -> Any:
    return (await session.wait_finished()).result


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.001)


async def test_it_streams_what_the_model_says_and_ends_with_it(store_url: str) -> None:
    scripted = Scripted(["Hel", "lo."])
    async with harness(app_of(scripted, instructions="Be kind."), url=store_url) as h:
        session = await h.start("a", message="Hi")
        assert await result_of(session) == "Hello."
        assert await session.text() == "Hello."
    assert scripted.asked[0][-1].parts[0].content == "Hi"  # type: ignore[union-attr]
    assert scripted.infos[0].instructions == "Be kind."
    assert [one.name for one in scripted.infos[0].function_tools] == ["refund", "lookup", "location"]


async def test_a_call_waits_for_a_human_and_the_model_is_asked_for_nothing_twice(store_url: str) -> None:
    scripted = Scripted(
        ["I look. ", ("lookup", '{"order":"A-17"}', "c1"), ("refund", '{"order":"A-17","amount":200}', "c2")],
        ["Refunded."],
    )
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="Refund A-17")
        ask = await session.wait_interrupt(tool=refund)
        await session.wait_waiting()
        await h.kill_worker()
        await h.advance("30 minutes")
        await session.approve(ask, by="bob")
        assert await result_of(session) == "Refunded."
        shown = [part for part in await parts(session) if part["type"] == "tool-refund"]
        assert h.executions(refund) == h.executions(lookup) == 1
    assert [(part["state"], part["toolCallId"]) for part in shown] == [("output-available", ask.toolCallId)]
    assert len(scripted.asked) == 2
    assert [(one.tool_call_id, one.content) for one in scripted.returns()] == [
        ("c1", {"order": "A-17", "total": 200}),
        ("c2", "200 of A-17 refunded"),
    ]


async def test_a_no_is_told_with_its_reason_and_read_from_the_history_later(store_url: str) -> None:
    scripted = Scripted(
        [("refund", '{"order":"A-17","amount":200}', "c1")], ["As you wish."], ["You said no: too much."]
    )
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="Refund A-17")
        await session.deny(await session.wait_interrupt(tool=refund), reason="too much", by="bob")
        await session.wait_finished()
        await session.send("Why?")
        await wait_until(lambda: len(scripted.asked) == 3, "the second turn's request")
        assert h.executions(refund) == 0
    assert [(one.outcome, one.content) for one in scripted.returns(1)] == [
        ("denied", "Denied, and not carried out. Reason: too much")
    ]
    history = scripted.asked[2]
    said = [part for message in history for part in message.parts if isinstance(part, ToolReturnPart)]
    assert [(one.outcome, "too much" in str(one.content)) for one in said] == [("denied", True)]


async def test_edited_arguments_are_told(store_url: str) -> None:
    scripted = Scripted([("refund", '{"order":"A-17","amount":200}', "c1")], ["Done."])
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="Refund A-17")
        ask = await session.wait_interrupt(tool=refund)
        await session.answer(ask, {"approved": True, "input": {"order": "A-17", "amount": 50}})
        await session.wait_finished()
    told = scripted.returns()[0].content
    assert (told["result"], told["arguments"]["amount"]) == ("50 of A-17 refunded", 50)


async def test_what_cannot_be_called_goes_back_to_the_model_and_to_no_human(store_url: str) -> None:
    scripted = Scripted(
        [
            ("refund", '{"order":"A-17","amount":"much"}', "c1"),
            ("refund", '{"order":', "c2"),
            ("drop_tables", "{}", "c3"),
            ("refund", '{"order":"A-18","amount":2}', "c4"),
        ],
        ["Sorry."],
    )
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=refund)
        await session.approve(ask)
        await session.wait_finished()
        states = [part["state"] for part in await parts(session) if "toolCallId" in part]
        asked = (await session.state()).interrupts
    assert len(asked) == 1
    assert ask.input == {"order": "A-18", "amount": 2}
    assert states == ["output-error", "output-error", "output-error", "output-available"]
    told = [str(one.content) for one in scripted.returns()]
    assert "do not fit" in told[0]
    assert "no JSON" in told[1]
    assert "no tool 'drop_tables'" in told[2]
    assert told[3] == "2 of A-18 refunded"


async def test_an_id_that_is_used_again_is_told_apart(store_url: str) -> None:
    scripted = Scripted(
        [("lookup", '{"order":"A-1"}', "call_0")], [("lookup", '{"order":"A-2"}', "call_0")], ["Both are there."]
    )
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_finished()
        shown = [part for part in await parts(session) if part["type"] == "tool-lookup"]
        assert h.executions(lookup) == 2
    assert [part["input"]["order"] for part in shown] == ["A-1", "A-2"]
    sent = [part.tool_call_id for message in scripted.asked[2] for part in message.parts if hasattr(part, "args")]
    back = [part.tool_call_id for m in scripted.asked[2] for part in m.parts if isinstance(part, ToolReturnPart)]
    assert sent == back
    assert len(set(sent)) == 2


async def test_a_provider_that_fails_after_a_tool_ran_does_not_make_it_run_again(store_url: str) -> None:
    scripted = Scripted(
        [("lookup", '{"order":"A-1"}', "c1")],
        ["It is", ModelConnectionError("m", "broken off")],
        ["It is there."],
    )
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="go")
        assert await result_of(session) == "It is there."
        assert await session.text() == "It is there."
        assert h.executions(lookup) == 1
    assert len(scripted.asked) == 3


async def test_a_provider_that_fails_for_good_fails_the_turn_in_its_own_words(store_url: str) -> None:
    scripted = Scripted(*[[ModelConnectionError("m", "no route")] for _ in range(3)])
    async with harness(app_of(scripted, retries=2), url=store_url) as h:
        ended = await (await h.start("a", message="go")).wait_finished()
    assert ended.end == "failed"
    assert "no route" in str(ended.error)
    assert "3 attempts" in str(ended.error)


async def test_what_dies_in_mid_stream_is_taken_back_and_asked_again(store_url: str) -> None:
    never = asyncio.Event()
    scripted = Scripted(["Half a sen", never], ["A whole sentence."])
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="go")

        await wait_until(lambda: len(scripted.asked) == 1, "the first request")
        await h.kill_worker()
        assert await result_of(session) == "A whole sentence."
        assert await session.text() == "A whole sentence."


async def test_cancelling_closes_the_stream_and_keeps_what_was_said(store_url: str) -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def endless(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        try:
            yield "So far. "
            begun.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    app = App()
    app.add_agent("a", llm(FunctionModel(stream_function=endless)))
    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await begun.wait()
        await session.cancel()
        async with asyncio.timeout(1):
            await closed.wait()
        assert (await session.wait_finished()).end == "cancelled"
        assert await session.text() == "So far. "


async def test_usage_is_shown_and_limits_end_the_turn_or_are_raised(store_url: str) -> None:
    again = ("lookup", '{"order":"A-1"}', "c")
    scripted, met = Scripted([again], [again], [again], ["Enough."]), list[Limit]()

    async def more(turn: Turn, limit: Limit) -> Any:
        met.append(limit)
        return GoOn(2) if len(met) == 1 else "That is all that I may spend."

    async with harness(app_of(scripted, max_turns=1, on_limit=more), url=store_url) as h:
        session = await h.start("a", message="go")
        assert await result_of(session) == "That is all that I may spend."
        state = await session.state()
    assert [(one.name, one.max, one.used) for one in met] == [("model responses", 1, 1), ("model responses", 3, 3)]
    shown = next(one.message.metadata for one in state.messages.values() if one.message.role == "assistant")
    assert shown is not None
    assert shown["usage"]["totalTokens"] > 0


@pytest.mark.parametrize("limits", [{"max_tokens": 1}, {"budget": 0.000001, "prices": Prices(1.0, 2.0)}])
async def test_tokens_and_money_have_limits_too(store_url: str, limits: dict[str, Any]) -> None:
    scripted = Scripted([("lookup", '{"order":"A-1"}', "c")], ["never"])
    async with harness(app_of(scripted, **limits), url=store_url) as h:
        ended = await (await h.start("a", message="go")).wait_finished()
    assert (ended.end, len(scripted.asked)) == ("failed", 1)
    assert ended.error is not None
    assert ended.error["code"] == "limit_reached"


async def test_the_model_is_told_what_people_say_meanwhile(store_url: str) -> None:
    go = asyncio.Event()
    scripted = Scripted([go, ("lookup", '{"order":"A-1"}', "c")], ["In English then."])
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="go")
        await wait_until(lambda: len(scripted.asked) == 1, "the first request")
        await session.send("In English, please.", mode="steer")
        go.set()
        await session.wait_finished()
    assert [part.content for part in scripted.asked[1][-1].parts if isinstance(part, UserPromptPart)] == [
        "In English, please."
    ]


class Verdict(msgspec.Struct):
    order: str
    ok: bool


async def test_the_result_has_the_type_that_was_asked_for(store_url: str) -> None:
    scripted = Scripted(
        [("final_result", '{"order":"A-1"}', "c1")], ["Well."], [("final_result", '{"order":"A-1","ok":true}', "c2")]
    )
    async with harness(app_of(scripted, output=Verdict), url=store_url) as h:
        session = await h.start("a", message="go")
        assert await result_of(session) == {"order": "A-1", "ok": True}
        assert [part for part in await parts(session) if "toolCallId" in part] == []
    assert "does not fit" in str(scripted.returns(1)[0].content)


async def test_a_client_tool_is_run_by_a_device(store_url: str) -> None:
    scripted = Scripted([("location", "{}", "c1")], ["You are in Ghent."])
    async with harness(app_of(scripted), url=store_url) as h:
        session = await h.start("a", message="Where am I?")
        await session.update(await session.wait_interrupt(tool=location), output="Ghent")
        assert await result_of(session) == "You are in Ghent."
    assert scripted.returns()[0].content == "Ghent"


def test_a_model_that_is_none_is_refused_where_it_is_written() -> None:
    with pytest.raises(Unusable, match="nobody"):
        llm("nobody:knows")
    with pytest.raises(ValueError, match="prices"):
        llm(Scripted().model, budget=1.0)


@pytest.mark.parametrize("missing", ["pydantic_ai", "openai", "anthropic", "google.genai"])
def test_without_its_extra_it_says_which_one_is_missing(missing: str) -> None:
    models = {"anthropic": "anthropic:claude-sonnet-5-5", "google.genai": "google:gemini-3-pro"}
    model = models.get(missing, "openai:gpt-5")
    code = f"import sys; sys.modules[{missing!r}] = None; from holdfast.agents import llm; llm({model!r})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    said = ran.stderr.splitlines()[-1]
    assert said.startswith("holdfast.core.errors.Unusable: ")
    assert said.endswith("is not installed. Install the extra: pip install 'holdfast[llm]'")


async def test_a_long_conversation_is_condensed_once_and_the_turns_after_go_on_from_that(store_url: str) -> None:
    story = "A-17 came broken. " * 40
    scripted = Scripted(["One."], ["Two."], ["Three."], ["They want A-17 back."], ["Four."], ["Five."])
    async with harness(app_of(scripted, condense_above=200), url=store_url) as h:
        session = await h.start("a", message=story)
        for word in ("second", "third", "fourth", "fifth"):
            await session.wait_finished()
            if word == "fourth":
                await h.kill_worker()
            await session.send(word)
            await _asked(scripted, word)
        await session.wait_finished()
        metadata = [one.message.metadata or {} for one in (await session.state()).messages.values()]
    assert len(scripted.asked) == 6
    assert "A-17 came broken." in str(scripted.asked[3][0])
    for request in scripted.asked[4:]:
        assert "They want A-17 back." in str(request[0])
        assert "came broken" not in str(request)
    assert [one["condensed"]["summary"] for one in metadata if "condensed" in one] == ["They want A-17 back."]


async def _asked(scripted: Scripted, word: str) -> None:
    await wait_until(lambda: any(word in str(one[-1]) for one in scripted.asked), f"the model is asked {word!r}")
