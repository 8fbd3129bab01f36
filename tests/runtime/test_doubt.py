"""In doubt only where doubt is honest; and an answer to it that fits the tool."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import App, Call, Turn, tool
from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput
from holdfast.testing import harness, wait_until


async def test_a_stop_while_a_call_is_begun_leaves_no_doubt(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()

    @tool(approval=False)
    async def pay() -> str:
        return "paid"

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        return (await turn.call(pay)).status

    async with harness(app, url=store_url) as h:
        real, begun = h.door.commit, asyncio.Event()

        async def commit(made: Commit) -> Any:
            outcome = await real(made)
            if made.label == "begin" and not begun.is_set():
                begun.set()
                h._worker.stop()  # type: ignore[union-attr]
                await asyncio.sleep(0)
            return outcome

        monkeypatch.setattr(h.door, "commit", commit)
        session = await h.start("a", message="go")
        await begun.wait()
        await h.stop_worker()
        await h.start_worker()
        assert (await session.wait_finished()).result == "done"
        assert h.executions(pay) == 1
        assert (await session.state()).interrupts == {}


async def test_a_body_that_only_waits_is_never_in_doubt(store_url: str) -> None:
    app, asked = App(), asyncio.Event()

    @tool(approval=False)
    async def pay(call: Call[Any]) -> str:
        return "paid" if (await call.gate("sure")).ok else "left"

    async def slow() -> None:
        asked.set()
        await asyncio.Event().wait()

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        if not asked.is_set():
            await turn.all(turn.call(pay), turn.step("slow", slow))
        paid, _ = await turn.all(turn.call(pay), turn.step("slow", lambda: None))
        return paid.value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await asked.wait()
        sure = await session.wait_interrupt(kind="gate")
        await h.kill_worker()
        await session.wait_waiting()
        await session.approve(sure)
        assert (await session.wait_finished()).result == "paid"
        assert {one["kind"] for one in (await session.state()).interrupts.values()} == {"gate"}


async def test_what_an_operator_says_must_fit_the_tool(store_url: str) -> None:
    app, running = App(), asyncio.Event()

    @tool(approval=False)
    async def pay() -> str:
        running.set()
        await asyncio.Event().wait()
        return ""

    @app.agent("a", tools=[pay])
    async def agent(turn: Turn) -> str:
        return (await turn.call(pay)).value

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await running.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        with pytest.raises(BadInput, match=r"payload\.result"):
            await session.answer(doubt, {"ran": True}, roles=("operator",))
        await session.answer(doubt, {"ran": True, "result": "by hand"}, roles=("operator",))
        assert (await session.wait_finished()).result == "by hand"


async def test_a_sweeper_outlives_a_store_that_is_full(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> str:
        return (await turn.gate("pass", expires="1 min")).status

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        for partition in range(h.door.keys.partitions):
            await h.connection.execute("HINCRBY", h.door.keys.meta(partition), "clock_offset_ms", 120_000)
        await h.connection.execute("CONFIG", "SET", "maxmemory", "1")
        rounds, sweep = [], h.sweeper.sweep

        async def counted() -> int:
            rounds.append(1)
            return await sweep()

        h.sweeper.sweep = counted  # type: ignore[method-assign]
        sweeping = asyncio.create_task(h.sweeper.run())
        await wait_until(lambda: len(rounds) > 1 or sweeping.done(), "it swept twice")
        await h.connection.execute("CONFIG", "SET", "maxmemory", "0")
        assert (await session.wait_finished()).result == "expired"
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
