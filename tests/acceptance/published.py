"""An app that publishes a tool for agents elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from holdfast import App, Call, tool

app = App()


@tool(approval=True)
def refund(call: Call, order: str) -> str:
    """Refund an order."""
    with Path(os.environ["HOLDFAST_TEST_EFFECTS"]).open("a") as file:
        file.write(f"refund {call.turn} {order}\n")
    return f"{order} is refunded."


app.publish(refund)
