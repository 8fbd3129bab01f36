"""Manifests: what a worker says of the agents that it can run, so that servers need no user code (rule m)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


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

    @property
    def queue(self) -> str:
        return f"{self.agent}@{self.version}"
