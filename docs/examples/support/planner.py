"""What to do about a message: a few rules, no model, no key. Pure: the conversation in, a plan out.

A message is cut into clauses; clauses with a wish of their own become wishes, others belong to the nearest.
A wish then gets its orders and amounts: from its own words, or from what the conversation is about (`Topic`),
which is folded from what was said before. What still lacks something becomes a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import language
from intents import Intent, address_in, as_address, intent_of
from language import ALL, Amount, Mention, Sum
from shop import Order, money

# ---------------------------------------------------------------- plans


@dataclass(frozen=True)
class Status:
    order: str


@dataclass(frozen=True)
class Refund:
    order: str
    amount: Amount


@dataclass(frozen=True)
class Cancel:
    order: str


@dataclass(frozen=True)
class Move:
    order: str
    address: str


@dataclass(frozen=True)
class ListOrders:
    #: None: everybody's.
    customer: str | None = None
    open_only: bool = False


Missing = Literal["order", "amount", "address"]
Problem = Literal["too much", "nothing", "not euros", "unclear"]


@dataclass(frozen=True)
class Ask:
    """Something is missing."""

    intent: Intent
    missing: Missing
    #: What was named and is not known.
    unknown: tuple[str, ...] = ()
    #: Orders that may have been meant.
    offered: tuple[str, ...] = ()
    #: For an amount: the orders that it is for, and why the one that was named will not do.
    orders: tuple[str, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True)
class Say:
    """Nothing to do but to answer."""

    what: Literal["greet", "thanks", "help", "nothing", "unknown"]


Step = Status | Refund | Cancel | Move | ListOrders | Ask | Say


@dataclass(frozen=True)
class Said:
    """One message of the conversation so far."""

    by: Literal["user", "agent"]
    text: str


@dataclass(frozen=True)
class Topic:
    """What the conversation is about."""

    intent: Intent | None = None
    orders: tuple[str, ...] = ()
    amount: Amount | None = None
    address: str | None = None
    #: What the agent asked for.
    missing: Missing | None = None
    #: The orders that the agent named last, in its order.
    offered: tuple[str, ...] = ()


class Book:
    """What the planner knows of the shop: facts that do not change while people talk."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self.orders = {order.id: order for order in orders}

    @cached_property
    def customers(self) -> dict[str, str]:
        """Every part of a customer's name, in lower case → the name."""
        return {part.lower(): order.customer for order in self.orders.values() for part in order.customer.split()}

    def customer(self, text: str) -> str | None:
        words = re.findall(r"[^\W\d_]+", re.sub(r"['’]s\b", "", text.lower()))
        return next((self.customers[word] for word in words if word in self.customers), None)

    def of(self, customer: str | None) -> list[Order]:
        """The orders of a customer (None: all), newest first."""
        found = [order for order in self.orders.values() if customer in (None, order.customer)]
        return sorted(found, key=lambda order: order.placed, reverse=True)


def plan(text: str, history: Sequence[Said], book: Book, person: str = "") -> tuple[Step, ...]:
    """What to do about `text`, said by `person` after `history`."""
    topic = Topic()
    for said in history:
        if said.by == "user":
            _, topic = _understand(said.text, topic, book, person)
        elif named := _known(language.order_mentions(said.text, book.orders)):
            topic = replace(topic, offered=named)
    return _understand(text, topic, book, person)[0]


# ---------------------------------------------------------------- clauses and wishes

