"""Limits: the agent's hook is asked before a turn ends for one, and a replay asks it at the same place."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import App, GoOn, Limit, Turn
from holdfast.runtime import journal
from holdfast.testing import harness


async def asks(turn: Turn, limit: Limit) -> Any:
    """Ask a person whether to go on."""
    if (await turn.gate(f"more {limit.name}", {"used": limit.used})).ok:
        return GoOn(2)
    return f"stopped at {limit.used}"


def counting(app: App, hook: Any = asks) -> App:
    @app.agent("a", on_limit=hook)
    async def agent(turn: Turn) -> int:
        calls = turn.limit("model calls", max=3)
        for number in range(4):
            await calls.use()
            await turn.step(f"call {number}", lambda: None)
        return calls.used

    return app


@pytest.mark.parametrize(("approved", "result"), [(True, 4), (False, "stopped at 3")])
async def test_a_person_lets_it_go_on_or_not(store_url: str, approved: bool, result: Any) -> None:
    async with harness(counting(App()), url=store_url) as h:
        session = await h.start("a", message="go")
        gate = await session.wait_interrupt(kind="gate")
        assert gate.input == {"used": 3}
        await h.kill_worker()
        await session.answer(gate, {"approved": approved})
        turn = await session.wait_finished()
        assert (turn.end, turn.result) == ("completed", result)


async def test_without_a_hook_the_turn_fails(store_url: str) -> None:
    async with harness(counting(App(), None), url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert (turn.end, (turn.error or {})["code"]) == ("failed", "limit_reached")


@pytest.mark.parametrize("approved", [True, False])
async def test_the_operations_of_a_turn(store_url: str, approved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "OPERATIONS_MAX", 4)
    app = App()

    @app.agent("a", on_limit=asks)
    async def agent(turn: Turn) -> str:
        for number in range(5):
            await turn.step(f"step {number}", lambda: None)
        return "all five"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        gate = await session.wait_interrupt(kind="gate")
        await h.kill_worker()
        await session.answer(gate, {"approved": approved})
        assert (await session.wait_finished()).result == ("all five" if approved else "stopped at 4")


@pytest.mark.parametrize(("approved", "result"), [(True, "all five"), (False, "stopped")])
async def test_what_a_turn_records(
    store_url: str, approved: bool, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its results are large: the hook is asked once, with something to spare, and at the same place in a replay."""
    monkeypatch.setattr(journal, "OPERATIONS_MAX_BYTES", 250_000)
    app, asked = App(), list[Limit]()

    async def hook(turn: Turn, limit: Limit) -> Any:
        asked.append(limit)
        return GoOn(1) if (await turn.gate("more room")).ok else "stopped"

    @app.agent("a", on_limit=hook)
    async def agent(turn: Turn) -> str:
        for number in range(5):
            await turn.step(f"step {number}", lambda: "x" * 100_000)
        return "all five"

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        gate = await session.wait_interrupt(kind="gate")
        await h.kill_worker()
        await session.answer(gate, {"approved": approved})
        turn = await session.wait_finished()
        assert (turn.end, turn.result) == ("completed", result)
    assert {(one.name, one.max) for one in asked} == {("bytes", 250_000)}
    assert len({one.used for one in asked}) == 1, "a replay sees the same numbers"
    assert asked[0].used > 300_000


async def test_without_a_hook_what_is_too_large_fails_the_turn(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "OPERATIONS_MAX_BYTES", 50_000)
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> None:
        await turn.step("large", lambda: "x" * 100_000)
        await turn.step("one more", lambda: None)

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        turn = await session.wait_finished()
        assert (turn.end, (turn.error or {})["code"]) == ("failed", "limit_reached")
