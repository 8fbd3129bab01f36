from typing import Any

from holdfast import App, Call, Turn, tool

app = App()


@tool(approval=lambda call: call.input["amount"] > 50, expires="1h", on_expiry="deny")
async def refund(call: Call[Any], order_id: str, amount: float) -> str:
    """Refund an order."""
    # Give the key to whoever pays: it is the same in every attempt at this call.
    return f"{amount:.2f} for {order_id}, booked as {call.idempotency_key[:8]}"


@app.agent("refunds", tools=[refund])
async def refunds(turn: Turn) -> None:
    order_id, _, amount = turn.message.text.partition(" ")  # "A-17 200"
    await turn.write(f"Looking at {order_id}. ")  # streams to every device
    result = await turn.call(refund, order_id=order_id, amount=float(amount or 0))  # a human, if need be; then once
    await turn.write(f"Refunded {result.value}." if result.ok else f"Not refunded: {result.reason or result.status}.")
