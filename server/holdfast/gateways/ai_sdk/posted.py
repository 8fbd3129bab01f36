"""What a chat posts, and what of it is new: a message of its person's, or answers to calls. The rest is not read.

A chat sends its whole history each time. It is the chat's view, and may be old or made up; the log is the truth
(promise 8).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from holdfast.core.conversation import USER_PARTS
from holdfast.core.errors import BadInput
from holdfast.core.folding import Placed, State
from holdfast.core.messages import Message, Part
from holdfast.gateways.ai_sdk.replay import asked_in, is_tool
from holdfast.protocol.frames import ToolUpdate

Trigger = Literal["submit-message", "regenerate-message"]


class Chat(msgspec.Struct, frozen=True):
    """The body of a request, as `DefaultChatTransport` sends it."""

    id: str
    messages: list[msgspec.Raw]
    trigger: Trigger = "submit-message"
    #: The message that is edited, given anew, or gone on with.
    messageId: str | None = None


class Posted(msgspec.Struct, frozen=True):
    """A message as a chat has it."""

    id: str
    role: str
    parts: list[dict[str, Any]]
    metadata: Any = None

    @property
    def known(self) -> Message:
        """As what the chat has, for the difference to what stands."""
        return Message(self.id, "assistant", [part for part in self.parts if isinstance(part.get("type"), str)])

    @property
    def words(self) -> dict[str, Any]:
        """As what a person says."""
        parts = [part for part in self.parts if part.get("type") in USER_PARTS]
        return {"id": self.id, "role": self.role, "parts": parts, "metadata": self.metadata}


class _Named(msgspec.Struct):
    id: str


def meant(chat: Chat) -> Posted:
    """The message that a request is about: the one that it names, else the last.

    Raises:
        BadInput: there is none, or it is no message.
    """
    try:
        named = chat.messageId if chat.trigger == "submit-message" else None
        for raw in reversed(chat.messages):
            if named is None or msgspec.json.decode(raw, type=_Named).id == named:
                return msgspec.json.decode(raw, type=Posted)
    except msgspec.DecodeError as error:
        raise BadInput(f"messages: {error}", path="messages") from None
    raise BadInput("messages: there is no message, or not the one of this messageId.", path="messages")


def find(state: State, own_id: str | None) -> Placed | None:
    """A message by its id, or by the one that the device which sent it gave it."""
    if own_id is None or own_id in state.messages:
        return state.messages.get(own_id or "")
    named = (placed for placed in reversed(state.ordered) if _client_id(placed) == own_id)
    return next(named, None)


def said_alike(posted: Posted, message: Message) -> bool:
    """Whether a person's message stands as it was posted."""
    return posted.words["parts"] == message.parts


def answers(posted: Posted, message: Message, state: State) -> list[ToolUpdate]:
    """What the chat says of calls that is not settled yet."""
    asked = {shown.get("toolCallId") for shown in state.interrupts.values() if "decision" not in shown}
    standing = {part["toolCallId"]: part for part in message.parts if is_tool(part)}
    calls = [part for part in posted.known.parts if is_tool(part) and part.get("toolCallId") in asked]
    return [update for part in calls for update in _answer(part, standing.get(part["toolCallId"]))]


def _client_id(placed: Placed) -> object:
    return (placed.message.metadata or {}).get("clientId")


def _answer(part: Part, standing: Part | None) -> Iterator[ToolUpdate]:
    call, state = part["toolCallId"], part.get("state")
    if standing is None or standing["state"] == state:
        return
    approval = asked_in(part)
    if state == "approval-responded" and approval.get("id") == asked_in(standing).get("id"):
        reason = approval.get("reason")
        said = reason if isinstance(reason, str) else None
        yield ToolUpdate("tool-approval-response", call, approved=approval.get("approved"), reason=said)
    elif state == "output-available":
        yield ToolUpdate("tool-output-available", call, output=part.get("output"))
    elif state == "output-error":
        yield ToolUpdate("tool-output-error", call, errorText=str(part.get("errorText") or "It failed."))
