"""Content moderation: what the filter is unsure of waits for a moderator, who may edit it before it is published."""

from holdfast import App, Call, Turn, tool

app = App()
UNSURE = ("damn", "click here")


@tool(
    approval=lambda call: any(word in call.input["text"].lower() for word in UNSURE),
    approvers="role:moderator",
    editable=True,
    expires="2 days",
)
async def publish(call: Call[None], text: str) -> str:
    """Publish a post."""
    return text


@app.agent("posts", tools=[publish])
async def posts(turn: Turn) -> None:
    result = await turn.call(publish, text=turn.message.text)
    if not result.ok:
        await turn.write(f"Not published: {result.reason or result.status}")
    elif result.value != turn.message.text:
        await turn.write(f"Published as edited: {result.value}")
    else:
        await turn.write(f"Published: {result.value}")
