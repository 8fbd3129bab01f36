"""Somebody who approves says "always" with it: the like passes from then on, and what is not like it is asked about."""

from typing import Any

from holdfast import App, Turn, tool

app = App()

#: What a device sends to say yes once and for all the like: here, up to 100, in this session.
ALWAYS: dict[str, Any] = {
    "approved": True,
    "grant": {"scope": "session", "input": {"amount": {"lte": 100}}},
}


@tool
async def refund(order: str, amount: int) -> str:
    """Refund an order."""
    return f"refunded {amount} for {order}"


@app.agent("support", tools=[refund])
async def support(turn: Turn) -> list[str]:
    orders = [("A-1", 70), ("A-2", 30), ("A-3", 500)]
    results = [await turn.call(refund, order, amount) for order, amount in orders]
    return [f"{result.status} by {result.decision.by.kind}" for result in results if result.decision]
