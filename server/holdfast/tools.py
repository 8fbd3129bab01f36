"""Ready-made tools: what almost every agent needs of people.

    @app.agent("support", tools=[ask_human, request_approval, refund])

They are the asking themselves, so nobody is asked whether they may run. While they wait, nothing is held in memory.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.operations import Outcome
from holdfast.runtime.call import Call
from holdfast.runtime.results import Result
from holdfast.runtime.tools import tool


class HumanAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person said, or why nobody did."""

    #: "done", or why there is no answer: expired, cancelled, withdrawn, superseded.
    status: Outcome
    text: str | None = None
    selected: list[str] = []
    by: str | None = None
    reason: str | None = None


class HumanDecision(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a person agreed. Only `approved: true` is a yes."""

    approved: bool
    #: "done", "denied", or why nobody decided: expired, cancelled, withdrawn, superseded.
    status: Outcome
    by: str | None = None
    reason: str | None = None


@tool(approval=False)
async def ask_human(
    call: Call[Any], question: str, context: str | None = None, options: list[str] | None = None
) -> HumanAnswer:
    """Ask a human a question and wait for the answer. Use it when you lack something that only a person knows.

    Give the context that a person needs who has not followed the conversation, and options where there are few.
    """
    asked = await call.ask(question, context=context, options=options)
    if not asked.ok:
        return HumanAnswer(asked.status, by=_who(asked), reason=asked.reason)
    return HumanAnswer(asked.status, asked.value.text, asked.value.selected, _who(asked))


@tool(approval=False)
async def request_approval(call: Call[Any], action: str, details: dict[str, Any] | None = None) -> HumanDecision:
    """Ask a human to approve an action before you take it, and wait. Act only if `approved` is true.

    Say in a few words what you are about to do, and in the details with what exactly.
    """
    asked = await call.gate("request_approval", {"action": action, "details": details}, message=action)
    return HumanDecision(asked.ok and asked.value is True, asked.status, _who(asked), asked.reason)


def _who(asked: Result[Any]) -> str | None:
    """The person who answered; a deadline or an agent is none."""
    by = asked.decision.by if asked.decision else None
    return (by.name or by.id) if by is not None and by.kind == "person" else None
