"""An agent of pydantic-ai, on OpenAI's wire, at whatever address the environment says."""

from __future__ import annotations

from pydantic_ai import Agent
from tests.acceptance.agents import noted

from holdfast import App
from holdfast.agents import from_pydantic_ai

agent = Agent("openai:gpt-5", name="desk")


@agent.tool_plain(requires_approval=True)
async def refund(order_id: str, amount: float) -> str:
    """Refund an order."""
    noted("refund", order_id, str(amount))
    return f"refunded {amount}"


app = App()
app.add_agent("theirs", from_pydantic_ai(agent))
