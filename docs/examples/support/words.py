"""The sentences of the support desk. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from planner import Ask, Book
from shop import Order, euros

LISTED = 8  # more is a table, and nobody reads that in a chat

_WHERE = {
    "processing": "is being packed and has not left yet",
    "shipped": "is on its way",
    "delivered": "was delivered",
    "cancelled": "was cancelled",
    "refunded": "was refunded in full",
}


@dataclass(frozen=True)
class Gave:
    """What became of a tool call, as a model is told: its value, or in words why there is none."""

    outcome: str
    content: Any

    @property
    def ok(self) -> bool:
        return self.outcome == "success"


# ---------------------------------------------------------------- orders


def status(order: Order) -> str:
    lines = [
        f"**{order.id}** {_WHERE[order.state]}.",
        f"{order.customer} placed it on {order.placed}, for {euros(order.total)}:",
    ]
    items = "\n".join(f"- {item.quantity} × {item.name}, {euros(item.price)}" for item in order.items)
    tail = [f"{euros(order.refunded)} of it was paid back."] if order.refunded and order.state != "refunded" else []
    if order.state in ("processing", "shipped"):
        tail.append(f"It goes to {order.address}.")
    return "\n\n".join([*lines, items, *tail])


def listing(orders: list[Order], customer: str | None, open_only: bool) -> str:
    whose = f" of {customer}" if customer else ""
    kind = "open orders" if open_only else "orders"
    if not orders:
        return f"There are no {kind}{whose}."
    rows = "\n".join(
        f"- **{order.id}**, {order.state}, {euros(order.total)}: {order.items[0].name}" for order in orders[:LISTED]
    )
    more = f"\n\nAnd {len(orders) - LISTED} older ones." if len(orders) > LISTED else ""
    return f"The {kind}{whose}, newest first:\n\n{rows}{more}"


def lost(order_id: str) -> str:
    return f"I cannot find an order {order_id}."


# ---------------------------------------------------------------- refunds


def looking(orders: list[str]) -> str:
    return f"Let me look at {_all(orders)}."


def refunding(amounts: list[tuple[str, Decimal]]) -> str:
    parts = [f"{euros(amount)} for {order}" for order, amount in amounts]
    above = any(amount > 50 for _, amount in amounts)
    return f"I am refunding {_all(parts)}." + (" Above €50, somebody has to agree first." if above else "")


def refunded(order_id: str, amount: Decimal, gave: Gave) -> str:
    if gave.ok:
        return f"Done: {euros(amount)} for **{order_id}** is on its way back. It arrives in two or three days."
    return f"Not refunded: {order_id}. {_why(gave)}"


def no_refund(order: Order | None, order_id: str) -> str:
    if order is None:
        return lost(order_id)
    if not order.left:
        return f"{order.id} was refunded in full already."
    return f"Of {order.id}, {euros(order.left)} is left to refund. How much of that should go back?"


# ---------------------------------------------------------------- cancelling and moving


def cancelling(order: Order) -> str:
    return f"{order.id} ({euros(order.total)}) has not left yet, so it can be cancelled. Somebody has to agree."


def cancelled(order_id: str, gave: Gave) -> str:
    return f"**{order_id}** is cancelled." if gave.ok else f"Not cancelled: {order_id}. {_why(gave)}"


def no_cancel(order: Order | None, order_id: str) -> str:
    if order is None:
        return lost(order_id)
    if order.state == "cancelled":
        return f"{order.id} is cancelled already."
    return f"{order.id} {_WHERE[order.state]}, so it cannot be cancelled any more. I can refund it, if you like."


def moved(order_id: str, address: str, gave: Gave) -> str:
    return f"**{order_id}** now goes to {address}." if gave.ok else f"Not changed: {order_id}. {_why(gave)}"


def no_move(order: Order | None, order_id: str) -> str:
    if order is None:
        return lost(order_id)
    return f"{order.id} {_WHERE[order.state]}, so its address cannot change any more."


# ---------------------------------------------------------------- questions and small talk


def question(ask: Ask, book: Book) -> str:
    if ask.unknown:
        hint = f" Did you mean {_all(list(ask.offered), 'or')}?" if ask.offered else " Could you check the number?"
        return f"I cannot find {_all(list(ask.unknown))}.{hint}"
    match ask.missing:
        case "order":
            return _which(ask, book)
        case "address":
            return f"Where should {_all(list(ask.orders))} go instead? Street, postcode and town, please."
        case "amount":
            return _how_much(ask, book)


def reply(what: str, person: str) -> str:
    name = f", {person.split(maxsplit=1)[0].capitalize()}" if person else ""
    match what:
        case "greet":
            return f"Hello{name}! Ask me where an order is, or tell me what to refund, cancel or send elsewhere."
        case "thanks":
            return "You are welcome!"
        case "nothing":
            return "All right, I leave it as it is."
        case "help":
            return HELP
        case _:
            return f"I did not quite understand that.\n\n{HELP}"


HELP = (
    "You can ask me things like these:\n\n"
    "- where an order is, or which orders there are\n"
    "- to refund one, in full or in part: above €50 somebody has to agree\n"
    "- to cancel one that has not left yet\n"
    "- to send one to another address\n\n"
    "Name the order by its number, such as `A-17`."
)

_DOING = {"refund": "refund", "cancel": "cancel", "address": "send elsewhere", "status": "look up"}


def _which(ask: Ask, book: Book) -> str:
    doing = _DOING.get(ask.intent, "look at")
    if not ask.offered:
        return f"Which order should I {doing}? It has a number such as `A-17`."
    rows = "\n".join(
        f"- **{order}**, {book.orders[order].items[0].name}, {book.orders[order].customer}"
        for order in ask.offered[:LISTED]
    )
    return f"Which of these should I {doing}?\n\n{rows}"


def _how_much(ask: Ask, book: Book) -> str:
    orders = _all(list(ask.orders))
    totals = _all([euros(book.orders[order].total) for order in ask.orders])
    match ask.problem:
        case "too much":
            return f"That is more than {orders} cost ({totals}). How much should go back?"
        case "nothing":
            return f"That would be nothing. How much of {orders} should go back ({totals})?"
        case "not euros":
            return f"I can only refund in euros. How much of {orders} should go back ({totals})?"
        case _:
            return f"How much of {orders} should go back ({totals}): all of it, half, or an amount?"


def _why(gave: Gave) -> str:
    said = str(gave.content)
    match gave.outcome:
        case "denied":
            reason = said.partition("Reason: ")[2]
            return f"The answer was no: {reason}" if reason else "The answer was no."
        case "failed":
            return f"It did not work: {said.removeprefix('It failed: ')}"
        case _:
            return f"{said.partition('.')[0]}. Ask me again if it is still wanted."


def _all(parts: list[str], last: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"
