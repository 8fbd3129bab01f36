"""A message while the agent is at work steers it when it next looks; "replace" starts anew instead."""

from holdfast import App, Turn, tool

app = App()


@tool(approval=True)
async def order(item: str) -> str:
    """Order something."""
    return f"ordered {item}"


@app.agent("shop", tools=[order], on_message="steer", modes=["replace"])
async def shop(turn: Turn) -> str:
    result = await turn.call(order, turn.message.text)
    wishes = [said.text for said in await turn.steering()]
    return "; ".join([result.value if result.ok else result.status, *wishes])
