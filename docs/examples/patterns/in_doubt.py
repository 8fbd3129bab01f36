"""A worker dies in the middle of a payment: nothing is paid twice; an operator says whether it had happened."""

import asyncio

from holdfast import App, Turn, tool

app = App()
STARTED, GO_ON = asyncio.Event(), asyncio.Event()


@tool(approval=False)
async def pay(amount: int) -> str:
    """Pay, at a bank that knows no idempotency keys."""
    STARTED.set()
    await GO_ON.wait()
    return f"paid {amount}"


@app.agent("bills", tools=[pay])
async def bills(turn: Turn) -> str:
    result = await turn.call(pay, 20)
    return result.value if result.ok else f"{result.status}: {result.reason}"
