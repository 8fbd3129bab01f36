"""Financial approval: small payments pass, larger ones take a person, the largest two of finance."""

from typing import Any

from holdfast import App, Approvers, Call, Match, Policy, Rule, Turn, tool

SMALL, LARGE = 100, 10_000
TWO_OF_FINANCE = Approvers(roles=("finance",), quorum=2, not_requester=True, require_reason=True)

app = App(
    policy=Policy(
        rules=[
            Rule(
                name="small payments", action="auto_approve", match=Match(tool="pay", input={"amount": {"lte": SMALL}})
            ),
            Rule(
                name="never to ourselves",
                action="auto_deny",
                reason="That account is our own.",
                match=Match(tool="pay", input={"account": "OWN-1"}),
            ),
        ],
        expires="1 day",
    )
)


@tool
async def pay(call: Call[Any], account: str, amount: float) -> str:
    """Pay an amount into an account."""
    return f"paid {amount:.2f} to {account} under {call.idempotency_key[:8]}"


@app.agent("payments", tools=[pay])
async def payments(turn: Turn) -> None:
    order = turn.input
    careful = pay.options(approvers=TWO_OF_FINANCE) if order["amount"] > LARGE else pay
    result = await turn.call(careful, account=order["account"], amount=order["amount"])
    await turn.write(str(result.value) if result.ok else f"Not paid ({result.status}): {result.reason}")
