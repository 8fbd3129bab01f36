"""What the agent cannot answer, an operator does in its place; the agent is mute meanwhile, and reads it later."""

from holdfast import App, Turn

app = App()


@app.agent("desk")
async def desk(turn: Turn) -> None:
    if turn.message.text == "opening hours?":
        await turn.write("From nine to five.")
    elif turn.message.text == "what was said?":
        await turn.write(" | ".join(said.text for said in turn.history if said.role == "assistant"))
    else:
        await turn.notify(f"Please take over: {turn.message.text}", to="operators")
        await turn.write("A person will answer this.")
