"""An agent of the browser tests: whatever a card can show, it asks for by name."""

from __future__ import annotations

from typing import Any

from holdfast import App, Approval, Approvers, Call, Turn, client_tool, tool

app = App()


def stakes(call: Call[Any]) -> Approval:
    return Approval(
        True,
        message=f"Pay €{call.input['amount']:.2f} to {call.input['supplier']}?",
        summary="Invoice 2026-118, due on Friday",
        impact="The money leaves the account at once and cannot be called back.",
        risk="high",
    )


@tool(approval=stakes, approvers=Approvers(quorum=2), editable=True, expires="2h")
async def pay_invoice(supplier: str, amount: float, note: str = "") -> str:
    """Pay an invoice."""
    return f"Paid {amount:.2f} to {supplier}."


@tool(approval=True, approvers=Approvers(require_reason=True), expires="30m")
async def delete_account(customer: str) -> str:
    """Delete a customer's account and all that belongs to it."""
    return f"Deleted {customer}."


@tool(approval=True, expires="1h")
async def refund(order_id: str, amount: float) -> str:
    """Refund an order."""
    return f"Refunded {amount:.2f} of {order_id}."


@client_tool
async def location(accuracy: str) -> str: ...


@app.agent("desk", tools=[pay_invoice, delete_account, refund, location])
async def desk(turn: Turn) -> None:
    """Does what the message names."""
    for name in turn.message.text.split():
        if name == "pay":
            result = await turn.call(pay_invoice, supplier="Nordwind GmbH", amount=4820.0)
        elif name == "delete":
            result = await turn.call(delete_account, customer="C-204")
        elif name == "locate":
            result = await turn.call(location, "high")
        elif name.startswith("refund-"):
            result = await turn.call(refund, name.removeprefix("refund-"), 99.0)
        else:
            continue
        await turn.write(f"{result.value}\n\n" if result.ok else f"Not done: {result.reason or result.status}.\n\n")
