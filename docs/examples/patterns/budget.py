"""Refunds pass unasked until a person has had 100 of them in a day; the one that would go over is asked about."""

from holdfast import App, Budget, Policy, Rule, Turn, tool

DAILY = Budget(name="daily refunds", tool="refund", amount="input.amount", limit=100, per=("person", "day"))
app = App(policy=Policy(rules=[Rule(name="refunds", action="auto_approve")], budgets=[DAILY]))


@tool
async def refund(order: str, amount: int) -> str:
    """Refund an order."""
    return f"refunded {amount} for {order}"


@app.agent("support", tools=[refund])
async def support(turn: Turn) -> list[str]:
    results = [await turn.call(refund, order, 40) for order in ("A-1", "A-2", "A-3")]
    return [result.status for result in results]
