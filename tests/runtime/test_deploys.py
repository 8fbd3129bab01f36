"""Code that changes while turns wait: by version, by `patched`, and as a turn blocked until an operator acts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast import App, Call, Turn, client_tool, tool
from holdfast.core import turns
from holdfast.store.manifests import SERVED_MS
from holdfast.testing import Harness, TestSession, harness, wait_for


@tool(approval=True)
async def gated(name: str) -> str:
    return f"did {name}"


@tool(approval=False)
async def free(name: str) -> str:
    return f"did {name}"


def app_of(function: Any, version: str = "1", more: Sequence[Any] = ()) -> App:
    app = App()
    app.add_agent("a", function, tools=[gated, free, *more], version=version)
    return app


async def original(turn: Turn) -> str:
    return (await turn.call(gated, "x")).value + " as ever"


async def renamed(turn: Turn) -> str:
    await turn.call(free, "first")
    return (await turn.call(gated, "x")).value


async def patched(turn: Turn) -> str:
    if turn.patched("announce"):
        await turn.call(free, "first")
    return (await turn.call(gated, "x")).value + " in the old way"


async def shorter(turn: Turn) -> str:
    return "nothing to do"


async def other_arguments(turn: Turn) -> str:
    return (await turn.call(gated, "y")).value


async def test_a_turn_keeps_its_version(store_url: str) -> None:
    async with harness(app_of(original, "1"), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        both = app_of(original, "1")
        both.add_agent("a", renamed, tools=[gated, free], version="2")
        await h.deploy(both)
        await session.approve(ask)
        assert (await session.wait_finished()).result == "did x as ever"
        newer = await h.start("a", message="go")
        await newer.approve(await newer.wait_interrupt(tool=gated))
        assert (await newer.wait_finished()).result == "did x"
        assert h.executions(free) == 1


async def test_patched_takes_the_old_path_for_old_turns(store_url: str) -> None:
    async with harness(app_of(original), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        await h.deploy(app_of(patched))
        await session.approve(ask)
        assert (await session.wait_finished()).result == "did x in the old way"
        assert h.executions(free) == 0
        newer = await h.start("a", message="go")
        await newer.approve(await newer.wait_interrupt(tool=gated))
        assert (await newer.wait_finished()).result == "did x in the old way"
        assert h.executions(free) == 1


async def diverges(h: Harness, function: Any, *more: Any) -> TestSession:
    session = await h.start("a", message="go")
    ask = await session.wait_interrupt(tool=gated)
    await h.deploy(app_of(function, more=more))
    await session.approve(ask)
    turn = await session.wait_turn("blocked")
    assert turn.error is not None
    assert turn.error["code"] == "replay_diverged"
    assert (h.executions(free), h.executions(gated)) == (0, 0)
    return session


async def test_another_path_blocks_and_goes_on_when_retried(store_url: str) -> None:
    async with harness(app_of(original), url=store_url) as h:
        session = await diverges(h, renamed)
        await h.deploy(app_of(original))
        own_id = next(iter((await session.state()).turns))
        record = (await h.door.read(session.id, turns=(own_id,))).turns[own_id]
        await h.door.commit(turns.retry(record))
        assert (await session.wait_finished()).result == "did x as ever"


async def test_a_shorter_path_blocks(store_url: str) -> None:
    async with harness(app_of(original), url=store_url) as h:
        await diverges(h, shorter)


async def test_other_arguments_block(store_url: str) -> None:
    async with harness(app_of(original), url=store_url) as h:
        await diverges(h, other_arguments)


async def test_a_yes_to_a_tool_that_was_renamed_meanwhile_runs_no_other(store_url: str) -> None:
    another = tool(approval=False, name="another")(gated.fn)

    async def calls_another(turn: Turn) -> str:
        return (await turn.call(another, "x")).value

    async with harness(app_of(original), url=store_url) as h:
        session = await diverges(h, calls_another, another)
        assert h.executions(another) == 0
        assert (await session.state()).interrupts != {}


async def test_a_version_that_nobody_serves_is_blocked_and_goes_on_when_it_is_back(store_url: str) -> None:
    async with harness(app_of(original, "1"), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        await session.wait_waiting()
        await h.deploy(app_of(renamed, "2"))
        await session.approve(ask)
        served = await h.connection.execute("HGET", h.door.keys.served, "a@1")
        await h.connection.execute("HSET", h.door.keys.served, "a@1", int(served) - SERVED_MS)
        await h.advance(f"{SERVED_MS} ms")

        async def blocked() -> bool | None:
            await h.sweeper.block_unserved()
            return (await session.state()).turns[ask.turn].status == "blocked" or None

        await wait_for(blocked, "the turn is blocked")
        await h.deploy(app_of(original, "1"))
        assert (await session.wait_finished()).result == "did x as ever"


async def test_a_branch_that_was_added_blocks(store_url: str) -> None:
    ran: list[str] = []

    def version(*names: str) -> App:
        async def agent(turn: Turn) -> None:
            await turn.all(*(turn.step(name, lambda name=name: ran.append(name)) for name in names))
            await turn.ask("?")

        return app_of(agent)

    async with harness(version("x"), url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await session.wait_interrupt()
        await session.wait_waiting()
        await h.deploy(version("x", "y"))
        await session.answer(asked, {"text": "go on"})
        assert (await session.wait_turn("blocked")).error is not None
        assert ran == ["x"]


async def test_a_body_that_asks_something_else_blocks(store_url: str) -> None:
    words = ["now"]

    @tool(approval=False)
    async def pay(call: Call[Any]) -> str:
        await call.ask(f"Pay {words[0]}?")
        return "paid"

    app = App()

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        return (await turn.call(pay)).status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await session.wait_interrupt()
        await session.wait_waiting()
        words[0] = "later"
        await session.answer(asked, {"text": "yes"})
        blocked = await session.wait_turn("blocked")
        assert blocked.error is not None
        assert blocked.error["code"] == "replay_diverged"


@client_tool
async def located(name: str) -> str: ...


async def asks_device(turn: Turn) -> str:
    return (await turn.call(located, "x")).value


async def without_it(turn: Turn) -> str:
    return "nothing to ask a device for"


def devices_of(function: Any, *tools: Any) -> App:
    app = App()
    app.add_agent("a", function, tools=tools)
    return app


async def test_a_client_tool_that_was_taken_away_is_answerable_and_goes_on_when_it_is_back(store_url: str) -> None:
    async with harness(devices_of(asks_device, located), url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(kind="client_tool")
        await session.wait_waiting()
        await h.deploy(devices_of(without_it))
        assert (await session.claim(ask, device="phone")).seq
        assert (await session.answer(ask, {"output": "here"})).outcome == "won"
        await session.wait_turn("blocked")
        assert (await session.answer(ask, {"output": "there"})).outcome == "lost"
        await h.deploy(devices_of(asks_device, located))
        record = (await h.door.read(session.id, turns=(ask.turn,))).turns[ask.turn]
        await h.door.commit(turns.retry(record))
        assert (await session.wait_finished()).result == "here"


async def test_calls_of_two_turns_are_told_apart(store_url: str) -> None:
    """The same place of two turns: an answer to the first call never settles the second."""
    async with harness(devices_of(asks_device, located), url=store_url) as h:
        session = await h.start("a", message="go")
        first = await session.wait_interrupt(kind="client_tool")
        await session.answer(first, {"output": "one"})
        await session.wait_finished()
        await session.send("once more")
        second = await session.wait_interrupt(kind="client_tool")
        assert first.toolCallId != second.toolCallId
        late = await session.update(first, output="two")
        assert (late.outcome, late.decision and late.decision.payload) == ("lost", {"output": "one"})
        assert (await session.update(second, output="two")).outcome == "won"
        assert (await session.wait_finished()).result == "two"
