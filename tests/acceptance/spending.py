"""An agent of the acceptance tests that spends, up to what all its sessions together may spend unasked."""

from __future__ import annotations

from typing import Any

from tests.acceptance.agents import SUFFIX, happened

from holdfast import App, Budget, Call, Policy, Rule, Turn, tool

#: Two calls of 40 pass; a third would go over.
TOGETHER = Budget(name="together", tool="spend", amount="input.amount", limit=100, per="agent")
app = App(policy=Policy(rules=[Rule(name="all", action="auto_approve")], budgets=[TOGETHER]))


@tool(idempotent=True)
async def spend(call: Call[Any], amount: float) -> str:
    """Spend something."""
    happened(call)
    return f"spent {amount}"


@app.agent("spender" + SUFFIX, tools=[spend])
async def spender(turn: Turn) -> str:
    """One call."""
    return (await turn.call(spend, 40.0)).status
