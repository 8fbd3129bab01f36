import os

from agents import Agent, function_tool

from holdfast import App, client_tool
from holdfast.agents import from_openai_agents


@function_tool(needs_approval=True)
async def refund(order_id: str, amount: float) -> str:
    """Refund an order."""
    return f"{amount} paid back for {order_id}"


@client_tool
async def location(accuracy: str) -> str:
    """Where the user is."""
    ...


desk = Agent("desk", model=os.environ.get("MODEL"), instructions="You are a kind support desk.", tools=[refund])
app = App()
theirs = from_openai_agents(desk, asks={"refund": {"approvers": "role:finance", "expires": "7 days"}})
app.add_agent("support", theirs, tools=[location])  # what is given here, the agent is offered beside its own tools
