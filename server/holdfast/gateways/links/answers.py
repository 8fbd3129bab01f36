"""What was sent from the page, as the payload of an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from holdfast.core.errors import BadInput
from holdfast.core.interrupts import Interrupt, Kind
from holdfast.core.voting import effective_hash
from holdfast.gateways.links.fields import content_of, fields

#: The fields of a form as it was sent: a name may come several times.
Sent = Mapping[str, Sequence[str]]


def payload_of(shown: Interrupt, sent: Sent) -> dict[str, Any]:
    """The payload of an answer.

    Raises:
        BadInput: nothing was chosen, in words for who has sent it.
    """
    return _PAYLOADS[shown.kind](shown, sent)


def _approval(shown: Interrupt, sent: Sent) -> dict[str, Any]:
    answer = _one(sent, "answer")
    if answer not in ("approve", "deny"):
        raise BadInput("Please choose: approve, or deny.")
    said: dict[str, Any] = {"approved": answer == "approve"}
    # A yes is to what was shown: it is refused, in the same instant, if that is something else by now.
    said |= {name: value for name, value in (("reason", _one(sent, "reason")), ("inputHash", _seen(shown))) if value}
    return said


def _question(shown: Interrupt, sent: Sent) -> dict[str, Any]:  # noqa: ARG001 - as all are
    selected, text = list(sent.get("selected", ())), _one(sent, "text")
    if not selected and not text:
        raise BadInput("Please choose something, or answer in your words.")
    return {"selected": selected} | ({"text": text} if text else {})


def _in_doubt(shown: Interrupt, sent: Sent) -> dict[str, Any]:  # noqa: ARG001
    answer = _one(sent, "answer")
    if answer not in ("ran", "did_not_run"):
        raise BadInput("Please choose: it ran, or it did not run.")
    return {"ran": answer == "ran"}


def _form(shown: Interrupt, sent: Sent) -> dict[str, Any]:
    answer = _one(sent, "answer")
    if answer not in ("send", "decline"):
        raise BadInput("Please choose: send, or decline.")
    if answer == "decline":
        return {"action": "decline"}
    return {"action": "accept", "content": content_of(fields(shown) or [], sent)}


_PAYLOADS: dict[Kind, Callable[[Interrupt, Sent], dict[str, Any]]] = {
    "approval": _approval,
    "gate": _approval,
    "question": _question,
    "in_doubt": _in_doubt,
    "form": _form,
}


def answerable(shown: Interrupt) -> bool:
    """Whether the page can ask for it: a device's tool, or a form with parts in its parts, needs more than it has."""
    return shown.kind in _PAYLOADS and (shown.kind != "form" or fields(shown) is not None)


def _seen(shown: Interrupt) -> str | None:
    return effective_hash(shown)


def _one(sent: Sent, name: str) -> str:
    """A field that comes once; blanks are nothing."""
    values = sent.get(name, ())
    return values[0].strip() if values else ""
