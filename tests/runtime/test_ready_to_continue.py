"""`auto_continue=False`: a decision stands at once, and its turn goes on when somebody says so, whatever happens."""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast import App, Turn, client_tool, tool
from holdfast.core.turns import LEASE_MS
from holdfast.testing import harness, wait_until


@tool(approval=True, auto_continue=False)
async def gated(name: str) -> str:
    return f"did {name}"


@tool(approval=True)
async def at_once(name: str) -> str:
    return f"did {name}"


@client_tool(auto_continue=False)
async def location() -> str: ...


async def test_a_tool_runs_after_one_continue_also_after_a_restart(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> str:
        return (await turn.call(gated, "x")).value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        assert ask.autoContinue is False
        await session.approve(ask)
        await session.wait_ready_to_continue()
        await h.kill_worker()
        assert h.executions(gated) == 0
        replies = await asyncio.gather(*(session.continue_turn(ask.turn, by=by) for by in ("alice", "bob", "carol")))
        assert sorted(reply.outcome for reply in replies) == ["lost", "lost", "won"]
        assert (await session.wait_finished()).result == "did x"
        kinds = [type(event).__name__ for _, _, event in await session.events()]
        assert (h.executions(gated), kinds.count("TurnResumed")) == (1, 1)


async def test_a_question_a_gate_and_a_client_tool_may_wait_too(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[location, at_once])
    async def agent(turn: Turn) -> list[Any]:
        asked = await turn.ask("Which?", auto_continue=False)
        place = await turn.call(location)
        plain = await turn.call(at_once.options(auto_continue=False), "x")
        return [asked.value.text, place.value, plain.value]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        for kind, payload in (("question", {"text": "red"}), ("client_tool", {"output": ""})):
            ask = await session.wait_interrupt(kind=kind)
            await session.answer(ask, payload)
            await session.wait_ready_to_continue()
            assert (await session.continue_turn(ask.turn)).outcome == "won"
        ask = await session.wait_interrupt(kind="approval")
        await session.approve(ask)
        await session.wait_ready_to_continue()
        await session.continue_turn(ask.turn)
        assert (await session.wait_finished()).result == ["red", "", "did x"]


async def test_a_worker_that_takes_over_waits_as_well(store_url: str) -> None:
    """The decision is recorded while the worker is busy with a sibling; the next one must not act on it."""
    app, begun, go_on = App(), asyncio.Event(), asyncio.Event()

    @tool(approval=False, idempotent=True)
    async def busy() -> str:
        begun.set()
        await go_on.wait()
        return "busy"

    @app.agent("a", tools=[gated, busy])
    async def agent(turn: Turn) -> list[Any]:
        first, second = await turn.all(turn.call(gated, "x"), turn.call(busy))
        return [first.value, second.value]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        await begun.wait()
        await session.approve(ask)
        go_on.set()
        await h.kill_worker()
        await session.wait_ready_to_continue()
        assert h.executions(gated) == 0
        await session.continue_turn(ask.turn)
        assert (await session.wait_finished()).result == ["did x", "busy"]
        assert h.executions(gated) == 1


async def test_the_first_of_several_waits_for_it_too(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated, at_once])
    async def agent(turn: Turn) -> Any:
        await turn.first(turn.call(gated, "x"), turn.call(at_once, "y"))
        return "gone on"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        ask = await session.wait_interrupt(tool=gated)
        await session.approve(ask)
        assert h.executions(gated) == 0
        assert (await session.continue_turn(ask.turn)).outcome == "won"
        assert (await session.wait_finished()).result == "gone on"
        assert (h.executions(gated), h.executions(at_once)) == (1, 0)


async def test_a_stop_ends_it(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> str:
        return (await turn.call(gated, "x")).value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        ask = await session.wait_interrupt(tool=gated)
        await session.deny(ask)
        await session.wait_ready_to_continue()
        await session.cancel()
        assert (await session.wait_finished()).end == "cancelled"
        await h.advance(f"{LEASE_MS} ms")
        await wait_until(lambda: h.executions(gated) == 0, "nothing has run")
