"""What a worker in another language sends over HTTP, and what it is told (docs/design/remote-workers.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from holdfast.core.approval import Approval
from holdfast.core.interrupts import Approvers, Decision, Interrupt, OnExpiry
from holdfast.core.ladders import HandOverText, RemindText
from holdfast.core.manifests import ToolRules
from holdfast.core.messages import Message
from holdfast.core.modes import MODES, Mode
from holdfast.core.operations import OperationKind, OperationStatus, Outcome
from holdfast.core.turns import Requester, TurnStatus

TOOLS_MAX = 200  # of one agent; far more than a model can choose from
AGENTS_MAX = 20  # that one worker asks for at once
CHUNKS_MAX = 100  # of one append: they go into one commit
NAME_MAX = 200  # characters of a name: it is part of an operation's key
NTH_MAX = 10_000  # operations of one name; a turn has fewer

#: Part of an operation's key, in which "/" leads inside.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX, pattern=r"^[^/\n]*$")]
#: Under which a chunk is streamed: what a worker was told, or the key of what it will record.
StreamedAs = Annotated[str, msgspec.Meta(pattern=r"^(text|stream:[^/\n]{1,200}):[0-9]{1,5}$")]
Nth = Annotated[int, msgspec.Meta(ge=1, le=NTH_MAX)]
#: What the worker does next: run the tool and send its `result`; wait, once nothing else can go on; take what is told
#: and go on; or stop, for somebody asked that the turn end.
Do = Literal["run", "wait", "go_on", "stop"]


class ToolSaid(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tool of an agent: its schemas, and the rules under which it runs."""

    name: Name
    inputSchema: dict[str, Any]
    kind: Literal["tool", "client_tool"] = "tool"
    outputSchema: dict[str, Any] | None = None
    description: str | None = None
    rules: ToolRules = ToolRules()


class NewManifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent in one version, as its worker says it. The same again changes nothing."""

    version: Name = "1"
    tools: Annotated[list[ToolSaid], msgspec.Meta(max_length=TOOLS_MAX)] = []
    onMessage: Mode = "queue"
    modes: tuple[Mode, ...] = MODES


class Served(msgspec.Struct, frozen=True):
    """An agent in one version, by name."""

    agent: Name
    version: Name = "1"


class LeaseWanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker asks for a turn of these agents, and waits for one: "30s", a minute at most."""

    agents: Annotated[list[Served], msgspec.Meta(min_length=1, max_length=AGENTS_MAX)]
    wait: str | None = None


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operation, as it is recorded. `outcome` is there once there is one."""

    key: str
    kind: OperationKind
    status: OperationStatus
    #: The arguments that count.
    input: Any = None
    #: Whether they are a human's, and not the agent's.
    edited: bool = False
    outcome: Outcome | None = None
    value: Any = None
    #: Why not, in words: a person's own, word for word, or the error's.
    reason: str | None = None
    decision: Decision | None = None
    #: What is open for it, or was.
    interrupt: str | None = None
    #: The call in the agent's message.
    toolCallId: str | None = None
    #: The same in every attempt: give it to whatever the tool calls.
    idempotencyKey: str | None = None


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it stands with a turn that a worker has, or had: in the reply to each of its writes."""

    turn: str
    #: To be sent with the next write: another one after a restart of the store.
    fence: str
    #: Of the last write. The next one is one more.
    number: int
    status: TurnStatus
    #: Somebody asked that it end: record what is in flight, then finish.
    cancel: bool = False
    #: Messages that were said to it and not taken in.
    steering: int = 0


class Performed(Held, frozen=True, omit_defaults=True, kw_only=True):
    """A write about one operation: what it has come to, and what to do next."""

    do: Do
    #: None: it was not begun, for the turn is to stop.
    operation: Told | None = None
    #: The name under which to stream from now on.
    op: str | None = None


class Steered(Held, frozen=True, omit_defaults=True):
    """What was said to the turn since the last time."""

    messages: list[Message] = []


class Recorded(msgspec.Struct, frozen=True):
    """All that a turn has recorded, by the order in which it was begun."""

    turn: str
    operations: list[Told]


