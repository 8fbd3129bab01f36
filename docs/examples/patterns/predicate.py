"""Only refunds above 50 ask; the card says what is at stake, and a no reaches the agent word for word."""

from typing import Any

from holdfast import App, Approval, Call, Turn, tool

app = App()


def stakes(call: Call[Any]) -> Approval:
    amount = call.input["amount"]
    return Approval(amount > 50, message=f"Refund {amount}?", risk="high" if amount > 500 else "low")


@tool(approval=stakes)
async def refund(order: str, amount: int) -> str:
    """Refund an order."""
    return f"refunded {amount} for {order}"


@app.agent("support", tools=[refund])
async def support(turn: Turn) -> str:
    result = await turn.call(refund, **turn.input)
    return result.value if result.ok else f"{result.status}: {result.reason}"
