"""Nobody answers: remind after ten minutes, ask managers too after an hour, deny after a day."""

from holdfast import App, HandOver, Remind, Turn, tool

app = App()


@tool(
    approval=True,
    approvers="role:finance",
    escalate=[Remind("10 min"), HandOver("1 h", "role:manager")],
    expires="1 day",
    on_expiry="deny",
)
async def refund(order: str) -> str:
    """Refund an order."""
    return f"refunded {order}"


@app.agent("refunds", tools=[refund])
async def refunds(turn: Turn) -> str:
    result = await turn.call(refund, "A-17")
    return result.value if result.ok else result.status
