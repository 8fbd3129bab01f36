"""At a limit the agent does not just stop: a person may grant more, and without a yes it ends with what it has."""

from holdfast import App, GoOn, Limit, Turn

app = App()


async def ask_somebody(turn: Turn, limit: Limit) -> GoOn | str:
    gate = await turn.gate(f"more {limit.name}?", {"used": limit.used, "max": limit.max}, expires="1 day")
    return GoOn(2) if gate.ok else f"stopped after {limit.used}"


@app.agent("research", on_limit=ask_somebody)
async def research(turn: Turn) -> str:
    searches = turn.limit("searches", max=3)
    for _ in range(5):
        await searches.use()
    return "found after 5"
