"""Manifests: what a worker says of the agents that it can run, so that servers need no user code (rule m)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from holdfast.core.modes import MODES, Mode


class ToolManifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tool, as servers and devices need to know it."""

    name: str
    kind: Literal["tool", "client_tool"]
    inputSchema: dict[str, Any]
    outputSchema: dict[str, Any] | None = None
    description: str | None = None


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
