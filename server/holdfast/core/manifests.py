"""Manifests: what a worker says of the agents that it can run, so that servers need no user code (rule m)."""

from __future__ import annotations

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


class AgentManifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent in one version."""

    agent: str
    version: str
    tools: list[ToolManifest] = []
    #: What becomes of a message that comes while a turn runs or waits, where the message does not say.
    onMessage: Mode = "queue"
    #: What a message may say of that.
    modes: tuple[Mode, ...] = MODES

    @property
    def queue(self) -> str:
        return f"{self.agent}@{self.version}"
