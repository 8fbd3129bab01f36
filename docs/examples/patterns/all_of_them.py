"""A batch: what needs nobody runs at once, the rest waits, in any order; one no leaves the others as they are."""

from holdfast import App, Turn, tool

app = App()


@tool(approval=False)
async def look_up(city: str) -> str:
    return f"looked up {city}"


@tool(approval=True)
async def book(city: str) -> str:
    """Book a trip."""
    return f"booked {city}"


@app.agent("trips", tools=[look_up, book])
async def trips(turn: Turn) -> list[str]:
    results = await turn.all(turn.call(look_up, "Oslo"), turn.call(book, "Oslo"), turn.call(book, "Rome"))
    return [result.value if result.ok else result.status for result in results]
