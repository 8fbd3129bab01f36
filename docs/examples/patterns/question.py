"""The agent asks a question with options, and goes on with the answer, however much later it comes."""

from holdfast import App, Turn

app = App()


@app.agent("travel")
async def travel(turn: Turn) -> str:
    asked = await turn.ask("How do you travel?", options=["train", "plane"], free_text=True, expires="7 days")
    if not asked.ok:
        return f"no answer: {asked.status}"
    return f"{asked.value.selected[0]} ({asked.value.text or 'no remark'})"
