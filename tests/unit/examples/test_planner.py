"""The support desk's planner: phrasings are made here, not listed, so that it can be no list of sentences."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from language import ALL, Amount, decimal, with_digits
from planner import Ask, Book, Cancel, ListOrders, Move, Refund, Said, Say, Status, plan
from shop import Order, Shop, money

ORDERS = Shop.load(Path(__file__).parents[3] / "docs" / "examples" / "support" / "orders.json").orders
BOOK = Book(ORDERS)


def made_up(letter: str, number: int) -> Order:
    return Order(f"{letter}-{number}", "Nobody Known", "2025-01-01", "processing", "EUR", 5_000.0, [], "")


# ---------------------------------------------------------------- what people write

ORDER = st.builds(made_up, st.sampled_from("ABCDEFGHJKLMNPQRSTUVWYZ"), st.integers(1, 99_999))


@st.composite
def written(draw: st.DrawFn, order: Order) -> str:
    """An order's number in one of the forms in which people write it."""
    letter, number = order.id.split("-")
    letter = draw(st.sampled_from([letter, letter.lower()]))
    joint = draw(st.sampled_from(["-", "", " ", " - ", "–", "_", " dash "]))
    before = draw(
        st.sampled_from(["", "#", "order ", "order number ", "order no. ", "order #", "my order ", "the order "])
    )
    return f"{before}{letter}{joint}{number}"


def shown(amount: Decimal, form: str) -> str:
    comma = str(amount).replace(".", ",")
    return form.format(amount=amount, comma=comma)


EUROS = st.integers(1, 499_999).map(lambda cents: Decimal(cents) / 100).map(money)
AMOUNT_FORMS = [
    "{amount}",
    "{comma}",
    "€{amount}",
    "€ {comma}",
    "{amount} €",
    "{comma}€",
    "{amount} euros",
    "{comma} EUR",
    "EUR {amount}",
]
REFUNDS = [
    "refund {order}",
    "please refund {order}",
    "Can you refund {order}?",
    "I want my money back for {order}",
    "could i get my money back on {order} please",
    "hi! I would like a refund for {order}.",
    "{order} arrived broken, I want a refund",
    "{order}: please reimburse me",
    "We need to reimburse the customer of {order}, thanks",
    "Hello, is it possible to return {order}?",
]
PARTS = [
    "refund {amount} for {order}",
    "refund {order}, {amount}",
    "Please refund {amount} of {order}.",
    "can you give me {amount} back on {order}?",
    "I'd like a refund of {amount} for {order}",
    "{order}: refund {amount} please",
    "{order} came late and dirty, I want {amount} back",
    "pay back {amount} on {order}, thank you",
]
CANCELS = [
    "cancel {order}",
    "please cancel {order} for me",
    "Can I still cancel {order}?",
    "I want to call off {order}",
    "I no longer want {order}",
    "Hey, stop {order}, it is an order that I do not need",
    "i don't want {order} any more",
]
STATUSES = [
    "where is {order}?",
    "what's the status of {order}",
    "Has {order} been sent yet?",
    "when will {order} arrive",
    "track {order}",
    "{order}",
    "How is {order} doing?",
    "Tell me about {order} please",
    "has {order} been refunded?",
    "where is my refund for {order}?",
    "I am still waiting for {order}",
    "could you look up {order}",
]
MOVES = [
    "change the address of {order} to {address}",
    "please send {order} to {address}",
    "deliver {order} to {address} instead",
]
ADDRESSES = [
    "Lindengasse 4, 1070 Wien",
    "Rua da Rosa 51, 1200 Lisboa",
    "12 Harbour Street, Galway",
    "Ilica 77",
]


def book_with(*orders: Order) -> Book:
    return Book([*ORDERS, *orders])


def understood(text: str, *before: str, book: Book = BOOK, person: str = "") -> tuple[object, ...]:
    """The plan for `text`; what was said before is by the agent where it begins with ">"."""
    history = [Said("agent", said[1:]) if said.startswith(">") else Said("user", said) for said in before]
    return plan(text, history, book, person)


# ---------------------------------------------------------------- any phrasing, any number


@given(order=ORDER, form=st.sampled_from(REFUNDS), data=st.data())
def test_full_refunds(order: Order, form: str, data: st.DataObject) -> None:
    text = form.format(order=data.draw(written(order)))
    assert understood(text, book=book_with(order)) == (Refund(order.id, ALL),), text


@given(
    order=ORDER,
    form=st.sampled_from(PARTS),
    amount=EUROS,
    written_as=st.sampled_from(AMOUNT_FORMS),
    data=st.data(),
)
def test_refunds_of_an_amount(order: Order, form: str, amount: Decimal, written_as: str, data: st.DataObject) -> None:
    text = form.format(order=data.draw(written(order)), amount=shown(amount, written_as))
    assert understood(text, book=book_with(order)) == (Refund(order.id, Amount(exact=amount)),), text


