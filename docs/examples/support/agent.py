"""A support desk. Without any key:  holdfast dev docs/examples/support/agent.py:app

It looks up orders, refunds, cancels, and changes addresses. A refund above €50 waits for a human, and so does
every cancellation. Who speaks is a language model: with HOLDFAST_MODEL=openai:gpt-5 and OPENAI_API_KEY (or another
provider's) a real one, else the one of `offline.py`, which needs neither a key nor a network.
"""

from __future__ import annotations

import os
from pathlib import Path

from offline import PERSON, offline
from planner import Book
from shop import Order, Shop

from holdfast import App, Call, Turn, tool
from holdfast.agents import llm

INSTRUCTIONS = """You are the support desk of a small shop.
Look an order up before you refund, cancel or move it. Never promise what a tool has not done.
Refunds above €50 and all cancellations are put before a colleague by themselves: just call the tool.
Amounts are in euros, and order numbers look like A-17. Be kind, and brief."""

app = App()
shop = Shop.load(Path(__file__).with_name("orders.json"))
book = Book(shop.orders)


@tool(approval=False, idempotent=True)
async def lookup(order_id: str) -> Order | None:
    """Look an order up."""
    return shop.find(order_id)


@tool(approval=False, idempotent=True)
async def list_orders(customer: str | None, open_only: bool) -> list[Order]:
    """The orders of a customer, or of everybody, newest first."""
    orders = [shop.find(order.id) or order for order in book.of(customer)]
    return [order for order in orders if order.state == "processing" or not open_only]


@tool(approval=lambda call: call.input["amount"] > 50, expires="1h", on_expiry="deny")
async def refund(call: Call[None], order_id: str, amount: float) -> str:
    """Refund an order."""
    return shop.refund(order_id, amount, key=call.idempotency_key)


@tool(approval=True, expires="1h", on_expiry="deny", idempotent=True)
async def cancel_order(order_id: str) -> str:
    """Cancel an order that has not been sent."""
    return shop.cancel(order_id)


@tool(approval=False, idempotent=True)
async def change_address(order_id: str, address: str) -> str:
    """Deliver an order that has not been sent to another address."""
    return shop.move(order_id, address)


def instructions(turn: Turn) -> str:
    return f"{INSTRUCTIONS}\n{PERSON}{turn.principal.name or turn.principal.subject}"


app.add_agent(
    "support",
    llm(os.environ.get("HOLDFAST_MODEL") or offline(book), instructions=instructions, max_turns=50),
    tools=[lookup, list_orders, refund, cancel_order, change_address],
)
