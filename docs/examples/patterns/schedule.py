"""A turn starts every morning by itself and asks before it sends; another is put off by an agent, for two days."""

from holdfast import App, Turn

app = App()
SENT: list[str] = []


@app.scheduled(cron="0 9 * * *", timezone="Europe/Berlin")
async def report(turn: Turn) -> None:
    if (await turn.gate("send the report", "numbers")).ok:
        await turn.step("send", SENT.append, "numbers")


@app.agent("invoices")
async def invoices(turn: Turn) -> str:
    if turn.input == "is it paid?":
        return "reminded"
    return await turn.schedule("remind", delay="2 days", input="is it paid?")
