"""A model that has another model do something: on OpenAI's wire, at whatever address the environment says."""

from __future__ import annotations

from typing import Any

from tests.acceptance.agents import happened

from holdfast import App, Call, agent_tool, tool
from holdfast.agents import llm

app = App()


@tool(approval=True)
async def refund(call: Call[Any], order_id: str, amount: float) -> str:
    """Refund an order."""
    happened(call)
    return f"refunded {amount}"


@agent_tool
async def cashier(message: str) -> str:
    """Have the cashier do something."""


app.add_agent("cashier", llm("openai:gpt-5", instructions="You are the cashier."), tools=[refund])
app.add_agent("desk", llm("openai:gpt-5", instructions="You are the desk."), tools=[cashier])
