"""A model without a key or a network: it does what the planner says, by texts and tool calls, as any model does.

It remembers nothing either. What is to be done about a message is a script: a generator that says texts and wants
calls, and is given what they gave. For each response it is run from the top, over what the conversation holds, and
what comes next is the response.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
import words
from planner import Ask, Book, Cancel, ListOrders, Move, Refund, Said, Say, Status, Step, plan
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from shop import Order, money
from words import Gave

PAUSE_S = 0.02  # between two words: as fast as one reads
PERSON = "You speak with: "  # a line of the instructions


@dataclass(frozen=True)
class Wants:
    """A tool call."""

    tool: str
    input: dict[str, Any]


#: Says texts, wants calls, several side by side, and is given what they gave.
Script: TypeAlias = Generator[str | list[Wants], list[Gave], None]


@dataclass
class Exchange:
    """What somebody said, and what became of it so far."""

    text: str
    answers: list[str] = field(default_factory=list)
    #: What the calls of each response gave.
    gave: list[list[Gave]] = field(default_factory=list)

    @property
    def said(self) -> list[Said]:
        return [Said("user", self.text), *([Said("agent", "\n".join(self.answers))] if self.answers else [])]


def offline(book: Book) -> FunctionModel:
    """The model, for `holdfast.agents.llm`."""

    async def speak(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        person = re.search(rf"^{PERSON}(.*)", info.instructions or "", re.MULTILINE)
        texts, calls = response(messages, book, person[1] if person else "")
        for nth, text in enumerate(texts):
            for word in re.findall(r"\S+\s*|\s+", text if nth == len(texts) - 1 else f"{text}\n\n"):
                yield word
                await asyncio.sleep(PAUSE_S)
        for nth, call in enumerate(calls):
            yield {nth: DeltaToolCall(call.tool, json.dumps(call.input))}

    return FunctionModel(stream_function=speak, model_name="offline")


def response(messages: Sequence[ModelMessage], book: Book, person: str) -> tuple[list[str], list[Wants]]:
    """The next response: what it says, and the calls that it wants."""
    talk = exchanges(messages)
    texts, calls = _continued(talk, book, person)
    if len(talk) > 1 and _interrupts(messages[-1]):  # what was under way is concluded first
        texts = _continued(talk[:-1], book, person)[0] + texts
    return texts, calls


def exchanges(messages: Sequence[ModelMessage]) -> list[Exchange]:
    """The conversation, by what people said."""
    talk: list[Exchange] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            if talk and message.text:
                talk[-1].answers.append(message.text)
            continue
        gave = [Gave(part.outcome, part.content) for part in message.parts if isinstance(part, ToolReturnPart)]
        if talk and gave:
            talk[-1].gave.append(gave)
        said = [_text(part) for part in message.parts if isinstance(part, UserPromptPart)]
        if said:
            talk.append(Exchange("\n".join(said)))
    return talk


def _text(part: UserPromptPart) -> str:
    contents = [part.content] if isinstance(part.content, str) else part.content
    return "\n".join(content for content in contents if isinstance(content, str))


def _interrupts(message: ModelMessage) -> bool:
    """Whether somebody said something while calls were under way."""
    return {ToolReturnPart, UserPromptPart} <= {type(part) for part in message.parts}


def _continued(talk: list[Exchange], book: Book, person: str) -> tuple[list[str], list[Wants]]:
    """The script of the last exchange, from where its calls have come."""
    history = [said for exchange in talk[:-1] for said in exchange.said]
    script = perform(plan(talk[-1].text, history, book, person), book, person)
    rounds, texts, given = iter(talk[-1].gave), list[str](), None
    while True:
        try:
            piece = next(script) if given is None else script.send(given)
        except StopIteration:
            return texts, []
        given = None
        if isinstance(piece, str):
            texts.append(piece)
        elif (given := next(rounds, None)) is None:
            return texts, piece
        else:
            texts = []  # said before, by a former response


# ---------------------------------------------------------------- the script


def perform(steps: Sequence[Step], book: Book, person: str) -> Script:
    """Do the steps one after the other, and all refunds side by side."""
    refunds = [step for step in steps if isinstance(step, Refund)]
    for step in steps:
        if not isinstance(step, Refund):
            yield from _do(step, book, person)
        elif step is refunds[0]:
            yield from _refund_all(refunds)


def _do(step: Step, book: Book, person: str) -> Script:
    match step:
        case Status(order_id):
            order = yield from _look(order_id)
            yield words.status(order) if order else words.lost(order_id)
        case ListOrders(customer, open_only):
            gave = yield [Wants("list_orders", {"customer": customer, "open_only": open_only})]
            yield words.listing(msgspec.convert(gave[0].content, list[Order]), customer, open_only)
        case Cancel(order_id):
            yield from _cancel(order_id)
        case Move(order_id, address):
            yield from _move(order_id, address)
        case Ask():
            yield words.question(step, book)
        case Say(what):
            yield words.reply(what, person)
        case Refund():
            yield from _refund_all([step])


def _look(order_id: str) -> Generator[list[Wants], list[Gave], Order | None]:
    gave = yield [Wants("lookup", {"order_id": order_id})]
    return _order(gave[0])


def _order(gave: Gave) -> Order | None:
    return msgspec.convert(gave.content, Order | None) if gave.ok else None


def _refund_all(refunds: list[Refund]) -> Script:
    """All that needs a human is asked for at once, and a no stops no other."""
    yield words.looking([step.order for step in refunds])
    found = yield [Wants("lookup", {"order_id": step.order}) for step in refunds]
    ready: list[tuple[Order, float]] = []
    for step, gave in zip(refunds, found, strict=True):
        order = _order(gave)
        amount = order and step.amount.of(order.left)
        if order is None or not amount or amount > order.left:
            yield words.no_refund(order, step.order)
        else:
            ready.append((order, float(amount)))
    if not ready:
        return
    yield words.refunding([(order.id, money(amount)) for order, amount in ready])
    made = yield [Wants("refund", {"order_id": order.id, "amount": amount}) for order, amount in ready]
    for (order, amount), gave in zip(ready, made, strict=True):
        yield words.refunded(order.id, money(amount), gave)


def _cancel(order_id: str) -> Script:
    order = yield from _look(order_id)
    if order is None or order.state != "processing":
        yield words.no_cancel(order, order_id)
        return
    yield words.cancelling(order)
    gave = yield [Wants("cancel_order", {"order_id": order.id})]
    yield words.cancelled(order.id, gave[0])


def _move(order_id: str, address: str) -> Script:
    order = yield from _look(order_id)
    if order is None or order.state != "processing":
        yield words.no_move(order, order_id)
        return
    gave = yield [Wants("change_address", {"order_id": order.id, "address": address})]
    yield words.moved(order.id, address, gave[0])
