"""The LLM agent of the acceptance tests: on OpenAI's wire, at whatever address the environment says."""

from __future__ import annotations

from typing import Any

from tests.acceptance.agents import happened

from holdfast import App, Call, tool
from holdfast.agents import llm

app = App()


@tool(approval=True)
async def refund(call: Call[Any], order_id: str, amount: float) -> str:
    """Refund an order."""
    happened(call)
    return f"refunded {amount}"


app.add_agent("model", llm("openai:gpt-5", instructions="Be kind."), tools=[refund])