@given(order=ORDER, form=st.sampled_from(CANCELS), data=st.data())
def test_cancellations(order: Order, form: str, data: st.DataObject) -> None:
    text = form.format(order=data.draw(written(order)))
    assert understood(text, book=book_with(order)) == (Cancel(order.id),), text


@given(order=ORDER, form=st.sampled_from(STATUSES), data=st.data())
def test_questions_about_an_order(order: Order, form: str, data: st.DataObject) -> None:
    text = form.format(order=data.draw(written(order)))
    assert understood(text, book=book_with(order)) == (Status(order.id),), text


@given(order=ORDER, form=st.sampled_from(MOVES), address=st.sampled_from(ADDRESSES), data=st.data())
def test_other_addresses(order: Order, form: str, address: str, data: st.DataObject) -> None:
    text = form.format(order=data.draw(written(order)), address=address)
    assert understood(text, book=book_with(order)) == (Move(order.id, address),), text


@given(
    orders=st.lists(ORDER, min_size=2, max_size=4, unique_by=lambda order: order.id),
    verb=st.sampled_from(["refund", "cancel"]),
)
def test_several_orders(orders: list[Order], verb: str) -> None:
    names = [order.id for order in orders]
    text = f"Please {verb} {', '.join(names[:-1])} and {names[-1]}"
    expected = tuple(Refund(name, ALL) if verb == "refund" else Cancel(name) for name in names)
    assert understood(text, book=book_with(*orders)) == expected, text


@given(order=ORDER, form=st.sampled_from([*REFUNDS, *CANCELS, *STATUSES]), data=st.data())
def test_an_unknown_number_is_asked_about_and_nothing_is_done(order: Order, form: str, data: st.DataObject) -> None:
    text = form.format(order=data.draw(written(order).filter(lambda name: "order" in name or "#" in name)))
    if order.id in BOOK.orders:
        return
    (step,) = understood(text)
    assert isinstance(step, Ask), text
    assert step.missing == "order"
    assert step.unknown == (order.id,), text


BITS = "refund cancel A-17 b3 17 , and €20 half it order where is 12,50 last yes no to - # . ? € 1/3 $5 don't"
JUMBLES = st.lists(st.sampled_from(BITS.split()), max_size=12).map(" ".join)
EARLIER = st.lists(st.sampled_from(["refund", "where is A-17", ">A-17 or D-17?", "20"]), max_size=3)


@example(text="1:3", before=["refund", "20"])
@given(text=st.text(max_size=300) | JUMBLES, before=EARLIER)
def test_whatever_is_written_there_is_a_plan_within_bounds(text: str, before: list[str]) -> None:
    steps = understood(text, *before)
    assert steps
    for step in steps:
        if isinstance(step, Refund):
            total = money(BOOK.orders[step.order].total)
            assert Decimal(0) <= step.amount.of(total) <= total


# ---------------------------------------------------------------- amounts


@pytest.mark.parametrize(
    ("words", "share"),
    [
        ("half", "1/2"),
        ("a third", "1/3"),
        ("two thirds", "2/3"),
        ("25%", "1/4"),
        ("12,5 percent", "1/8"),
        ("all", "1"),
        ("everything", "1"),
        ("the full amount", "1"),
        ("three quarters", "3/4"),
    ],
)
def test_shares(words: str, share: str) -> None:
    assert understood(f"refund {words} of B-21") == (Refund("B-21", Amount(share=Fraction(share))),)


@pytest.mark.parametrize(
    ("written_as", "number"),
    [
        ("1.200,50", "1200.50"),
        ("1,200.50", "1200.50"),
        ("1 200", "1200"),
        ("12,5", "12.5"),
        ("7", "7"),
        ("1.000", "1000"),
    ],
)
def test_numbers_as_people_write_them(written_as: str, number: str) -> None:
    assert decimal(written_as) == Decimal(number)


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("fifty euros", "50 euros"),
        ("two hundred and five euros", "205 euros"),
        ("A seventeen", "A 17"),
        ("seven euros", "7 euros"),
        ("that one", "that one"),
        ("both two orders", "both two orders"),
    ],
)
def test_numbers_in_words(words: str, digits: str) -> None:
    assert with_digits(words) == digits


def test_each_order_has_its_amount() -> None:
    steps = understood("refund 20 for A-17 and half of B-3")
    assert steps == (Refund("A-17", Amount(exact=Decimal(20))), Refund("B-3", Amount(share=Fraction(1, 2))))


