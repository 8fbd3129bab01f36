"""An agent of the browser tests: whatever a card can show, it asks for by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from holdfast import (
    App,
    Approval,
    Approvers,
    Call,
    HandOver,
    Match,
    Policy,
    Remind,
    Result,
    Rule,
    Turn,
    client_tool,
    tool,
)

#: Small things pass, and all of them are shown afterwards.
SMALL = Rule(name="small tips", action="auto_approve", match=Match(tool="tip"), sample=100)
app = App(policy=Policy(rules=[SMALL]))


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


@tool(
    approval=True,
    approvers="role:finance",
    escalate=[Remind("1 s"), HandOver("2 s", "role:manager"), HandOver("1 h", "role:director")],
    expires="2 h",
    on_expiry="escalate",
)
async def raise_limit(customer: str, limit: int) -> str:
    """Raise a customer's credit limit."""
    return f"{customer} has {limit} now."


@tool(approval=True, auto_continue=False)
async def close_month(month: str) -> str:
    """Close the books of a month."""
    return f"Closed {month}."


@tool
async def tip(waiter: str, amount: float) -> str:
    """Tip a waiter."""
    return f"Tipped {waiter} {amount:.2f}."


@client_tool
async def location(accuracy: str) -> str: ...


PLAIN: dict[str, tuple[Any, ...]] = {
    "limit": (raise_limit, "C-204", 5000),
    "close": (close_month, "October"),
    "tip": (tip, "Ines", 4.5),
}


async def counting(to: int) -> AsyncIterator[str]:
    """Slowly enough for something to happen meanwhile."""
    for number in range(1, to + 1):
        yield f"{number} "
        await asyncio.sleep(0.02)


@app.agent("desk", tools=[pay_invoice, delete_account, refund, raise_limit, close_month, tip, location])
async def desk(turn: Turn) -> None:
    """Does what the message names."""
    for name in turn.message.text.split():
        result = await _done(turn, name)
        if result is not None:
            await turn.write(f"{result.value}\n\n" if result.ok else f"Not done: {result.reason or result.status}.\n\n")


async def _done(turn: Turn, name: str) -> Result[Any] | None:
    """What became of one word of a message; nothing, of one that asks for nothing."""
    word, _, rest = name.partition("-")
    match word:
        case "pay":
            return await turn.call(pay_invoice, supplier="Nordwind GmbH", amount=4820.0)
        case "delete":
            return await turn.call(delete_account, customer="C-204")
        case "locate":
            return await turn.call(location, "high")
        case "refund":
            return await turn.call(refund, rest, 99.0)
        case "ask":
            return await turn.agent(cashier, rest)
        case "connect":
            return await turn.form("Connect your calendar.", url="https://auth.example.com:8443/authorize?state=x")
        case "note":
            await turn.patch_state({"op": "add", "path": "/note", "value": rest})
        case "count":
            await turn.stream("count", counting, int(rest))
        case _ if name in PLAIN:
            called, *args = PLAIN[name]
            return await turn.call(called, *args)
        case _:
            pass
    return None


async def cashier(turn: Turn) -> str:
    """Has the desk's tools, and a name of its own."""
    await turn.write("I look into my drawer.")
    return (await turn.call(refund, turn.message.text, 99.0)).value


@app.agent("one-by-one", tools=[refund], modes=())
async def one_by_one(turn: Turn) -> None:
    """Takes messages as they come, and lets nobody interfere."""
    await turn.call(refund, turn.message.text, 99.0)


@app.agent("numbers")  # the first by name is the one with which the page begins: that is `desk`
async def numbers(turn: Turn) -> None:
    """Counts as far as it is told, slowly enough to be left and found again."""
    for number in range(int(turn.message.text)):
        await turn.write(f"{number} ")
        await asyncio.sleep(0.02)
