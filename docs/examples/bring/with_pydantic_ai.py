import os

from pydantic_ai import Agent

from holdfast import App, client_tool
from holdfast.agents import from_pydantic_ai

desk = Agent(os.environ.get("MODEL", "openai:gpt-5"), instructions="You are a kind support desk.")


@desk.tool_plain(requires_approval=True)
async def refund(order_id: str, amount: float) -> str:
    """Refund an order."""
    return f"{amount} paid back for {order_id}"


@client_tool
async def location(accuracy: str) -> str:
    """Where the user is."""
    ...


app = App()
theirs = from_pydantic_ai(desk, asks={"refund": {"approvers": "role:finance", "expires": "7 days"}})
app.add_agent("support", theirs, tools=[location])  # what is given here, the agent is offered beside its own tools
