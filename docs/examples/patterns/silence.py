"""Silence is consent, but only where it says so: a post goes out by itself unless somebody objects within an hour."""

from holdfast import App, Turn, tool

app = App()


@tool(approval=True, expires="1 h", on_expiry="approve")
async def publish(text: str) -> str:
    """Publish a post."""
    return f"published: {text}"


@app.agent("posts", tools=[publish])
async def posts(turn: Turn) -> str:
    result = await turn.call(publish, turn.message.text)
    return f"{result.value}, decided by the {result.decision.by.kind}" if result.ok and result.decision else "held back"
