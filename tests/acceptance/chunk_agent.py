"""The generator of chunks of the acceptance tests: it asks before it refunds, and waits in the middle of a word."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.waiting import wait_until

from holdfast import App, Turn
from holdfast.agents import from_chunks

FOLDER = Path(os.environ["GENERATOR"])


async def desk(turn: Turn, messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
    with (FOLDER / "effects").open("a") as file:
        file.write("called\n")
    answered = [part["approval"] for part in messages[-1]["parts"] if part.get("state") == "approval-responded"]
    if answered and answered[0]["approved"]:
        with (FOLDER / "effects").open("a") as file:
            file.write("refunded\n")
        yield {"type": "tool-output-available", "toolCallId": "c1", "output": "paid"}
        yield "Paid."
    elif answered:
        yield f"Not paid: {answered[0]['reason']}."
    elif messages[-1]["parts"][0]["text"] == "slow":
        yield "Let me s"
        await wait_until(lambda: asyncio.to_thread((FOLDER / "go").exists), "it may go on", timeout=30)
        yield "ee."
    else:
        yield {"type": "tool-input-available", "toolCallId": "c1", "toolName": "refund", "input": {"amount": 200}}
        yield {"type": "tool-approval-request", "toolCallId": "c1", "approvalId": "a1"}


app = App()
app.add_agent("desk", from_chunks(desk))
