"""A failed turn goes on from its record: what is done stays done, what failed is tried anew, others come first."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from holdfast import App, Turn, tool
from holdfast.commands import retrying, workflows
from holdfast.core.errors import Conflict
from holdfast.core.identity import OPERATOR, Principal
from holdfast.testing import Harness, harness, wait_for

OLGA = Principal("olga", (OPERATOR,))


@tool(approval=False)
async def charge(amount: float) -> str:
    return f"charged {amount}"


async def retry(h: Harness, turn: str) -> None:
    await retrying.retry(h.backend, OLGA, turn, secrets.token_hex(8), "test")


async def ended(h: Harness, turn: str, end: str) -> workflows.WorkflowShown:
    async def find() -> workflows.WorkflowShown | None:
        shown = await workflows.workflow(h.backend, OLGA, turn)
        return shown if shown.end == end else None

    return await wait_for(find, f"{turn} is {end}")


def flaky(app: App, broken: list[bool]) -> App:
    def deliver() -> str:
        if broken:
            raise OSError("no way through")
        return "delivered"

    @app.agent("a", tools=[charge])
    async def agent(turn: Turn) -> list[Any]:
        if turn.message.text == "short":
            return []
        await turn.write("Charging. ")
        charged = await turn.call(charge, 5.0)
        done = await turn.step("deliver", deliver)
        await turn.write("Done.")
        return [charged.value, done]

    return app


async def test_a_failed_step_is_tried_anew_and_nothing_before_it(store_url: str) -> None:
    broken = [True]
    async with harness(flaky(App(), broken), url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert turn.end == "failed"
        before = {one.key: one for one in (await ended(h, turn.id, "failed")).operations}
        await retry(h, turn.id)  # still broken
        await ended(h, turn.id, "failed")
        broken.clear()
        await retry(h, turn.id)
        shown = await ended(h, turn.id, "completed")
        assert shown.result == ["charged 5.0", "delivered"]
        assert h.executions(charge) == 1
        after = {one.key: one for one in shown.operations}
        assert after["tool:charge:1"] == before["tool:charge:1"]
        assert (after["step:deliver:1"].outcome, after["step:deliver:1"].attempts) == ("done", 1)
        state = await session.state()
        assert (state.turns[turn.id].end, state.turns[turn.id].error) == ("completed", None)
        texts = [part["text"] for part in state.messages[turn.message or ""].message.parts if part["type"] == "text"]
        assert texts == ["Charging. ", "Done."]
        with pytest.raises(Conflict, match="completed"):
            await retry(h, turn.id)


async def test_a_retried_turn_comes_behind_what_the_session_does_now(store_url: str) -> None:
    broken = [True]
    app = flaky(App(), broken)

    @app.agent("b")
    async def other(turn: Turn) -> None: ...

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        await h.stop_worker()
        await session.send("short")
        await retry(h, turn.id)
        view = await h.door.read(session.id, turns=(turn.id,))
        assert view.session is not None
        assert (view.turns[turn.id].status, view.session.queue) == ("queued", (turn.id,))
        broken.clear()
        await h.start_worker()
        await ended(h, turn.id, "completed")
        kinds = [(type(event).__name__, getattr(event, "turn", "")) for _, _, event in await session.events()]
        own = [kind for kind, of in kinds if of == turn.id and kind.startswith("Turn")]
        assert own[-4:] == ["TurnFinished", "TurnQueued", "TurnResumed", "TurnFinished"]


async def test_code_that_failed_by_itself_goes_on_after_a_deploy(store_url: str) -> None:
    def app_of(function: Any) -> App:
        app = App()
        app.add_agent("a", function, tools=[charge])
        return app

    async def wrong(turn: Turn) -> str:
        result = await turn.call(charge, 5.0)
        raise TypeError(f"oops, {result.value}")

    async def right(turn: Turn) -> str:
        return (await turn.call(charge, 5.0)).value

    async with harness(app_of(wrong), url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        await h.deploy(app_of(right))
        await retry(h, turn.id)
        assert (await ended(h, turn.id, "completed")).result == "charged 5.0"
        assert h.executions(charge) == 1
