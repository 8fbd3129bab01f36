"""The agent by URL of the acceptance tests: at whatever address the environment says."""

from __future__ import annotations

import os

from holdfast import App
from holdfast.agents import agui

app = App()
token = os.environ.get("AGENT_TOKEN")
headers = {"authorization": f"Bearer {token}"} if token else None
app.add_agent("theirs", agui(os.environ["AGENT_URL"], headers=headers, asks={"refund": {"expires": "7 days"}}))
