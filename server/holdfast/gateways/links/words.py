"""The words of the page: what is asked, what was decided, and when, for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from holdfast.core.interrupts import Decision, Interrupt, Kind
from holdfast.core.reviews import RIGHT, said
from holdfast.core.voting import voted_on

ASKS: dict[Kind, str] = {
    "approval": "Approval needed",
    "gate": "Confirmation needed",
    "question": "A question",
    "form": "Something to fill in",
    "client_tool": "Waits for a device",
    "in_doubt": "In doubt",
}
_THEN = {"deny": "no", "approve": "yes", "cancel": "cancelled", "escalate": "passed on"}
_EXPIRED = {
    "deny": "this counts as no",
    "approve": "this counts as yes",
    "cancel": "cancelled",
    "escalate": "passed on",
}
_CLOSED = {"cancelled": "Cancelled", "withdrawn": "Taken back", "superseded": "No longer needed"}
_OF_QUESTION = ("question", "options", "multiple", "freeText")
_MARGINS = ("summary", "impact", "risk")  # of an Approval: beside the arguments


def title(name: str) -> str:
    """ "order_id" and "orderId" are "Order id"."""
    words = re.sub(r"([a-z\d])([A-Z])", r"\1 \2", name)
    words = re.sub(r"[_-]+", " ", words).strip(" ").lower()
    return words[:1].upper() + words[1:]


def heading(shown: Interrupt) -> str:
    """What is asked, in a line. A question, or what a form is for, is its own."""
    if shown.kind in ("question", "form") and shown.message:
        return shown.message
    return title(shown.toolName) if shown.toolName else (shown.message or ASKS[shown.kind])


def input_of(shown: Interrupt) -> Any:
    """What is shown of the arguments: all of it; of a question or a form what the page does not say otherwise."""
    if shown.kind == "form":
        return None
    if shown.kind != "question":
        return shown.input
    given = _fields(shown.input)
    return {name: value for name, value in given.items() if name not in _OF_QUESTION} or None


def options(shown: Interrupt) -> tuple[list[tuple[str, str]], bool]:
    """The choices of a question, value and label, and whether several may be chosen."""
    given = _fields(shown.input) if shown.kind == "question" else {}
    offered: Any = given.get("options")
    listed = cast("list[Any]", offered) if isinstance(offered, list | tuple) else []
    return [_option(one) for one in listed], given.get("multiple") is True


def _fields(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _option(option: Any) -> tuple[str, str]:
    if not isinstance(option, dict):
        return str(option), str(option)
    said = cast("dict[str, Any]", option)
    value = next((said[name] for name in ("id", "value", "label") if name in said), "")
    return str(value), str(said.get("label", value))


def arguments(value: Any) -> list[tuple[str, str, bool]] | None:
    """An object's fields: name, value, and whether the value is JSON. None: it is no object."""
    if not isinstance(value, dict):
        return None
    return [(title(name), *_value(one)) for name, one in cast("dict[str, Any]", value).items()]


def _value(value: Any) -> tuple[str, bool]:
    match value:
        case None:
            return "none", False
        case bool():
            return ("yes" if value else "no"), False
        case str() | int() | float():
            return str(value), False
        case _:
            return json(value), True


def json(value: Any) -> str:
    """The exact JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def margins(shown: Interrupt) -> list[tuple[str, str]]:
    """What an author says of the call beside its arguments."""
    said = shown.metadata or {}
    return [(title(name), str(said[name])) for name in _MARGINS if isinstance(said.get(name), str)]


def approvers(shown: Interrupt) -> str:
    """Who may answer, where they are named."""
    if shown.approvers is None:
        return ""
    names = [*shown.approvers.subjects, *(f"the role “{role}”" for role in shown.approvers.roles)]
    return " or ".join(names)


def tally(shown: Interrupt) -> str | None:
    """How many votes there are, where several are needed."""
    if not voted_on(shown) or shown.approvers is None:
        return None
    yes = sum(vote.approved for vote in shown.votes)
    said = ", ".join(f"{vote.by.name or vote.by.id}: {'yes' if vote.approved else 'no'}" for vote in shown.votes)
    if shown.tied:
        return f"The votes differ ({said}): the next one decides"
    return f"{yes} of {shown.approvers.quorum} have approved" + (f" ({said})" if said else "")


def until(shown: Interrupt, now_ms: int) -> str | None:
    """When its time is up, and what then."""
    if shown.expiresAt is None:
        return None
    if shown.afterwards:
        return f"{remaining(shown.expiresAt - now_ms)} left, until {at(shown.expiresAt)}; then nothing comes of it"
    then = "it counts as failed" if shown.kind == "in_doubt" else _THEN[shown.onExpiry]
    return f"{remaining(shown.expiresAt - now_ms)} left, until {at(shown.expiresAt)}; then: {then}"


def remaining(ms: int) -> str:
    """ "59 min", "3 h 20 min", "6 days"."""
    minutes = max(0, ms) // 60_000
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} days"
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else "less than a minute"


def at(ms: int) -> str:
    """An instant. The page does not know its reader's time zone."""
    return f"{datetime.fromtimestamp(ms / 1_000, UTC):%-d %b %Y, %H:%M} UTC"


def decided(shown: Interrupt, decision: Decision, subject: str) -> tuple[str, bool]:
    """What was decided, by whom and when, in a sentence; and whether it was a yes."""
    if decision.status == "expired" and shown.afterwards:
        return f"Nobody looked in time, {at(decision.at)}", False
    if decision.status == "expired":
        return f"Nobody answered in time, {at(decision.at)}: {_EXPIRED[shown.onExpiry]}", False
    who = _by(decision, subject)
    if decision.status != "resolved":
        return f"{_CLOSED[decision.status]}{who}, {at(decision.at)}", False
    verb, yes = _verb(shown, decision)
    changed = " with changes" if "input" in decision.body else ""
    return f"{verb}{changed}{who}, {at(decision.at)}", yes


def _verb(shown: Interrupt, decision: Decision) -> tuple[str, bool]:
    if shown.afterwards:
        verdict = said(decision)
        return f"Found {verdict}", verdict == RIGHT
    if shown.kind in ("approval", "gate"):
        return ("Approved", True) if decision.body.get("approved") is True else ("Denied", False)
    if shown.kind == "form" and decision.body.get("action") != "accept":
        return "Declined", False
    return "Answered", True


def _by(decision: Decision, subject: str) -> str:
    by = decision.by
    if by.kind == "policy":
        return f" by the rule {by.name or by.id}"
    if by.kind != "person":
        return ""
    return " by you" if by.id == subject else f" by {by.name or by.id}"