class Lease(Held, frozen=True, omit_defaults=True, kw_only=True):
    """A turn, for this worker alone as long as its fence holds."""

    #: From the last append on: then the turn is anybody's again.
    leaseMs: int
    session: str
    agent: str
    version: str
    requester: Requester
    #: The id of the message that it writes.
    reply: str
    #: The name under which to stream until the next operation.
    op: str
    #: The message that caused it.
    message: Message | None = None
    input: Any = None
    #: What was said before, oldest first.
    history: list[Message] = []
    #: More was said before that.
    earlier: bool = False
    #: What is asked in the session, from outside of its turns.
    pending: list[Interrupt] = []
    #: What a model should be told beside the messages.
    notes: list[str] = []
    operations: list[Told] = []


class Write(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every write of a worker says: under which fence, and the how-manieth it is."""

    fence: str
    number: Annotated[int, msgspec.Meta(ge=1)]


class Append(Write, frozen=True, omit_defaults=True):
    """Stream: chunks of the agent's message, a progress, or nothing, which keeps the lease."""

    chunks: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=CHUNKS_MAX)] = []
    #: As it was last told, or the key of the answer of a model that is to be recorded. None: it is looked up.
    op: StreamedAs | None = None
    progress: Any = None


class NewCall(Write, frozen=True, omit_defaults=True, kw_only=True):
    """Call a tool: judged, asked about if need be, and begun."""

    tool: Name
    input: dict[str, Any]
    nth: Nth = 1
    #: What a predicate says of this call.
    approval: bool | Approval | None = None
    #: In the place of the tool's own rules, for this call.
    expires: str | None = None
    onExpiry: OnExpiry | None = None
    approvers: Approvers | None = None
    escalate: tuple[RemindText | HandOverText, ...] | None = None
    autoContinue: bool | None = None


class NewResult(Write, frozen=True, omit_defaults=True, kw_only=True):
    """How a call that was to be run has ended. With an `error` it failed."""

    key: str
    output: Any = None
    error: str | None = None


class NewQuestion(Write, frozen=True, omit_defaults=True, kw_only=True):
    """Ask people: a question, a form, or a gate, with what each of them takes."""

    kind: Literal["question", "form", "gate"]
    nth: Nth = 1
    message: str | None = None
    #: A gate's.
    name: Name | None = None
    payload: Any = None
    #: A question's.
    context: Any = None
    options: list[Any] | None = None
    multiple: bool = False
    freeText: bool = True
    #: A form's: what is to be filled in, or the page where it is.
    schema: dict[str, Any] | None = None
    url: str | None = None
    expires: str | None = None
    onExpiry: OnExpiry = "deny"
    approvers: Approvers | None = None
    escalate: tuple[RemindText | HandOverText, ...] = ()
    autoContinue: bool = True
    metadata: dict[str, Any] | None = None


class NewRecord(Write, frozen=True, omit_defaults=True, kw_only=True):
    """Keep what was done, so that it is not done again: a step, or what a model said. With an `error` it failed."""

    kind: Literal["step", "stream"] = "step"
    name: Name
    nth: Nth = 1
    value: Any = None
    error: str | None = None


class NewSleep(Write, frozen=True, omit_defaults=True, kw_only=True):
    """Wait for so long: "7 days"."""

    duration: str
    nth: Nth = 1


class NewLook(Write, frozen=True, omit_defaults=True):
    """Take in what was said to the turn."""

    nth: Nth = 1


class LetGo(Write, frozen=True, omit_defaults=True):
    """Let go of the turn until all that it waits for is settled; or the first of these interrupts."""

    first: tuple[str, ...] = ()


class TurnError(msgspec.Struct, frozen=True):
    """Why a turn failed."""

    message: Annotated[str, msgspec.Meta(max_length=2_000)]
    code: Annotated[str, msgspec.Meta(max_length=100)] = "agent_error"


class NewEnd(Write, frozen=True, omit_defaults=True):
    """The end of the turn: completed with its result, or failed."""

    result: Any = None
    error: TurnError | None = None
