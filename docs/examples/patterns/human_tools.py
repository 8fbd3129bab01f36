"""A model is given people as tools: it can ask a human, and have an action approved that no tool stands for."""

from holdfast import App, Turn
from holdfast.tools import ask_human, request_approval

app = App()


@app.agent("assistant", tools=[ask_human, request_approval])
async def assistant(turn: Turn) -> str:
    """Called here as a model would call them: by their JSON arguments."""
    which = await turn.call(ask_human, question="Which list?", options=["staff", "all"])
    may_i = await turn.call(request_approval, action=f"mail to {which.value.selected[0]}", details={"count": 3})
    return f"approved by {may_i.value.by}" if may_i.value.approved else f"not approved: {may_i.value.reason}"
