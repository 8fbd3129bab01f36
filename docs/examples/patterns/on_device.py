"""A tool runs on the device of a person: one device claims it, another takes over, and 0 and "" are answers."""

from holdfast import App, Turn, client_tool

app = App()


@client_tool(expires="10 min")
async def battery(unit: str) -> int:
    """How full the battery is."""
    ...


@app.agent("care", tools=[battery])
async def care(turn: Turn) -> str:
    level = await turn.call(battery, unit="%")
    return f"{level.value} %" if level.ok else f"unknown: {level.reason or level.status}"
