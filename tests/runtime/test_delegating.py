"""Agents that call agents: `turn.agent` and `agent_tool`, in one turn and one session."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast import App, Call, GoOn, Limit, Match, Policy, Rule, Turn, agent_tool, tool
from holdfast.core.audit import AuditEntry
from holdfast.core.interrupts import Interrupt
from holdfast.runtime.delegating import DEPTH_MAX
from holdfast.testing import Harness, TestSession, harness, wait_for, wait_until


@tool(approval=True, editable=True)
async def search(topic: str) -> str:
    return f"found {topic}"


@tool(approval=False)
async def note(text: str) -> str:
    return f"noted {text}"


class Counted:
    """How often the functions of agents were begun."""

    def __init__(self) -> None:
        self.runs = 0


def app_with(parent: Any, counted: Counted | None = None, **policy: Any) -> App:
    """An app whose agent `parent` may call `research`, which searches what it is told to."""
    app = App(**policy)
    app.add_agent("parent", parent, tools=[note])

    @app.agent("research", tools=[search, note])
    async def research(turn: Turn) -> str:
        if counted:
            counted.runs += 1
        await turn.write("I look. ")
        found = await turn.call(search, turn.message.text or turn.input["topic"])
        await turn.write("I looked.")
        return f"{found.status}: {found.returned}"

    return app


async def parts(session: TestSession, kind: str = "") -> list[dict[str, Any]]:
    messages = [entry.message for entry in (await session.state()).messages.values()]
    said = [part for message in messages if message.role == "assistant" for part in message.parts]
    return [part for part in said if str(part["type"]).startswith(kind)]


async def open_ones(session: TestSession) -> list[Interrupt]:
    shown = (await session.state()).interrupts.values()
    return [msgspec.convert(one, Interrupt) for one in shown if "decision" not in one]


async def asks_one(turn: Turn) -> Any:
    result = await turn.agent("research", "cats")
    return [result.status, result.returned]


async def test_what_it_asks_is_asked_in_the_session_of_who_called_it(store_url: str) -> None:
    counted = Counted()
    async with harness(app_with(asks_one, counted), url=store_url) as h:
        session = await h.start("parent", message="go")
        ask = await session.wait_interrupt(tool=search)
        assert (ask.session, ask.agent, ask.input) == (session.id, "research", {"topic": "cats"})
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(ask, by="bob")
        assert (await session.wait_finished()).result == ["done", "done: found cats"]
        assert (h.executions(search), counted.runs) == (1, 2)
        shown = await parts(session, "tool-")
    assert [(part["type"], part["state"]) for part in shown] == [
        ("tool-research", "output-available"),
        ("tool-search", "output-available"),
    ]
    assert shown[1]["callProviderMetadata"] == {"holdfast": {"agent": "research"}}
    assert shown[0]["output"] == "done: found cats"


async def test_what_is_done_is_not_run_again(store_url: str) -> None:
    async def parent(turn: Turn) -> Any:
        first = await turn.agent("research", "cats")
        await turn.gate("go on?")
        return first.value

    counted = Counted()
    async with harness(app_with(parent, counted), url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.approve(await session.wait_interrupt(tool=search))
        gate = await session.wait_interrupt(kind="gate")
        assert gate.agent is None
        runs = counted.runs
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(gate)
        assert (await session.wait_finished()).result == "done: found cats"
        assert counted.runs == runs


async def test_several_at_once_wait_for_all_of_their_answers(store_url: str) -> None:
    async def parent(turn: Turn) -> Any:
        made = await turn.all(turn.agent("research", "cats"), turn.agent("research", "dogs"), turn.call(note, "x"))
        return [one.returned for one in made]

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.wait_waiting()
        cats, dogs = sorted(await open_ones(session), key=lambda one: one.input["topic"])
        await session.deny(dogs, reason="no")
        assert (await session.wait_waiting()).open == (cats.id,)
        await h.kill_worker()
        await session.approve(cats, input={"topic": "lions"})
        result = (await session.wait_finished()).result
        assert result == ["done: found lions", "denied: None", "noted x"]
        assert (h.executions(search), h.executions(note)) == (1, 1)


async def test_its_own_branches_wait_with_those_of_who_called_it(store_url: str) -> None:
    app = App()

    @app.agent("inner", tools=[search])
    async def inner(turn: Turn) -> Any:
        made = await turn.all(turn.call(search, "a"), turn.call(search, "b"))
        last = await turn.call(search, "c")
        return [one.returned for one in (*made, last)]

    @app.agent("parent", tools=[search])
    async def parent(turn: Turn) -> Any:
        result, own = await turn.all(turn.agent("inner"), turn.call(search, "d"))
        return [*result.value, own.value]

    async with harness(app, url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.wait_waiting()
        asked = {one.input["topic"]: one for one in await open_ones(session)}
        assert sorted(asked) == ["a", "b", "d"]
        await session.approve(asked["a"])
        await session.approve(asked["d"])
        assert (await session.wait_waiting()).open == (asked["b"].id,)
        await session.approve(asked["b"])
        await session.approve(await asked_about(session, "c"))
        result = (await session.wait_finished()).result
        assert result == ["found a", "found b", "found c", "found d"]
        assert h.executions(search) == 4


async def asked_about(session: TestSession, what: Any) -> Interrupt:
    """The open interrupt with this topic, or of this name, once there is one."""

    async def find() -> Interrupt | None:
        asked = await open_ones(session)
        return next((one for one in asked if what in (one.toolName, (one.input or {}).get("topic"))), None)

    return await wait_for(find, f"{what} is asked about")


async def test_a_failure_is_a_result_and_the_same_in_every_run(store_url: str) -> None:
    async def broken(turn: Turn) -> None:
        raise ValueError("no such thing")

    async def parent(turn: Turn) -> Any:
        result = await turn.agent(broken)
        await turn.gate("go on?")
        return [result.status, result.reason]

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        gate = await session.wait_interrupt(kind="gate")
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(gate)
        assert (await session.wait_finished()).result == ["failed", "ValueError: no such thing"]
        shown = await parts(session, "tool-broken")
        assert [part["errorText"] for part in shown] == ["ValueError: no such thing"]


async def test_a_function_has_the_tools_of_who_calls_it_and_an_input_of_any_shape(store_url: str) -> None:
    async def part(turn: Turn) -> Any:
        noted = await turn.call(turn.tools["note"], turn.input["text"])
        return [noted.value, turn.message.text, len(turn.history), turn.principal.subject]

    async def parent(turn: Turn) -> Any:
        return (await turn.agent(part, "do it", input={"text": "this"})).value

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go", by="mara")
        assert (await session.wait_finished()).result == ["noted this", "do it", 0, "mara"]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_cancel_of_the_turn_ends_it(store_url: str, waits: bool) -> None:
    begun, dropped = asyncio.Event(), asyncio.Event()

    async def busy(turn: Turn) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            dropped.set()

    async def parent(turn: Turn) -> None:
        await (turn.agent("research", "cats") if waits else turn.agent(busy))

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        if waits:
            await session.wait_waiting()
        else:
            await wait_until(begun.is_set, "it runs")
        await session.cancel()
        ended = await session.wait_finished()
        assert ended.end == "cancelled"
        if waits:
            closed = [one["decision"]["status"] for one in (await session.state()).interrupts.values()]
            assert closed == ["cancelled"]
        else:
            await wait_until(dropped.is_set, "its function was dropped")


async def test_a_deploy_need_not_wait_for_it_to_end(store_url: str) -> None:
    begun = asyncio.Event()

    async def busy(turn: Turn) -> str:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return "done at last"

    async def parent(turn: Turn) -> Any:
        return (await turn.agent(busy)).value

    app = app_with(parent)
    async with harness(app, url=store_url) as h:
        session = await h.start("parent", message="go")
        await wait_until(begun.is_set, "it runs")
        await h.deploy(app)
        assert (await session.wait_finished()).result == "done at last"


async def test_agents_that_call_themselves_end_somewhere(store_url: str) -> None:
    app = App()

    @app.agent("parent")
    async def parent(turn: Turn) -> Any:
        result = await turn.agent("parent")
        return [*result.value, turn.input] if result.ok else [result.reason]

    async with harness(app, url=store_url) as h:
        session = await h.start("parent", message="go")
        [reason, *inputs] = (await session.wait_finished()).result
    assert reason == "Agents call each other at most 5 deep, and parent is called that deep already."
    assert len(inputs) == DEPTH_MAX


async def test_an_agent_that_is_not_there_is_named_with_those_that_are(store_url: str) -> None:
    async def parent(turn: Turn) -> Any:
        return (await turn.agent("reserch", "cats")).reason

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        result = (await session.wait_finished()).result
    assert result == "There is no agent 'reserch' in this app. The agents are: parent, research."


async def test_what_a_race_makes_needless_is_taken_back_inside_of_it_too(store_url: str) -> None:
    async def slow(turn: Turn) -> None:
        await turn.all(turn.agent("research", "cats"), turn.sleep("30 days"))

    async def parent(turn: Turn) -> Any:
        nth, _ = await turn.first(turn.agent(slow), turn.gate("enough?"))
        await turn.sleep("1h")
        return nth

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.wait_waiting()
        ask, gate = await session.wait_interrupt(tool=search), await session.wait_interrupt(kind="gate")
        await session.approve(gate)

        async def sleeps_alone() -> bool | None:
            return (await session.wait_waiting()).open == ("timer sleep:sleep:1",) or None

        await wait_for(sleeps_alone, "nothing but the sleep is waited for")
        assert (await session.state()).interrupts[ask.id]["decision"]["status"] == "withdrawn"
        await h.advance("2h")
        assert (await session.wait_finished()).result == 1
        await h.advance("31 days")  # nothing of it rings any more


async def test_a_race_in_it_goes_on_with_the_first_answer(store_url: str) -> None:
    async def racing(turn: Turn) -> Any:
        nth, _ = await turn.first(turn.gate("one"), turn.gate("two"))
        await turn.gate("three")
        return nth

    async def parent(turn: Turn) -> Any:
        raced, own = await turn.all(turn.agent(racing), turn.gate("own"))
        return [raced.value, own.value]

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.wait_waiting()
        one = await asked_about(session, "one")
        await session.approve(await asked_about(session, "two"))
        three = await asked_about(session, "three")
        assert (await session.state()).interrupts[one.id]["decision"]["status"] == "withdrawn"
        await session.approve(three)
        await session.approve(await asked_about(session, "own"))
        assert (await session.wait_finished()).result == [1, True]


@pytest.mark.parametrize("aloud", [False, True])
async def test_what_it_says_is_reasoning_unless_it_speaks_aloud(store_url: str, aloud: bool) -> None:
    async def parent(turn: Turn) -> None:
        await turn.write("Before. ")
        await turn.all(turn.agent("research", "cats", aloud=aloud), turn.agent("research", "dogs", aloud=aloud))
        await turn.write("After.")

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.wait_waiting()
        await h.kill_worker()
        for ask in await open_ones(session):
            await session.approve(ask)
        await session.wait_finished()
        said = [(part["text"], part.get("providerMetadata")) for part in await parts(session, "text")]
        thought = [(part["text"], part.get("providerMetadata")) for part in await parts(session, "reasoning")]
    mark = {"holdfast": {"agent": "research"}}
    own, its = [("Before. ", None), ("After.", None)], [("I look. ", mark)] * 2 + [("I looked.", mark)] * 2
    assert (thought, said) == (([], [own[0], *its, own[1]]) if aloud else (its, own))


@pytest.mark.parametrize("where", ["in it", "after it"])
async def test_what_a_dead_worker_streamed_in_it_is_taken_back_or_stands(store_url: str, where: str) -> None:
    shown, hold = asyncio.Event(), True

    async def stop(turn: Turn, here: str) -> None:
        if here == where and hold:
            await turn.write("void ")
            shown.set()
            await asyncio.Event().wait()

    async def part(turn: Turn) -> str:
        for word in ("one ", "two ", "three "):
            await turn.write(word)
            await turn.call(note, word)
        await stop(turn, "in it")
        await turn.write("four ")
        return "done"

    async def parent(turn: Turn) -> Any:
        result = await turn.agent(part, aloud=True)
        await stop(turn, "after it")
        return result.value

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        await wait_until(shown.is_set, "its worker can die")
        await wait_for(lambda: said(session, "void "), "all of that was seen")
        hold = False
        await h.kill_worker()
        assert (await session.wait_finished()).result == "done"
        assert await session.text() == "one two three four "
        assert h.executions(note) == 3


async def said(session: TestSession, words: str) -> bool | None:
    return (await session.text()).endswith(words) or None


async def trail(h: Harness, session: TestSession) -> list[AuditEntry]:
    """What the store's audit stream says of the session."""
    key = h.door.keys.audit(h.door.keys.partition(session.id))
    entries = [
        msgspec.json.decode(dict(zip(fields[::2], fields[1::2], strict=True))[b"e"], type=AuditEntry)
        for _, fields in await h.connection.execute("XRANGE", key, "-", "+")
    ]
    return [entry for entry in entries if entry.session == session.id]