_HARD = ("refund", "cancel", "address", "list", "status")
_SMALL = ("greet", "thanks", "help", "yes")
_ACTIONS = ("refund", "cancel", "address")
_CUT = re.compile(
    r"(?<!\bno)(?<!\bnr)\.(?=\s|$)|[;!?\n](?=\s|$|\W)|[;\n]|,(?!\d)|\b(?:and then|and|then|but|plus)\b|&",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"^\W*(?:please\s+|can you\s+|could you\s+|and\s+)*(?:where|when|what|which|how|has|have|is|are|did|does"
    r"|was|will|show|check|track"
    r"|look|status|tell|find|give|any|can|could|details?|info|update|see)\b",
    re.IGNORECASE,
)
_ORDERISH = re.compile(
    r"\b(?:orders?|parcels?|packages?|deliver\w*|shipments?|it|that|this|they|them|purchases?|things?|stuff|track\w*|status)\b",
    re.IGNORECASE,
)
_OPEN = re.compile(r"\b(?:open|pending|processing|not (?:yet )?(?:shipped|delivered)|unshipped)\b", re.IGNORECASE)
_MINE = re.compile(r"\b(?:my|mine|i|we|our)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Wish:
    intent: Intent | None
    text: str
    address: str | None = None


def _wishes(text: str) -> list[Wish]:
    address = address_in(text) if intent_of(text) == "address" else None
    if address:
        text = text.replace(address, " ", 1)
    found: list[Wish] = []
    waiting = ""  # clauses before a wish that stand with none: they belong to the next
    for clause in filter(str.strip, _CUT.split(text)):
        intent = intent_of(clause)
        if intent == "status" and not _STATEMENT.match(clause) and _wants_more(text):
            intent = None  # "it arrived broken" tells why, and asks nothing
        if intent in _SMALL and _names_order(clause):
            intent = None
        joins = found and (
            (intent is None and found[-1].intent in _HARD) or (intent == found[-1].intent and not _names_order(clause))
        )
        if joins:
            found[-1] = replace(found[-1], text=f"{found[-1].text} , {clause}")
        elif intent is None:
            waiting += clause + " , "
        else:
            found.append(Wish(intent, waiting + clause, address if intent == "address" else None))
            waiting = ""
    if waiting and found:
        found[-1] = replace(found[-1], text=f"{found[-1].text} , {waiting}")
    hard = [wish for wish in found if wish.intent in _HARD]
    if hard:
        return [wish for wish in found if wish.intent in _HARD or (wish.intent == "no" and _names_order(wish.text))]
    return [Wish(_chief(found), text)]


def _wants_more(text: str) -> bool:
    return any(intent_of(clause) in _ACTIONS for clause in _CUT.split(text))


def _chief(found: list[Wish]) -> Intent | None:
    """What a message without a wish is: a yes or no counts more than a greeting."""
    said = [wish.intent for wish in found]
    return next((intent for intent in ("no", "yes", "help", "thanks", "greet") if intent in said), None)


def _names_order(text: str) -> bool:
    return bool(language.order_mentions(text, ()))


def _understand(text: str, topic: Topic, book: Book, person: str) -> tuple[tuple[Step, ...], Topic]:
    steps: list[Step] = []
    for wish in _wishes(language.with_digits(text)):
        reading = _Reading(wish, topic, book, person)
        made = reading.steps()
        topic = reading.after(made)
        steps += [step for step in made if step not in steps]
    if any(not isinstance(step, Say) for step in steps):
        steps = [step for step in steps if not isinstance(step, Say)]
    return tuple(steps), topic


# ---------------------------------------------------------------- one wish, read in its context


class _Reading:
    def __init__(self, wish: Wish, topic: Topic, book: Book, person: str) -> None:
        self.wish, self.topic, self.book, self.person = wish, topic, book, person
        self.mentions = language.order_mentions(wish.text, book.orders)
        self.rest = language.blank(wish.text, self.mentions)
        self.sums = language.amounts(self.rest)
        self.address = wish.address
        if topic.missing == "address" and wish.intent not in _HARD:
            self.address = as_address(wish.text)
        self.intent = self._intent()
        if not self.mentions and self._takes_numbers_for_orders():
            self.mentions = language.numbered_anyhow(self.rest, book.orders)
            self.rest = language.blank(self.rest, self.mentions)
            self.sums = language.amounts(self.rest)

    def steps(self) -> list[Step]:
        match self.intent:
            case "list":
                return [ListOrders(self._customer(), bool(_OPEN.search(self.wish.text)))]
            case "status" if not self._about_an_order():
                return [Say("unknown")]
            case "status" if (
                not self.mentions and (customer := self.book.customer(self.wish.text)) and not self._items()
            ):
                return [ListOrders(customer, bool(_OPEN.search(self.wish.text)))]
            case "refund" | "cancel" | "address" | "status":
                return self._about_orders(self.intent)
            case "greet" | "thanks" | "help":
                return [Say(self.intent)]
            case "no":
                return [Say("nothing")]
            case _:
                return [Say("unknown")]

    def after(self, steps: Sequence[Step]) -> Topic:
        """What the conversation is about once this was answered."""
        ask = next((step for step in steps if isinstance(step, Ask)), None)
        if self.intent == "list":
            return Topic()
        if self.intent not in _HARD:
            about = _known(self.mentions) or self.topic.orders
            return replace(self.topic, missing=None, orders=about) if self.intent == "no" else self.topic
        return Topic(
            intent=self.intent,
            orders=ask.orders
            if ask
            else tuple(step.order for step in steps if not isinstance(step, Ask | Say | ListOrders)),
            amount=self._one_amount(),
            address=self.address,
            missing=ask.missing if ask else None,
            offered=ask.offered if ask else (),
        )

    # ---- what is wanted

    def _intent(self) -> Intent | None:
        """The wish's own intent; else the one that the conversation is at."""
        own = self.wish.intent
        before = self.topic.intent
        if own in _HARD or own in ("greet", "help", "thanks"):
            return own
        if self.topic.missing and (self._supplies() or (own == "yes" and len(self.topic.offered) == 1)):
            return before
        if own == "no" and not (self.mentions or self.sums):
            return "no"
        if before and language.says_same_again(self.wish.text) and (self.mentions or self._items()):
            return before
        if before == "refund" and self.sums and not self.mentions:
            return "refund"
        if self.mentions or self._items():
            return "status" if own != "no" else "no"
        if before in _HARD and self.topic.missing:
            return before
        return own

    def _supplies(self) -> bool:
        """Whether this has what the agent asked for."""
        text = self.wish.text
        match self.topic.missing:
            case "address":
                return self.address is not None
            case "amount":
                return bool(self.sums) and not self.mentions
            case "order":
                picks = language.ordinals(text) or language.means_several(text) or re.search(r"\d", self.rest)
                return bool(
                    self.mentions
                    or self._items()
                    or (picks and self.topic.offered)
                    or self._bare_orders()
                    or self._lettered()
                )
            case None:
                return False

    def _bare_orders(self) -> list[Mention]:
        return language.numbered_anyhow(self.rest, self.book.orders)

    def _takes_numbers_for_orders(self) -> bool:
        if self.intent != "refund":
            return self.intent in ("cancel", "status")
        return not self.topic.orders or self.topic.missing == "order"

    def _about_an_order(self) -> bool:
        context = self.topic.orders or self.topic.offered
        named = (
            self.mentions or self._items() or self.book.customer(self.wish.text) or language.ordinals(self.wish.text)
        )
        return bool(named or _ORDERISH.search(self.wish.text) or (context and len(self.wish.text.split()) < 8))

    def _customer(self) -> str | None:
        if named := self.book.customer(self.wish.text):
            return named
        return self.book.customer(self.person) if _MINE.search(self.wish.text) else None

    # ---- which orders

    def _about_orders(self, intent: Intent) -> list[Step]:
        unknown = tuple(mention.name for mention in self.mentions if not mention.orders)
        unclear = [mention for mention in self.mentions if len(mention.orders) > 1 and not self._narrow(mention)]
        orders = self._orders()
        if unknown:
            near = tuple(filter(None, (language.closest(name, self.book.orders) for name in unknown)))
            ask = Ask(intent, "order", unknown, near)
            return [*self._do(intent, orders), ask] if orders and intent == "status" else [ask]
        if unclear:
            return [Ask(intent, "order", offered=unclear[0].orders)]
        if not orders or (len(orders) > 1 and not self._several_meant()):
            return [Ask(intent, "order", offered=orders)]
        return self._do(intent, orders)

    def _several_meant(self) -> bool:
        text = self.wish.text
        several = language.means_several(text) or len(language.ordinals(text)) > 1
        return len(_known(self.mentions)) > 1 or several or (self.topic.missing in ("amount", "address"))

    def _orders(self) -> tuple[str, ...]:
        """The orders that are meant, best evidence first."""
        text, topic = self.rest, self.topic
        if self.mentions:
            picked = (
                mention.orders if len(mention.orders) == 1 else self._narrow(mention) for mention in self.mentions
            )
            return tuple(dict.fromkeys(order for orders in picked for order in orders))
        if topic.missing in ("amount", "address") and self.wish.intent not in _HARD:
            return topic.orders
        if picked := self._picked(language.ordinals(text)) or self._lettered():
            return picked
        if language.means_newest(text):
            mine = self.book.of(self.book.customer(text) or self.book.customer(self.person))
            return tuple(order.id for order in mine[:1])
        if items := self._items():
            return items
        if customer := self.book.customer(text):
            return tuple(order.id for order in self.book.of(customer))
        if language.means_all_orders(text):
            return ()
        if topic.missing == "order":
            return topic.offered
        return topic.orders or topic.offered

    def _picked(self, places: list[int]) -> tuple[str, ...]:
        shown = self.topic.offered or self.topic.orders
        return tuple(shown[place] for place in places if -len(shown) <= place < len(shown))

    def _lettered(self) -> tuple[str, ...]:
        letter = language.letter_alone(self.wish.text)
        return tuple(order for order in self.topic.offered if letter and order.startswith(f"{letter}-"))

    def _narrow(self, mention: Mention) -> tuple[str, ...]:
        """The order of several that the conversation is about."""
        talked = [order for order in mention.orders if order in (*self.topic.orders, *self.topic.offered)]
        return (talked[0],) if len(talked) == 1 else ()

    def _items(self) -> tuple[str, ...]:
        """The orders with the things that are named; of one customer, if one is named too."""
        words = {word for word in language.item_words(self.rest) if word not in _NO_ITEMS and not intent_of(word)}
        scores = {
            order.id: len(words & {word for item in order.items for word in language.item_words(item.name)})
            for order in self.book.of(self.book.customer(self.wish.text))
        }
        best = max(scores.values(), default=0)
        found = tuple(order for order, score in scores.items() if score == best > 0)
        talked = tuple(order for order in found if order in (*self.topic.orders, *self.topic.offered))
        return talked if len(talked) == 1 else found

    # ---- what to do

    def _do(self, intent: Intent, orders: tuple[str, ...]) -> list[Step]:
        match intent:
            case "cancel":
                return [Cancel(order) for order in orders]
            case "address":
                address = self.address or (self.topic.address if self.topic.missing else None)
                if address is None:
                    return [Ask("address", "address", orders=orders)]
                return [Move(order, address) for order in orders]
            case "refund":
                return self._refunds(orders)
            case _:
                return [Status(order) for order in orders]

    def _refunds(self, orders: tuple[str, ...]) -> list[Step]:
        named = self._amounts(len(orders))
        if named is None:
            unclear: Problem | None = "unclear" if self.sums else None
            return [Ask("refund", "amount", orders=orders, problem=unclear)]
        found: list[Problem | None] = [
            self._problem(order, amount) for order, amount in zip(orders, named, strict=True)
        ]
        problem: Problem | None = next((each for each in found if each is not None), None)
        if problem is not None:
            return [Ask("refund", "amount", orders=orders, problem=problem)]
        return [Refund(order, amount) for order, amount in zip(orders, named, strict=True)]

    def _amounts(self, count: int) -> list[Amount] | None:
        """An amount for each order; None: somebody has to say."""
        sums = [each.amount for each in self.sums]
        if len(sums) != count:
            sums = [each.amount for each in self._said_sums()]
        if not sums and self.topic.missing == "order" and self.topic.amount:
            # Said before the orders were: of several, nobody knows which one was meant.
            return [self.topic.amount] if count == 1 else None
        if not sums:
            asked = self.topic.missing == "amount" and self.wish.intent not in _HARD
            unclear = asked or language.wants_part(self.rest) or language.unread_number(self.rest)
            return None if unclear else [ALL] * count
        if len(sums) == count:
            return sums
        if count == 1 or (len(sums) == 1 and not self._is_between_orders()):
            return [self._chief_sum(sums)] * count
        return None

    def _is_between_orders(self) -> bool:
        """Whether the one amount may be of one order only: "A-17 and 30 euros of B-3"."""
        places = [mention.start for mention in self.mentions]
        return bool(places) and places[0] < self._said_sums()[0].start < places[-1]

    def _said_sums(self) -> list[Sum]:
        surely = [each for each in self.sums if not each.bare]
        return surely or self.sums

    def _chief_sum(self, sums: list[Amount]) -> Amount:
        """Of "20 euros of the total", the 20."""
        return next((amount for amount in sums if amount.share is None), sums[0])

    def _one_amount(self) -> Amount | None:
        sums = [each.amount for each in self._said_sums()]
        return self._chief_sum(sums) if sums else self.topic.amount if self.topic.missing else None

    def _problem(self, order: str, amount: Amount) -> Problem | None:
        if amount.foreign:
            return "not euros"
        if amount.exact == 0 or amount.share == 0:
            return "nothing"
        too_much = (amount.share or 0) > 1 or (
            amount.exact is not None and amount.exact > money(self.book.orders[order].total)
        )
        return "too much" if too_much else None


#: Words of things in the shop that mostly mean something else.
_NO_ITEMS = {"case", "rest", "standing", "person", "blue", "light", "order", "noise", "board"}


def _known(mentions: Iterable[Mention]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mention.orders[0] for mention in mentions if len(mention.orders) == 1))
