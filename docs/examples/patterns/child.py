"""An agent has another one do something: what that one asks stands in the same conversation, under its own name."""

from holdfast import App, Turn, agent_tool, tool

app = App()


@tool(approval=True)
async def book(hotel: str) -> str:
    """Book a hotel."""
    return f"booked {hotel}"


@app.agent("travel", tools=[book])
async def travel(turn: Turn) -> str:
    booked = await turn.call(book, f"a hotel in {turn.input['city']}")
    return booked.value if booked.ok else f"nothing in {turn.input['city']}"


@agent_tool(agent="travel")
async def find_hotel(city: str) -> str:
    """Have the travel agent find a hotel."""
    ...


@app.agent("assistant", tools=[find_hotel])
async def assistant(turn: Turn) -> str:
    cities = turn.message.text.split(" and ")
    found = await turn.all(*(turn.call(find_hotel, city) for city in cities))
    return "; ".join(result.value for result in found)