async def test_rules_and_the_trail_know_it_by_its_own_name(store_url: str) -> None:
    rule = Rule(name="not here", action="auto_deny", reason="not its business", match=Match(tool="note", agent="part"))

    async def part(turn: Turn) -> Any:
        found = await turn.call(search, "cats")
        return [found.status, (await turn.call(note, "x")).reason]

    async def parent(turn: Turn) -> Any:
        return [(await turn.call(note, "x")).value, *(await turn.agent(part)).value]

    async with harness(app_with(parent, policy=Policy(rules=[rule])), url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.approve(await session.wait_interrupt(tool=search))
        assert (await session.wait_finished()).result == ["noted x", "done", "not its business"]
        said = [(one.action, one.tool, one.by.id) for one in await trail(h, session)]
    assert ("tool.allowed", "note", "parent") in said
    assert ("tool.allowed", "part", "parent") in said
    assert ("interrupt.opened", "search", "part") in said
    assert ("tool.denied", "note", "not here") in said


async def test_nobody_is_asked_where_a_grant_to_it_stands(store_url: str) -> None:
    async def parent(turn: Turn) -> Any:
        first = await turn.agent("research", "cats")
        return [first.value, (await turn.agent("research", "cats")).value]

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.approve(await session.wait_interrupt(tool=search), grant={"scope": "agent"})
        assert (await session.wait_finished()).result == ["done: found cats"] * 2


@agent_tool(agent="research", approval=True, editable=True)
async def look(topic: str, urgent: bool = False) -> str:
    """Look something up."""


async def test_as_a_tool_it_can_be_asked_about_and_edited_itself(store_url: str) -> None:
    async def parent(turn: Turn) -> Any:
        return (await turn.call(look, topic="cats")).value

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        ask = await session.wait_interrupt(tool=look)
        assert (ask.agent, ask.input) == (None, {"topic": "cats", "urgent": False})
        await session.approve(ask, input={"topic": "dogs", "urgent": True})
        inner = await session.wait_interrupt(tool=search)
        assert inner.input == {"topic": "dogs"}
        await session.approve(inner)
        assert (await session.wait_finished()).result == "done: found dogs"
        assert h.executions(look) == 1  # begun once, though run again after each wait


async def test_it_goes_on_in_the_version_that_it_began_with(store_url: str) -> None:
    old = app_with(asks_one)

    def new(*, keeps: bool) -> App:
        app = App()
        app.add_agent("parent", asks_one, tools=[note])

        async def other(turn: Turn) -> str:
            return "another version"

        app.add_agent("research", other, version="2")
        if keeps:
            app.agents["research@1"] = old.agents["research@1"]
        return app

    async with harness(old, url=store_url) as h:
        session = await h.start("parent", message="go")
        ask = await session.wait_interrupt(tool=search)
        await session.wait_waiting()
        await h.deploy(new(keeps=False))
        await session.approve(ask)
        await session.wait_turn("blocked")
        await h.deploy(new(keeps=True))
        other = await h.start("parent", message="go")
        assert (await other.wait_finished()).result == ["done", "another version"]


async def test_a_limit_in_it_is_for_its_own_hook_or_ends_it_alone(store_url: str) -> None:
    app = App()

    async def counting(turn: Turn) -> str:
        allowance = turn.limit("looks", max=1)
        for _ in range(3):
            await allowance.use()
        return "three"

    async def more(turn: Turn, limit: Limit) -> Any:
        return GoOn(1) if limit.max < 2 else f"stopped at {limit.max}"

    app.add_agent("hooked", counting, on_limit=more)
    app.add_agent("bare", counting)

    @app.agent("parent")
    async def parent(turn: Turn) -> Any:
        hooked, bare = await turn.agent("hooked"), await turn.agent("bare")
        await turn.gate("go on?")
        return [hooked.value, bare.reason]

    async with harness(app, url=store_url) as h:
        session = await h.start("parent", message="go")
        gate = await session.wait_interrupt(kind="gate")
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(gate)
        result = (await session.wait_finished()).result
    assert result == ["stopped at 2", "limit_reached: The limit of 1 looks is reached."]


async def test_a_turn_knows_what_was_decided_in_what_it_had_done(store_url: str) -> None:
    async def parent(turn: Turn) -> Any:
        await turn.agent("research", "cats")
        first = [(one.tool, one.decision) for one in turn.trace.approvals]
        await turn.gate("go on?")
        return first

    async with harness(app_with(parent), url=store_url) as h:
        session = await h.start("parent", message="go")
        await session.deny(await session.wait_interrupt(tool=search))
        gate = await session.wait_interrupt(kind="gate")
        await session.wait_waiting()
        await h.kill_worker()
        await session.approve(gate)
        result = (await session.wait_finished()).result
    assert result == [["search", "denied"]]


async def test_a_tool_of_it_that_was_begun_is_in_doubt_as_anywhere(store_url: str) -> None:
    begun, hold = asyncio.Event(), True
    app = App()

    @tool(approval=False)
    async def pay(call: Call[Any]) -> str:
        begun.set()
        if hold:
            await asyncio.Event().wait()
        return "paid"

    @app.agent("payer", tools=[pay])
    async def payer(turn: Turn) -> Any:
        return (await turn.call(pay)).value

    @app.agent("parent")
    async def parent(turn: Turn) -> Any:
        return (await turn.agent("payer")).value

    async with harness(app, url=store_url) as h:
        session = await h.start("parent", message="go")
        await wait_until(begun.is_set, "it pays")
        hold = False
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert (doubt.agent, doubt.toolName) == ("payer", "pay")
        await session.answer(doubt, {"ran": False}, by="olga", roles=("operator",))
        assert (await session.wait_finished()).result == "paid"
