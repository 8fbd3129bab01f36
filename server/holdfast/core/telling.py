"""What a model is told of a question: still pending, or how it was settled. Only a person's yes reads as a yes.

A tool's part in the history shows most of it. These words are for what the history does not show: what is open when
a turn begins, and what nobody answered before it was superseded, expired or was taken back.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.core.canonical import canonical_json
from holdfast.core.decisions import approves
from holdfast.core.errors import BadInput
from holdfast.core.interrupts import Decision, Interrupt, Kind

INPUT_MAX = 500  # characters of the arguments that are told: a model has them in its history
NOTES_MAX = 20  # questions of one turn's notes, the newest

_NEITHER = "That is neither a yes nor a no."
_SETTLED = {
    "cancelled": "It was cancelled by {by}: {what}.",
    "expired": "Nobody answered in time: {what}.",
    "withdrawn": "It was taken back by {by}: {what}.",
    "superseded": "A newer message superseded it: {what}.",
}


def words(shown: Interrupt, decision: Decision | None = None) -> str:
    """A question and what became of it, in one or two sentences. None: it is open."""
    what = _what(shown)
    if decision is None:
        return f"Still pending, nobody has answered yet: {what}. {_NEITHER}"
    by = decision.by.name or decision.by.id
    reason = f" Reason: {decision.body['reason']}" if decision.body.get("reason") else ""
    if decision.status != "resolved":
        return f"{_SETTLED[decision.status].format(by=by, what=what)} {_NEITHER}{reason}"
    if shown.kind not in ("approval", "gate"):
        return f"Answered by {by}: {what}."
    return f"{'Approved' if approves(decision) else 'Denied'} by {by}: {what}.{reason}"


def notes(asked: Iterable[tuple[Interrupt, Decision | None]]) -> list[str]:
    """The words for what is open, and for what was closed without an answer; in the order in which it was asked."""
    untold = [(shown, decision) for shown, decision in asked if decision is None or decision.status != "resolved"]
    untold.sort(key=lambda pair: pair[0].openedAt)
    return [words(shown, decision) for shown, decision in untold[-NOTES_MAX:]]


def _what(shown: Interrupt) -> str:
    kinds: dict[Kind, str] = {
        "approval": "approval of {call}",
        "gate": "the gate {name}",
        "question": 'the question "{message}"',
        "form": 'the form "{message}"',
        "client_tool": "{call} on a device",
        "in_doubt": "whether {call} has run",
    }
    name = shown.toolName or shown.kind
    return kinds[shown.kind].format(call=f"{name}({_arguments(shown)})", name=name, message=shown.message or name)


def _arguments(shown: Interrupt) -> str:
    try:
        text = canonical_json(shown.input).decode()
    except BadInput:
        return "…"
    return text if len(text) <= INPUT_MAX else f"{text[:INPUT_MAX]}…"
