"""A tool asks while it runs; waiting holds no worker, and what its steps did before is not done again."""

from typing import Any

from holdfast import App, Call, Turn, tool

app = App()
RESERVED: list[str] = []


@tool(approval=False)
async def book_table(call: Call[Any], day: str) -> str:
    """Book a table."""
    await call.step("reserve", RESERVED.append, day)
    asked = await call.ask("Inside or outside?", options=["inside", "outside"])
    return f"{day}, {asked.value.selected[0]}" if asked.ok else asked.status


@app.agent("tables", tools=[book_table])
async def tables(turn: Turn) -> str:
    return (await turn.call(book_table, turn.message.text)).value
