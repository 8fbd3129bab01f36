"""An agent of the acceptance tests whose every call passes by a rule, and is shown to somebody afterwards."""

from __future__ import annotations

from typing import Any

from tests.acceptance.agents import SUFFIX, happened

from holdfast import App, Call, Policy, Rule, Turn, tool

app = App(policy=Policy(rules=[Rule(name="all", action="auto_approve")], sample=100))


@tool(idempotent=True)
async def spend(call: Call[Any], amount: float) -> str:
    """Spend something."""
    happened(call)
    return f"spent {amount}"


@app.agent("sampled" + SUFFIX, tools=[spend])
async def sampled(turn: Turn) -> str:
    """One call."""
    return (await turn.call(spend, 40.0)).status
