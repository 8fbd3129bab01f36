"""The shop behind the desk: its orders, and what may be done to them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Literal

import msgspec

State = Literal["processing", "shipped", "delivered", "cancelled", "refunded"]

CENT = Decimal("0.01")


class Item(msgspec.Struct, frozen=True):
    name: str
    quantity: int
    price: float


class Order(msgspec.Struct, frozen=True):
    id: str
    customer: str
    #: ISO date: comparing the texts compares the days.
    placed: str
    state: State
    currency: str
    total: float
    items: list[Item]
    address: str
    refunded: float = 0.0

    @property
    def left(self) -> Decimal:
        """What can still be refunded."""
        return Decimal("0.00") if self.state == "refunded" else money(self.total) - money(self.refunded)


class Shop:
    """The orders of a file. What is done to them is forgotten with the process: this is a demo."""

    def __init__(self, orders: list[Order]) -> None:
        self._orders = {order.id: order for order in orders}
        #: Idempotency key → what was said when it was done.
        self._done: dict[str, str] = {}

    @classmethod
    def load(cls, path: Path) -> Shop:
        return cls(msgspec.json.decode(path.read_bytes(), type=list[Order]))

    @property
    def orders(self) -> list[Order]:
        return list(self._orders.values())

    def find(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def refund(self, order_id: str, amount: float, key: str) -> str:
        """Pay back. The same key pays once."""
        if key in self._done:
            return self._done[key]
        order = self._existing(order_id)
        if not 0 < money(amount) <= order.left:
            raise ValueError(f"{order_id}: {euros(money(amount))} is not between 0 and {euros(order.left)}")
        left = order.left - money(amount)
        changed = msgspec.structs.replace(order, refunded=float(money(order.total) - left))
        self._orders[order_id] = changed if left else msgspec.structs.replace(changed, state="refunded")
        self._done[key] = f"{euros(money(amount))} of {order_id} paid back"
        return self._done[key]

    def cancel(self, order_id: str) -> str:
        """Cancel what has not left yet."""
        order = self._existing(order_id)
        if order.state not in ("processing", "cancelled"):
            raise ValueError(f"{order_id} is {order.state} and cannot be cancelled any more")
        self._orders[order_id] = msgspec.structs.replace(order, state="cancelled")
        return f"{order_id} cancelled"

    def move(self, order_id: str, address: str) -> str:
        """Deliver what has not left yet to another address."""
        order = self._existing(order_id)
        if order.state != "processing":
            raise ValueError(f"{order_id} is {order.state}, so its address cannot change any more")
        self._orders[order_id] = msgspec.structs.replace(order, address=address)
        return f"{order_id} goes to {address}"

    def _existing(self, order_id: str) -> Order:
        order = self.find(order_id)
        if order is None:
            raise ValueError(f"there is no order {order_id}")
        return order


def money(amount: float | Decimal) -> Decimal:
    """An amount in whole cents."""
    return Decimal(str(amount)).quantize(CENT, ROUND_HALF_UP)


def euros(amount: float | Decimal) -> str:
    return f"€{money(amount):,.2f}"
