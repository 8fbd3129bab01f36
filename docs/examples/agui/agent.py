import os

from holdfast import App, client_tool
from holdfast.agents import agui

app = App()


@client_tool
async def location(accuracy: str) -> str:
    """Where the user is."""
    ...


theirs = agui(
    os.environ.get("AGENT_URL", "http://127.0.0.1:9000/"),
    headers=lambda turn: {"x-user": turn.principal.subject},  # sent with each run, recorded nowhere
    asks={"refund": {"approvers": "role:finance", "expires": "7 days"}},  # whom to ask, and for how long
)
app.add_agent("support", theirs, tools=[location])  # what is given here, the agent may call as tools of its application
