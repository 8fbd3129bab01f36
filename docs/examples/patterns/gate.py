"""A turn stops at a gate until security lets it pass: no tool, just a name and what is to be decided."""

from holdfast import App, Turn

app = App()


@app.agent("release")
async def release(turn: Turn) -> str:
    gate = await turn.gate("release", {"version": turn.input}, approvers="role:security", expires="2 days")
    return f"released {turn.input}" if gate.ok else f"{gate.status}: {gate.reason}"
