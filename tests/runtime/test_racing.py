"""`turn.first`: the first of several counts, the others are taken back, and a replay sees the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import App, Call, StepFailed, Turn, tool
from holdfast.core.interrupts import Interrupt
from holdfast.testing import harness


@tool(approval=True)
async def gated(name: str) -> str:
    return f"did {name}"


@tool(approval=False)
async def asking(call: Call, name: str) -> str:
    answer = await call.ask(f"{name}?")
    return answer.value.text or ""


def racing(app: App) -> App:
    @app.agent("a", tools=[gated])
    async def agent(turn: Turn) -> list[Any]:
        nth, result = await turn.first(turn.call(gated, "x"), turn.gate("deploy"), turn.sleep("2 days"))
        again = await turn.ask("And then?")
        return [nth, result.status if result else "slept", again.value.text]

    return app


async def closed(session: Any, own_id: str) -> dict[str, Any]:
    return (await session.state()).interrupts[own_id]["decision"]


async def by_kind(session: Any) -> dict[str, Interrupt]:
    await session.wait_waiting()
    return {kind: await session.wait_interrupt(kind=kind) for kind in ("approval", "gate")}


async def test_the_first_answer_wins_and_the_other_cards_close(store_url: str) -> None:
    async with harness(racing(App()), url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await by_kind(session)
        await session.approve(asked["gate"])
        after = await session.wait_interrupt(kind="question")
        taken_back = await closed(session, asked["approval"].id)
        assert (taken_back["status"], taken_back["by"]["kind"]) == ("withdrawn", "system")
        late = await session.approve(asked["approval"])
        assert (late.outcome, late.decision and late.decision.status) == ("lost", "withdrawn")
        await h.kill_worker()  # what comes next is a replay on another worker
        await session.answer(after, {"text": "on"})
        assert (await session.wait_finished()).result == [1, "done", "on"]
        assert h.executions(gated) == 0
        operations = await h.door.operations(asked["gate"].turn)
        assert operations["first:first:1"].value == 1
        assert operations["tool:gated:1"].outcome == "withdrawn"
        assert operations["sleep:sleep:1"].outcome == "withdrawn"
        await h.advance("3 days")  # the sleep's timer is gone with it


async def test_time_can_win(store_url: str) -> None:
    async with harness(racing(App()), url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await by_kind(session)
        await h.advance("2 days")
        after = await session.wait_interrupt(kind="question")
        for shown in asked.values():
            assert (await closed(session, shown.id))["status"] == "withdrawn"
        await session.answer(after, {"text": "on"})
        assert (await session.wait_finished()).result == [2, "slept", "on"]


async def test_two_answers_while_nobody_works_and_the_first_in_order_counts(store_url: str) -> None:
    async with harness(racing(App()), url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await by_kind(session)
        await h.stop_worker()
        await session.approve(asked["gate"])
        await session.deny(asked["approval"])
        await h.start_worker()
        await session.wait_interrupt(kind="question")
        assert (await h.door.operations(asked["gate"].turn))["first:first:1"].value == 0
        assert (await closed(session, asked["gate"].id))["status"] == "resolved", "a decision never changes"


async def test_what_runs_is_finished_and_recorded(store_url: str) -> None:
    app, running, go = App(), asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        running.set()
        await go.wait()
        return "slow"

    async def quick() -> str:
        await running.wait()
        go.set()
        return "quick"

    @app.agent("a")
    async def agent(turn: Turn) -> Any:
        return await turn.first(turn.step("slow", slow), turn.step("quick", quick))

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert turn.result == [1, "quick"]
        assert (await h.door.operations(turn.id))["step:slow:1"].value == "slow"


async def test_the_body_of_a_tool_is_taken_back_with_what_it_asks(store_url: str) -> None:
    app = App()

    @app.agent("a", tools=[asking])
    async def agent(turn: Turn) -> int:
        won = await turn.first(turn.call(asking, "why"), turn.gate("deploy"))
        return won.nth

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        question = await session.wait_interrupt(kind="question")
        await session.approve(await session.wait_interrupt(kind="gate"))
        turn = await session.wait_finished()
        assert turn.result == 1
        assert (await closed(session, question.id))["status"] == "withdrawn"
        message = (await session.state()).messages[turn.message or ""].message
        [part] = [part for part in message.parts if part.get("toolName") == "asking" or part["type"] == "tool-asking"]
        assert part["state"] == "output-error"


async def test_a_step_that_fails_first_fails_the_race_alike_in_every_run(store_url: str) -> None:
    app = App()

    def broken() -> None:
        raise ValueError("no")

    @app.agent("a")
    async def agent(turn: Turn) -> str:
        try:
            await turn.first(turn.step("broken", broken), turn.gate("deploy"))
        except StepFailed as failed:
            await turn.gate("after")
            return failed.message
        return "not reached"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        after = await session.wait_interrupt(kind="gate")
        assert after.toolName == "after"
        await session.approve(after)
        assert (await session.wait_finished()).result == "no"


async def test_a_race_can_be_cancelled(store_url: str) -> None:
    async with harness(racing(App()), url=store_url) as h:
        session = await h.start("a", message="go")
        asked = await by_kind(session)
        await session.cancel()
        assert (await session.wait_finished()).end == "cancelled"
        assert (await closed(session, asked["gate"].id))["status"] == "cancelled"


async def test_nothing_cannot_race(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        with pytest.raises(ValueError, match="at least one"):
            await turn.first()

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        assert (await session.wait_finished()).end == "completed"
