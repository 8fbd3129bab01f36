"""Answers are collected and recorded, and the turn goes on only when somebody presses the button: once."""

from holdfast import App, Turn

app = App()


@app.agent("intake")
async def intake(turn: Turn) -> list[str]:
    name, city = await turn.all(
        turn.ask("Your name?", auto_continue=False),
        turn.ask("Your city?", auto_continue=False),
    )
    return [str(asked.value.text) if asked.ok else asked.status for asked in (name, city)]
