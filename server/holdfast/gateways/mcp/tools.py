"""The tools: what an agent may ask of people. Each is arguments, a sentence for the model, and what is done."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec

from holdfast.core import telling
from holdfast.core.errors import Draining
from holdfast.core.interrupts import Decision, Interrupt
from holdfast.gateways.mcp.desk import Desk, Terms
from holdfast.gateways.mcp.waiting import Progress, waited
from holdfast.protocol import frames
from holdfast.protocol.frames import GateShown

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4_000)]  # characters, as of any message to people
GateId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9_-]{1,128}$",
        description="Your own name for this request, such as deploy-42. The same id with the same words is the same "
        "request: ask again to go on waiting. Take a new id for anything else.",
    ),
]


class RequestApproval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask a person to approve an action before you do it. Do it only if `approved` is true."""

    action: Annotated[str, msgspec.Meta(min_length=1, max_length=200, description="What is to be done, in a line.")]
    details: Annotated[
        Any, msgspec.Meta(description="Exactly what would be done: the yes is for this, and nothing else.")
    ] = None
    reason: Annotated[Text | None, msgspec.Meta(description="Why; it is shown to the person.")] = None
    id: GateId | None = None


class AskHuman(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask a person a question, and get their words or their choice."""

    question: Text
    options: Annotated[list[str], msgspec.Meta(max_length=20, description="Answers to choose from, if any.")] = []
    multiple: Annotated[bool, msgspec.Meta(description="Several options may be chosen.")] = False
    id: GateId | None = None


class CancelRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take back what you asked, if it is not needed any more and nobody has answered yet."""

    id: GateId


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell a person something that needs no answer: that a long task is done, or what came out of it."""

    text: Text
    id: GateId | None = None


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the agent is told."""

    id: str
    #: open, or how it was closed; told, if nothing was asked.
    status: str
    #: The same in words. Only a person's yes reads as a yes.
    message: str
    approved: bool | None = None
    reason: str | None = None
    #: Of a question: what was chosen, and what was said.
    selected: list[str] | None = None
    text: str | None = None
    by: str | None = None


Handler = Callable[[Desk, Terms, Any, Progress], Awaitable[Told]]


async def request_approval(desk: Desk, terms: Terms, sent: RequestApproval, progress: Progress) -> Told:
    frame = frames.Gate(
        new_ref(),
        sent.id or new_ref(),
        sent.action,
        sent.details,
        message=sent.reason,
        approvers=terms.approvers,
        expires=terms.expires,
    )
    return await _settled(desk, terms, frame, progress)


async def ask_human(desk: Desk, terms: Terms, sent: AskHuman, progress: Progress) -> Told:
    asked = {"question": sent.question, "options": sent.options or None, "multiple": sent.multiple, "freeText": True}
    frame = frames.Gate(
        new_ref(),
        sent.id or new_ref(),
        "ask_human",
        {name: value for name, value in asked.items() if value is not None},
        message=sent.question,
        approvers=terms.approvers,
        expires=terms.expires,
        kind="question",
    )
    return await _settled(desk, terms, frame, progress)


async def cancel_request(desk: Desk, terms: Terms, sent: CancelRequest, progress: Progress) -> Told:  # noqa: ARG001
    shown = await desk.read(sent.id)
    if shown.decision is None:
        await desk.withdraw(shown)
        shown = await desk.read(sent.id)
    return told(sent.id, shown.interrupt, shown.decision)


async def notify(desk: Desk, terms: Terms, sent: Notify, progress: Progress) -> Told:  # noqa: ARG001
    own_id = sent.id or new_ref()
    await desk.notify(frames.Notify(own_id, sent.text, _names(terms)))
    return Told(own_id, "told", "It was told. Nobody is asked to answer.")


#: By name. What each is for stands in the docstring of its arguments.
TOOLS: dict[str, tuple[type[msgspec.Struct], Handler]] = {
    "request_approval": (RequestApproval, request_approval),
    "ask_human": (AskHuman, ask_human),
    "notify": (Notify, notify),
    "cancel_request": (CancelRequest, cancel_request),
}


def new_ref() -> str:
    return secrets.token_urlsafe(12)


def told(gate: str, shown: Interrupt, decision: Decision | None) -> Told:
    """How it stands, in words and in fields."""
    message = telling.words(shown, decision)
    if decision is None:
        again = f"Call this tool again with the same arguments and id={gate!r} to go on waiting."
        return Told(gate, "open", f"{message} {again}", None if shown.kind == "question" else False)
    by, body = decision.by.name or decision.by.id, decision.body
    if shown.kind != "question":
        return Told(gate, decision.status, message, decision.approved, body.get("reason"), by=by)
    selected, text = body.get("selected"), body.get("text")
    said = ", ".join([*(selected or ()), *([text] if text else ())])
    message = f"{message} The answer: {said}" if said else message
    return Told(gate, decision.status, message, None, body.get("reason"), selected, text, by)


def _names(terms: Terms) -> tuple[str, ...]:
    """Those who would be asked, as targets of notices know them. None: whose token it is."""
    if terms.approvers is None:
        return ()
    return (*(f"role:{role}" for role in terms.approvers.roles), *terms.approvers.subjects)


async def _settled(desk: Desk, terms: Terms, frame: frames.Gate, progress: Progress) -> Told:
    shown: GateShown = await desk.request(frame)
    try:
        decision = await waited(desk, shown, terms.wait_s, progress)
    except Draining:  # the server goes away, and what was asked stays
        decision = None
    return told(frame.id, shown.interrupt, decision)
