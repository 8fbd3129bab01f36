"""A workflow over days: steps that are done once, a gate, a week of sleep, progress; any worker carries it on."""

from holdfast import App, Turn

app = App()
OPENED: list[str] = []


def open_account(name: str) -> str:
    OPENED.append(name)
    return f"account of {name}"


@app.agent("onboarding")
async def onboarding(turn: Turn) -> str:
    account = await turn.step("open account", open_account, turn.input, retries=5)
    if not (await turn.gate("check identity", account, expires="14 days")).ok:
        return "not let in"
    await turn.progress({"done": 1, "of": 2})
    await turn.sleep("7 days")
    return f"welcome, {account}"
