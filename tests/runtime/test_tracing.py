"""A turn's trace: what its function has been given, the same in every run."""

from __future__ import annotations

from holdfast import App, Policy, Turn, tool
from holdfast.core.policies import Match, Rule
from holdfast.testing import harness


@tool
async def refund(amount: float) -> str:
    return f"refunded {amount}"


async def test_who_decided_what_and_how_soon(store_url: str) -> None:
    small = Rule(action="auto_approve", match=Match(tool="refund", input={"amount": {"lte": 50}}), name="small ones")
    app, seen = App(policy=Policy(rules=[small])), list[list[tuple[str, str]]]()

    @app.agent("clerk", tools=[refund])
    async def clerk(turn: Turn) -> int:
        await turn.call(refund, amount=10)
        await turn.call(refund, amount=100)
        seen.append([(one.decision, one.decided_by.id) for one in turn.trace.approvals])
        await turn.gate("ship it")
        return len(turn.trace.approvals)

    async with harness(app, url=store_url) as h:
        session = await h.start("clerk", message="go")
        asked = await session.wait_interrupt(tool=refund)
        await h.advance("1 minute")
        await session.deny(asked, reason="too much", by="bob")
        gate = await session.wait_interrupt(kind="gate")
        await h.kill_worker()
        await session.approve(gate, by="bob")
        finished = await session.wait_finished()
        assert finished.result == 3
        assert set(map(tuple, seen)) == {(("approved", "small ones"), ("denied", "bob"))}, "in every run"
