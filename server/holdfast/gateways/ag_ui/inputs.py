"""What a client posts to have a run, and what of it is new: words of its person, answers. The rest is not believed.

A client posts all messages that it has each time. They are its view, and may be old or made up; the log is the truth
(promise 8).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

from holdfast.core.errors import BadInput
from holdfast.core.folding import State
from holdfast.gateways.ag_ui import interrupts
from holdfast.gateways.ag_ui.contents import said
from holdfast.gateways.ag_ui.run import Client

RESUME_MAX = 100  # answers of one run, as of `answer_many`: each is a command by itself


class Resume(msgspec.Struct, frozen=True):
    """An answer to an interrupt."""

    interruptId: str
    status: Literal["resolved", "cancelled"]
    payload: Any = None


class RunInput(msgspec.Struct, frozen=True):
    """AG-UI's `RunAgentInput`. Tools are not read: an agent says itself which it has."""

    threadId: str
    runId: str
    messages: list[msgspec.Raw] = []
    resume: Annotated[list[Resume], msgspec.Meta(max_length=RESUME_MAX)] | None = None
    protocolVersion: str | None = None
    state: Any = None
    context: list[Any] | None = None
    forwardedProps: Any = None


class Posted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as a client has it."""

    id: str
    role: str
    content: Any = None
    toolCallId: str | None = None
    #: Why the client's tool failed.
    error: str | None = None
    toolCalls: list[dict[str, Any]] | None = None


class Given(msgspec.Struct, frozen=True):
    """An answer, as it is submitted."""

    interrupt: str
    status: Literal["resolved", "cancelled"]
    payload: Any


def posted(given: RunInput) -> list[Posted]:
    """The messages. Raises BadInput."""
    try:
        return [msgspec.json.decode(raw, type=Posted) for raw in given.messages]
    except msgspec.DecodeError as error:
        raise BadInput(f"messages: {error}", path="messages") from None


def client(given: RunInput, messages: list[Posted]) -> Client:
    """Who asks, and what it has. Of what people do beside the conversation nothing is kept here."""
    shown = [msgspec.to_builtins(one) for one in messages if one.role != "activity"]
    return Client(given.threadId, given.runId, _is_modern(given.protocolVersion), shown, given.state)


def words(given: RunInput, messages: list[Posted]) -> dict[str, Any] | None:
    """What a person says, as a message of ours: the last one that was posted, if it is a person's. Raises BadInput."""
    last = next((one for one in reversed(messages) if one.role not in ("activity", "developer", "system")), None)
    if last is None or last.role != "user":
        return None
    beside = {"context": given.context, "forwardedProps": given.forwardedProps}
    metadata = {"runId": given.runId, **{name: value for name, value in beside.items() if value}}
    return {"id": last.id, "role": "user", "parts": said(last.content), "metadata": metadata}


def answers(given: RunInput, messages: list[Posted], state: State) -> Iterator[Given]:
    """What is answered: by `resume`, or by a message that gives the output of a client tool which is still to run.

    An output of any other tool is passed over: it is the server's to say.
    """
    for entry in given.resume or ():
        yield Given(entry.interruptId, entry.status, entry.payload)
    resumed = {entry.interruptId for entry in given.resume or ()}
    outputs = {one.toolCallId: one for one in messages if one.role == "tool"}
    for interrupt in interrupts.asked(state):
        output = outputs.get(interrupt.get("toolCallId"))
        if interrupt["kind"] == "client_tool" and interrupt["id"] not in resumed and output is not None:
            yield Given(interrupt["id"], "resolved", _output(output, interrupt.get("responseSchema")))


def _output(message: Posted, schema: dict[str, Any] | None) -> dict[str, Any]:
    """A client has only texts: one is taken as JSON where that is what the tool gives."""
    if message.error is not None:
        return {"error": message.error}
    if not isinstance(message.content, str) or (schema or {}).get("type") == "string":
        return {"output": message.content}
    try:
        return {"output": msgspec.json.decode(message.content)}
    except msgspec.DecodeError:
        return {"output": message.content}


def _is_modern(version: str | None) -> bool:
    major = (version or "0").partition(".")[0]
    return major.isascii() and major.isdecimal() and int(major) >= 1
