"""A secret is typed in elsewhere: people follow a link, and only that page's own server says that it is done."""

from holdfast import App, Turn

app = App()
CONSENT = "https://auth.example.com/authorize"


@app.agent("calendar")
async def calendar(turn: Turn) -> str:
    done = await turn.form("Connect your calendar.", url=CONSENT, approvers="role:calendar-app", expires="30 min")
    return "connected" if done.ok else done.status