def test_an_amount_is_for_each_order_unless_it_may_be_of_one_only() -> None:
    each = (Refund("A-17", Amount(exact=Decimal(15))), Refund("B-3", Amount(exact=Decimal(15))))
    assert understood("refund 15 euros on A-17 and B-3") == each
    assert understood("refund A-17 and B-3, 15 euros each") == each
    (step,) = understood("refund A-17 and 15 euros of B-3")
    assert step == Ask("refund", "amount", orders=("A-17", "B-3"), problem="unclear")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("refund 500 for A-17", "too much"),
        ("refund 300% of A-17", "too much"),
        ("refund 0 for A-17", "nothing"),
        ("refund $20 for A-17", "not euros"),
        ("refund 20 pounds for A-17", "not euros"),
        ("refund -20 for A-17", None),
        ("refund 1/3 of A-17", None),
        ("refund a part of A-17", None),
        ("refund A-17 partially", None),
    ],
)
def test_an_amount_that_will_not_do_is_asked_about(text: str, problem: str | None) -> None:
    (step,) = understood(text)
    assert isinstance(step, Ask)
    assert (step.missing, step.orders, step.problem) == ("amount", ("A-17",), problem)


# ---------------------------------------------------------------- in a conversation


@pytest.mark.parametrize(
    ("before", "text", "steps"),
    [
        (["where is A-17?", ">A-17 was delivered."], "refund it", [Refund("A-17", ALL)]),
        (["where is A-17?"], "and B-3?", [Status("B-3")]),
        (
            ["status of A-17 and B-3", ">A-17 … B-3 …"],
            "refund both",
            [Refund("A-17", ALL), Refund("B-3", ALL)],
        ),
        (["where is A-71?", ">I cannot find A-71. Did you mean A-17?"], "yes, that one", [Status("A-17")]),
        (
            ["refund A-71, 20 euros", ">Did you mean A-17?"],
            "yes",
            [Refund("A-17", Amount(exact=Decimal(20)))],
        ),
        (["refund 20 euros", ">Which order?"], "A-17", [Refund("A-17", Amount(exact=Decimal(20)))]),
        (["I want a refund", ">Which order?"], "the espresso machine", [Refund("A-17", ALL)]),
        (["cancel order 17", ">A-17 or D-17?"], "the second one", [Cancel("D-17")]),
        (["cancel order 17", ">A-17 or D-17?"], "the D one", [Cancel("D-17")]),
        (["refund a part of A-17", ">How much?"], "half", [Refund("A-17", Amount(share=Fraction(1, 2)))]),
        (["refund 500 for A-17", ">Too much."], "ok, all of it", [Refund("A-17", ALL)]),
        (["refund A-17", ">The answer was no."], "40 then", [Refund("A-17", Amount(exact=Decimal(40)))]),
        (["refund A-17", ">Done.", "thanks"], "now the same for B-3", [Refund("B-3", ALL)]),
        (["list my orders", ">E-91, A-18, B-3"], "cancel the first", [Cancel("E-91")]),
        (
            ["change the address of E-8", ">Where?"],
            "Lindengasse 4, 1070 Wien",
            [Move("E-8", "Lindengasse 4, 1070 Wien")],
        ),
        (["I want a refund", ">Which order?"], "where is B-3?", [Status("B-3")]),
        (["cancel it", ">Which?"], "no, forget it", [Say("nothing")]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_conversation_goes_on(before: list[str], text: str, steps: list[object]) -> None:
    assert list(understood(text, *before)) == steps


@pytest.mark.parametrize("text", ["refund it", "I want my money back", "please cancel my order", "where is my parcel?"])
def test_what_is_missing_is_asked_for(text: str) -> None:
    (step,) = understood(text)
    assert isinstance(step, Ask)
    assert step.missing == "order"


def test_it_is_not_guessed_between_two() -> None:
    assert understood("cancel it", "where are A-17 and B-3?") == (Ask("cancel", "order", offered=("A-17", "B-3")),)
    assert understood("refund order 17") == (Ask("refund", "order", offered=("A-17", "D-17")),)


# ---------------------------------------------------------------- other things people say


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("cancel B-9 and refund A-42", [Cancel("B-9"), Refund("A-42", ALL)]),
        ("don't cancel B-9", [Say("nothing")]),
        ("don't cancel E-8 but refund B-3", [Refund("B-3", ALL)]),
        ("list my orders", [ListOrders("Alice Moreau")]),
        ("show me Jonas's open orders", [ListOrders("Jonas Weber", open_only=True)]),
        ("which orders are there?", [ListOrders()]),
        ("refund my last order", [Refund("E-91", ALL)]),
        ("refund the office chair", [Refund("E-46", ALL)]),
        ("Good evening", [Say("greet")]),
        ("thanks a lot!", [Say("thanks")]),
        ("what can you do?", [Say("help")]),
        ("what is the weather like", [Say("unknown")]),
        ("colourless green ideas sleep furiously", [Say("unknown")]),
    ],
)
def test_other_things_people_say(text: str, steps: list[object]) -> None:
    assert list(understood(text, person="alice")) == steps
