"""An agent of ours that another Holdfast has as an agent of somebody else's: it asks in each way there is."""

from __future__ import annotations

from typing import Any

from tests.acceptance.agents import happened

from holdfast import App, Call, Turn, tool

app = App()


@tool(approval=True, editable=True)
async def refund(call: Call[Any], order_id: str, amount: float) -> str:
    """Refund an order."""
    happened(call)
    return f"{amount}"


@app.agent("desk", tools=[refund])
async def desk(turn: Turn) -> str | None:
    if turn.message.text == "go":
        return None
    await turn.write("Let me see. ")
    name = await turn.ask("Who asks?")
    schema = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]}
    form = await turn.form("When?", schema)
    refunded = await turn.call(refund, order_id=turn.message.text, amount=200.0)
    return f"{refunded.value} on {form.value['day']} for {name.value.text}"
