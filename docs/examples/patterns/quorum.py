"""Two different people of finance, none of them the requester, each with a reason; one no is enough to stop it."""

from holdfast import App, Approvers, Turn, tool

app = App()
FOUR_EYES = Approvers(roles=("finance",), quorum=2, not_requester=True, require_reason=True)


@tool(approval=True, approvers=FOUR_EYES, expires="2 days")
async def pay_out(account: str, amount: int) -> str:
    """Pay out to an account."""
    return f"paid {amount} to {account}"


@app.agent("payouts", tools=[pay_out])
async def payouts(turn: Turn) -> str:
    result = await turn.call(pay_out, account="DE-7", amount=20_000)
    return result.value if result.ok else f"{result.status}: {result.reason}"
