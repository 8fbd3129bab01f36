"""Manifests: what a worker says that it can run."""

from __future__ import annotations

import msgspec

from holdfast.core.manifests import AgentManifest, ToolManifest


def test_a_version_of_an_agent_has_a_queue_of_its_own() -> None:
    assert AgentManifest("support", "1").queue == "support@1"
    assert AgentManifest("support", "2").queue != AgentManifest("support", "1").queue


def test_it_comes_back_as_it_went() -> None:
    tools = [
        ToolManifest("refund", "tool", {"type": "object"}, {"type": "string"}, "Refund."),
        ToolManifest("where", "client_tool", {}),
    ]
    manifest = AgentManifest("support", "1", tools)
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=AgentManifest) == manifest
