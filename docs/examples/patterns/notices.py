"""People who are not looking are told when a card opens and when it is settled; a hook that fails is called again."""

from holdfast import App, Notice, Turn, tool

app = App()
CHAT: list[str] = []


@app.on_interrupt
async def post(notice: Notice) -> None:
    what = notice.interrupt.toolName if notice.interrupt else notice.text
    CHAT.append(f"{notice.kind}: {what}")


@tool(approval=True)
async def reboot(host: str) -> str:
    """Reboot a machine."""
    return f"rebooted {host}"


@app.agent("hosts", tools=[reboot])
async def hosts(turn: Turn) -> None:
    await turn.call(reboot, "web-1")
