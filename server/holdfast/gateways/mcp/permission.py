"""A coding agent's permission prompt: may it use this tool, with exactly this input?

The contract is the one that such agents document for a permission-prompt tool. In: `{tool_name, input, tool_use_id}`.
Out, as the text of the result: `{"behavior": "allow", "updatedInput": {…}}` or `{"behavior": "deny", "message": "…"}`.
There is no "later" in it, so the call waits until somebody answers or the request expires; and whatever goes wrong is
a deny.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import anyio
import msgspec

from holdfast.core import telling
from holdfast.core.errors import HoldfastError
from holdfast.core.ids import SESSION_ID
from holdfast.core.interrupts import Decision
from holdfast.gateways.mcp.desk import Desk, Terms
from holdfast.gateways.mcp.tools import new_ref
from holdfast.gateways.mcp.waiting import Progress, waited
from holdfast.protocol import frames
from holdfast.protocol.frames import GateShown

NAME = "permission_prompt"
WITHDRAW_S = 3.0  # then the card stays until it expires: an agent that ends must not hang for it
TITLE_MAX = 200  # characters of a gate's name


class PermissionPrompt(msgspec.Struct, frozen=True):
    """Called by a coding agent itself, never by the model: may this tool be used with this input?"""

    tool_name: Annotated[str, msgspec.Meta(min_length=1)]
    input: dict[str, Any] = {}
    tool_use_id: str | None = None


class Allow(msgspec.Struct, frozen=True):
    updatedInput: dict[str, Any]
    behavior: Literal["allow"] = "allow"


class Deny(msgspec.Struct, frozen=True):
    message: str
    behavior: Literal["deny"] = "deny"


async def permitted(desk: Desk, terms: Terms, sent: PermissionPrompt, progress: Progress) -> Allow | Deny:
    """Ask, and wait for the answer. Cancelled, as when the agent's user ends it, the question is taken back."""
    frame = frames.Gate(
        new_ref(),
        _gate_of(sent.tool_use_id),
        sent.tool_name[:TITLE_MAX],
        sent.input,
        approvers=terms.approvers,
        expires=terms.expires,
        metadata={"tool_name": sent.tool_name},
    )
    try:
        shown, decision = await _asked(desk, frame, progress)
    except HoldfastError as error:
        return Deny(f"Nobody could be asked: {error}")
    return _answer(sent, shown, decision)


async def _asked(desk: Desk, frame: frames.Gate, progress: Progress) -> tuple[GateShown, Decision | None]:
    try:
        shown = await desk.request(frame)
        return shown, await waited(desk, shown, None, progress)
    except (anyio.get_cancelled_exc_class(), HoldfastError):
        # Nobody waits for the answer any more, so nobody is to be asked.
        with anyio.move_on_after(WITHDRAW_S, shield=True):
            # Under the same ref it is the same: it may not be known whether it was asked.
            await desk.withdraw(await desk.request(frame))
        raise


def _answer(sent: PermissionPrompt, shown: GateShown, decision: Decision | None) -> Allow | Deny:
    if decision is not None and decision.approved:
        return Allow(decision.body.get("input", sent.input))
    return Deny(telling.words(shown.interrupt, decision))


def _gate_of(tool_use: str | None) -> str:
    """The gate's id: asked again for the same use of a tool, it is the same gate."""
    if tool_use is None:
        return new_ref()
    return tool_use if SESSION_ID.fullmatch(tool_use) else hashlib.sha256(tool_use.encode()).hexdigest()
