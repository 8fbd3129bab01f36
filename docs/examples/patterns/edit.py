"""Who approves may change the arguments; what was proposed is kept beside what counted, and the agent knows."""

from holdfast import App, Turn, tool

app = App()


@tool(approval=True, editable=True)
async def send_mail(to: str, text: str) -> str:
    """Send a mail."""
    return f"to {to}: {text}"


@app.agent("mailer", tools=[send_mail])
async def mailer(turn: Turn) -> str:
    sent = await turn.call(send_mail, to="customer@example.com", text="Your refund is late, sorry.")
    return f"sent {'as edited' if sent.edited else 'as written'}, {sent.value}" if sent.ok else sent.status
