"""Manifests: what a worker says that it can run."""

from __future__ import annotations

import msgspec

from holdfast.core.interrupts import Approvers
from holdfast.core.ladders import RemindText
from holdfast.core.manifests import AgentManifest, ToolManifest, ToolRules


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


def test_rules_come_along_where_a_worker_cannot_say_them_here() -> None:
    rules = ToolRules(approval=True, expires="1 h", approvers=Approvers(("finance",)), escalate=(RemindText("10 min"),))
    manifest = AgentManifest("node", "1", [ToolManifest("refund", "tool", {}, rules=rules)])
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=AgentManifest) == manifest


def test_one_of_before_there_were_rules() -> None:
    stored = b'{"agent":"support","version":"1","tools":[{"name":"refund","kind":"tool","inputSchema":{}}]}'
    assert msgspec.json.decode(stored, type=AgentManifest).tools[0].rules is None
