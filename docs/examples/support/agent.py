"""A support desk that runs without any key:  holdfast dev docs/examples/support/agent.py:app

It looks up orders, refunds, cancels, and changes addresses. A refund above €50 waits for a human, and so does
every cancellation. `planner.py` says what to do about a message; here it is done.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import words
from planner import Ask, Book, Cancel, ListOrders, Move, Refund, Said, Say, Status, Step, plan
from shop import Order, Shop, money

from holdfast import App, Call, Turn, tool

PAUSE_S = 0.02  # between two words: as fast as one reads

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


@app.agent("support", tools=[lookup, list_orders, refund, cancel_order, change_address])
async def support(turn: Turn) -> None:
    """Answer one message."""
    person = turn.principal.name or turn.principal.subject
    steps = plan(turn.message.text, conversation(turn), book, person)
    refunds = [step for step in steps if isinstance(step, Refund)]
    for step in steps:
        if not isinstance(step, Refund):
            await do(turn, step, person)
        elif step is refunds[0]:
            await refund_all(turn, refunds)


def conversation(turn: Turn) -> list[Said]:
    """What was said before, as the planner reads it."""
    return [Said("user" if message.role == "user" else "agent", words.text_of(message)) for message in turn.history]


async def do(turn: Turn, step: Step, person: str) -> None:
    match step:
        case Status(order):
            found = await turn.call(lookup, order)
            await say(turn, words.status(found.value) if found.ok and found.value else words.lost(order))
        case ListOrders(customer, open_only):
            found = await turn.call(list_orders, customer, open_only)
            await say(turn, words.listing(found.value, customer, open_only))
        case Cancel(order):
            await cancel(turn, order)
        case Move(order, address):
            await move(turn, order, address)
        case Ask():
            await say(turn, words.question(step, book))
        case Say(what):
            await say(turn, words.reply(what, person))
        case Refund():
            await refund_all(turn, [step])


async def refund_all(turn: Turn, refunds: list[Refund]) -> None:
    """Refund orders side by side: all that needs a human is asked for at once, and a no stops no other."""
    await say(turn, words.looking([step.order for step in refunds]))
    found = await turn.all(*(turn.call(lookup, step.order) for step in refunds))
    ready: list[tuple[Order, float]] = []
    for step, result in zip(refunds, found, strict=True):
        order = result.value
        amount = order and step.amount.of(order.left)
        if order is None or not amount or amount > order.left:
            await say(turn, words.no_refund(order, step.order))
        else:
            ready.append((order, float(amount)))
    if not ready:
        return
    await say(turn, words.refunding([(order.id, money(amount)) for order, amount in ready]))
    results = await turn.all(*(turn.call(refund, order_id=order.id, amount=amount) for order, amount in ready))
    for (order, amount), result in zip(ready, results, strict=True):
        await say(turn, words.refunded(order.id, money(amount), result))


async def cancel(turn: Turn, order_id: str) -> None:
    order = (await turn.call(lookup, order_id)).value
    if order is None or order.state != "processing":
        await say(turn, words.no_cancel(order, order_id))
        return
    await say(turn, words.cancelling(order))
    await say(turn, words.cancelled(order.id, await turn.call(cancel_order, order.id)))


async def move(turn: Turn, order_id: str, address: str) -> None:
    order = (await turn.call(lookup, order_id)).value
    if order is None or order.state != "processing":
        await say(turn, words.no_move(order, order_id))
        return
    await say(turn, words.moved(order.id, address, await turn.call(change_address, order.id, address)))


async def say(turn: Turn, text: str) -> None:
    """Write a paragraph word by word, as a model would."""
    for word in text.split(" "):
        await turn.write(word + " ")
        await asyncio.sleep(PAUSE_S)
    await turn.write("\n\n")
