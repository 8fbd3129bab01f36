"""A turn's trace: what its function has been given, the same in every run."""

from __future__ import annotations

from typing import Any

from holdfast import App, Call, Policy, Result, Turn, tool
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


async def test_a_result_tells_what_was_decided_about_it_alone(store_url: str) -> None:
    small = Rule(action="auto_approve", match=Match(input={"amount": {"lte": 50}}), name="small ones")
    app = App(policy=Policy(rules=[small]))

    @tool(approval=False)
    async def ship(call: Call[Any]) -> list[str]:
        return told(await call.gate("ship it"))

    def told(result: Result[Any]) -> list[str]:
        return [f"{one.tool} {one.decision} by {one.decided_by.id}" for one in result.trace.approvals]

    @app.agent("clerk", tools=[refund, ship])
    async def clerk(turn: Turn) -> list[list[str]]:
        results = await turn.all(turn.call(refund, amount=10), turn.call(refund, amount=100))
        shipped = await turn.call(ship)
        asked = await turn.ask("Sure?")
        return [*map(told, results), shipped.value, told(shipped), told(asked)]

    async with harness(app, url=store_url) as h:
        session = await h.start("clerk", message="go")
        await session.deny(await session.wait_interrupt(tool=refund), by="bob")
        await session.approve(await session.wait_interrupt(kind="gate"), by="carol")
        question = await session.wait_interrupt(kind="question")
        await h.kill_worker()
        await session.answer(question, {"text": "yes"})
        assert (await session.wait_finished()).result == [
            ["refund approved by small ones"],
            ["refund denied by bob"],
            ["ship it approved by carol"],
            [],
            [],
        ]
