"""A turn as its author sees it: run, wait, go on, crash, diverge; on the real store."""

from __future__ import annotations

from typing import Any

from holdfast import App, Call, Turn, tool
from holdfast.testing import harness

refunded: list[tuple[str, float]] = []


@tool(approval=lambda call: call.input["amount"] > 50, expires="1h", on_expiry="deny")
async def refund(call: Call[Any], order_id: str, amount: float) -> str:
    """Refund an order."""
    refunded.append((order_id, amount))
    return f"refunded {amount}"


def make_app() -> App:
    app = App()

    @app.agent("support", tools=[refund])
    async def support(turn: Turn) -> str:
        await turn.write("Looking at your order. ")
        amount = await turn.step("amount", lambda: float(turn.message.text))
        result = await turn.call(refund, order_id="A-17", amount=amount)
        await turn.write("Refunded." if result.ok else f"Not refunded: {result.reason}")
        return result.status

    return app


async def test_small_refund_runs_at_once(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="20")
        turn = await session.wait_finished()
        assert (turn.end, turn.result) == ("completed", "done")
        assert h.executions(refund) == 1
        assert await session.text() == "Looking at your order. Refunded."


async def test_approved_runs_once(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="200")
        ask = await session.wait_interrupt(tool=refund)
        assert ask.input == {"order_id": "A-17", "amount": 200.0}
        await session.wait_waiting()
        assert h.executions(refund) == 0
        answer = await session.approve(ask, by="bob")
        assert answer.outcome == "won"
        turn = await session.wait_finished()
        assert (turn.end, turn.result) == ("completed", "done")
        assert h.executions(refund) == 1
        late = await session.deny(ask, by="carol")
        assert (late.outcome, late.decision) == ("lost", answer.decision)
        assert await session.text() == "Looking at your order. Refunded."


async def test_denied_never_runs(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="200")
        ask = await session.wait_interrupt(tool=refund)
        await session.deny(ask, reason="too much", by="bob")
        turn = await session.wait_finished()
        assert (turn.result, h.executions(refund)) == ("denied", 0)
        assert await session.text() == "Looking at your order. Not refunded: too much"


async def test_expires_by_itself(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="200")
        ask = await session.wait_interrupt(tool=refund)
        await session.wait_waiting()
        await h.advance("2 h")
        turn = await session.wait_finished()
        assert (turn.result, h.executions(refund)) == ("expired", 0)
        history = await session.events()
        late = await session.approve(ask)
        assert late.outcome == "lost"
        assert late.decision is not None
        assert (late.decision.status, late.decision.by.kind) == ("expired", "deadline")
        assert await session.events() == history


async def test_goes_on_after_a_crash_while_waiting(store_url: str) -> None:
    async with harness(make_app(), url=store_url) as h:
        session = await h.start("support", message="200")
        ask = await session.wait_interrupt(tool=refund)
        await h.kill_worker()
        await session.approve(ask)
        turn = await session.wait_finished()
        assert (turn.result, h.executions(refund)) == ("done", 1)
        assert await session.text() == "Looking at your order. Refunded."
