"""Small refunds pass by a rule; a share of them is shown to somebody afterwards, who says whether that was right."""

from holdfast import App, Match, Policy, Rule, Turn, tool

SMALL = Rule(
    name="small refunds",
    action="auto_approve",
    match=Match(tool="refund", input={"amount": {"lte": 50}}),
    sample=100,  # percent; 5 once it is known to be right
)
app = App(policy=Policy(rules=[SMALL], reviewers="role:audit"))


@tool
async def refund(order: str, amount: int) -> str:
    """Refund an order."""
    return f"refunded {amount} for {order}"


@app.agent("support", tools=[refund])
async def support(turn: Turn) -> str:
    return (await turn.call(refund, **turn.input)).value
