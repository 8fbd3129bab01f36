"""Manifests: what a worker says of the agents that it can run, so that servers need no user code (rule m)."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from holdfast.core.interrupts import Approvers, OnExpiry
from holdfast.core.ladders import HandOverText, RemindText
from holdfast.core.modes import MODES, Mode


class ToolRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """Under which rules a tool runs, where its worker is not here to say it. What `@tool` calls its options."""

    #: True asks, False opts out; None leaves it to the call, and then to the default, which is to ask.
    approval: bool | None = None
    #: A duration: "1 h".
    expires: str | None = None
    onExpiry: OnExpiry = "deny"
    approvers: Approvers | None = None
    escalate: tuple[RemindText | HandOverText, ...] = ()
    editable: bool = False
    idempotent: bool = False
    risk: str | None = None
    autoContinue: bool = True
    grantable: bool = True


class ToolManifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tool, as servers and devices need to know it."""

    name: str
    kind: Literal["tool", "client_tool"]
    inputSchema: dict[str, Any]
    outputSchema: dict[str, Any] | None = None
    description: str | None = None
    #: None: its worker judges its calls itself.
    rules: ToolRules | None = None


#: Names that agents elsewhere know already: of what a server itself offers them.
TAKEN = ("request_approval", "ask_human", "notify", "cancel_request", "permission_prompt", "wait_for")
PUBLISHED_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")  # as the Model Context Protocol has it


class Published(msgspec.Struct, frozen=True, omit_defaults=True):
    """What agents elsewhere may call: each call is a turn of the agent that has this."""

    name: str
    #: What they must give.
    inputSchema: dict[str, Any]
    description: str | None = None
    #: Whether it is the turn's input, or its `message` is a message to the agent, whose words are the answer.
    takes: Literal["input", "message"] = "input"


class AgentManifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent in one version."""

    agent: str
    version: str
    tools: list[ToolManifest] = []
    #: What becomes of a message that comes while a turn runs or waits, where the message does not say.
    onMessage: Mode = "queue"
    #: What a message may say of that.
    modes: tuple[Mode, ...] = MODES
    #: None: it is only for those who know of it.
    published: Published | None = None

    @property
    def queue(self) -> str:
        return f"{self.agent}@{self.version}"


def check_published(name: str) -> None:
    """Let a name pass under which something can be published. Raises ValueError."""
    if not PUBLISHED_NAME.fullmatch(name):
        raise ValueError(f"{name!r}: what is published has a name of 1 to 128 letters, digits or _.-")
    if name in TAKEN:
        raise ValueError(f"{name!r} is what agents elsewhere call a tool of every server: publish it by another name")
