"""A worker that dies: what was recorded stands, what was not is done again or asked about, nothing is doubled."""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast import App, Call, Turn, tool
from holdfast.core.events import TurnFinished
from holdfast.testing import harness, wait_for, wait_until


class Gate:
    """A place in a tool at which a test lets it wait."""

    def __init__(self) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def passing(self) -> None:
        self.reached.set()
        await self.open.wait()


def app_with(idempotent: bool, gate: Gate) -> App:
    app = App()

    @tool(approval=False, idempotent=idempotent)
    async def pay(call: Call[Any], amount: int) -> str:
        await gate.passing()
        return f"paid {amount} with {call.idempotency_key}"

    @app.agent("payer", tools=[pay])
    async def payer(turn: Turn) -> str:
        await turn.write("Paying. ")
        paid = await turn.call(pay, 5)
        await turn.write(paid.value if paid.ok else f"not paid: {paid.reason}")
        return paid.status

    app.pay = pay  # type: ignore[attr-defined]
    return app


async def test_a_call_that_may_have_run_is_asked_about(store_url: str) -> None:
    gate = Gate()
    app = app_with(False, gate)
    async with harness(app, url=store_url) as h:
        session = await h.start("payer", message="go")
        await gate.reached.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        assert doubt.reason == "holdfast:in_doubt"
        assert h.executions(app.pay) == 1
        await session.answer(doubt, {"ran": True, "result": "paid by hand"}, roles=("operator",))
        turn = await session.wait_finished()
        assert (turn.result, h.executions(app.pay)) == ("done", 1)
        assert await session.text() == "Paying. paid by hand"


async def test_a_call_that_did_not_run_runs_then(store_url: str) -> None:
    gate = Gate()
    app = app_with(False, gate)
    async with harness(app, url=store_url) as h:
        session = await h.start("payer", message="go")
        await gate.reached.wait()
        await h.kill_worker()
        doubt = await session.wait_interrupt(kind="in_doubt")
        gate.open.set()
        await session.answer(doubt, {"ran": False}, roles=("operator",))
        turn = await session.wait_finished()
        assert (turn.result, h.executions(app.pay)) == ("done", 2)


async def test_an_idempotent_call_runs_again_with_the_same_key(store_url: str) -> None:
    gate = Gate()
    app = app_with(True, gate)
    async with harness(app, url=store_url) as h:
        session = await h.start("payer", message="go")
        await gate.reached.wait()
        await h.kill_worker(restart=False)
        gate.open.set()
        await h.start_worker()
        turn = await session.wait_finished()
        assert (turn.result, h.executions(app.pay)) == ("done", 2)


async def test_text_that_was_not_recorded_is_taken_back(store_url: str) -> None:
    app, gate, runs = App(), Gate(), list[int]()

    @app.agent("writer")
    async def writer(turn: Turn) -> None:
        runs.append(1)
        await turn.write("first ")
        await turn.step("one", lambda: 1)
        await turn.write(f"run {len(runs)} ")
        if len(runs) == 1:
            await gate.passing()
        await turn.step("two", lambda: 2)
        await turn.write("end")

    async with harness(app, url=store_url) as h:
        session = await h.start("writer", message="go")
        await gate.reached.wait()

        async def streamed() -> bool | None:
            return "run 1" in await session.text() or None

        await wait_for(streamed, "what the first worker wrote is in the log")
        await h.kill_worker()
        await session.wait_finished()
        assert await session.text() == "first run 2 end"
        kinds = [type(event).__name__ for _, _, event in await session.events()]
        assert kinds.count("TurnStarted") == 1


async def test_a_stopped_worker_lets_go_at_once(store_url: str) -> None:
    app, gate, runs = App(), Gate(), list[int]()

    @app.agent("thinker")
    async def thinker(turn: Turn) -> str:
        runs.append(1)
        await turn.write("Thinking. ")
        if len(runs) == 1:
            await gate.passing()
        return "done"

    async with harness(app, url=store_url) as h:
        session = await h.start("thinker", message="go")
        await gate.reached.wait()
        await h.stop_worker()
        await h.start_worker()
        turn = await session.wait_finished()
        assert turn.result == "done"
        assert await session.text() == "Thinking. "


async def test_an_effect_under_way_is_recorded_before_a_worker_stops(store_url: str) -> None:
    gate = Gate()
    app = app_with(False, gate)
    async with harness(app, url=store_url) as h:
        session = await h.start("payer", message="go")
        await gate.reached.wait()
        stopping = asyncio.create_task(h.stop_worker())
        await asyncio.sleep(0)
        gate.open.set()
        await stopping
        await h.start_worker()
        turn = await session.wait_finished()
        assert (turn.result, h.executions(app.pay)) == ("done", 1)


async def test_a_worker_whose_lease_ran_out_cannot_write(store_url: str) -> None:
    gate = Gate()
    app = app_with(True, gate)
    async with harness(app, url=store_url) as h:
        session = await h.start("payer", message="go")
        await gate.reached.wait()
        first, h._worker, h._working = (h._worker, h._working), None, None
        await h.advance("13 s")  # the lease lapses while the first worker still holds on
        await h.start_worker()
        await wait_until(lambda: h.executions(app.pay) == 2, "the second worker has taken over")
        gate.open.set()
        turn = await session.wait_finished()
        assert turn.result == "done"
        assert (await session.text()).count("Paying.") == 1
        first[0].stop()
        await first[1]
        ends = [event for _, _, event in await session.events() if isinstance(event, TurnFinished)]
        assert len(ends) == 1
