"""An agent of the OpenAI Agents SDK, on OpenAI's wire, at whatever address the environment says."""

from __future__ import annotations

from agents import Agent, function_tool, set_tracing_disabled
from tests.acceptance.agents import noted

from holdfast import App
from holdfast.agents import from_openai_agents

set_tracing_disabled(True)


@function_tool(needs_approval=True)
async def refund(order_id: str, amount: float) -> str:
    """Refund an order."""
    noted("refund", order_id, str(amount))
    return f"refunded {amount}"


app = App()
app.add_agent("theirs", from_openai_agents(Agent("desk", model="gpt-5", tools=[refund])))
