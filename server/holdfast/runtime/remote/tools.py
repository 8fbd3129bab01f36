"""The tools of an agent that runs elsewhere: their schemas and rules from its manifest, their functions far away."""

from __future__ import annotations

from typing import Any

from holdfast.core.durations import expiry
from holdfast.core.errors import BadInput
from holdfast.core.ladders import checked
from holdfast.core.manifests import AgentManifest, ToolManifest, ToolRules
from holdfast.protocol.work import NAME_MAX, NewManifest, ToolSaid
from holdfast.runtime.signatures import SchemaSignature
from holdfast.runtime.tools import Tool, ToolOptions


def manifest_of(agent: str, said: NewManifest) -> AgentManifest:
    """What is registered of an agent.

    Raises:
        BadInput: a name, a schema or a rule cannot be used; says whose.
    """
    for name in (agent, said.version):
        if len(name) > NAME_MAX or any(sign in name for sign in "@ \n"):
            rule = f"has at most {NAME_MAX} characters, and neither '@' nor blanks"
            raise BadInput(f"{name[:NAME_MAX]!r}: the name of an agent or of its version {rule}.")
    tools = [_manifest(tool) for tool in said.tools]
    if twice := {tool.name for tool in tools if sum(other.name == tool.name for other in tools) > 1}:
        raise BadInput(f"tools: {', '.join(sorted(twice))} is there twice.")
    manifest = AgentManifest(agent, said.version, tools, said.onMessage, said.modes)
    tools_of(manifest)
    return manifest


def tools_of(manifest: AgentManifest) -> dict[str, Tool[..., Any]]:
    """The tools of a manifest, by name. Raises BadInput, which names the tool."""
    return {tool.name: _tool(tool) for tool in manifest.tools}


def _manifest(said: ToolSaid) -> ToolManifest:
    return ToolManifest(said.name, said.kind, said.inputSchema, said.outputSchema, said.description, said.rules)


def _tool(manifest: ToolManifest) -> Tool[..., Any]:
    try:
        options = _options(manifest.rules or ToolRules())
        signature = SchemaSignature(manifest.inputSchema, manifest.outputSchema, injects=False)
    except (BadInput, ValueError) as error:
        raise BadInput(f"tools: {manifest.name}: {error}", tool=manifest.name) from None
    made: Tool[..., Any] = Tool(_elsewhere, manifest.kind, options, manifest.name, signature)
    made.description = manifest.description
    return made


def _options(rules: ToolRules) -> ToolOptions:
    return ToolOptions(
        approval=rules.approval,
        expires=None if rules.expires is None else expiry(rules.expires),
        on_expiry=rules.onExpiry,
        approvers=rules.approvers,
        escalate=checked([written.rung for written in rules.escalate]),
        editable=rules.editable,
        idempotent=rules.idempotent,
        risk=rules.risk,
        auto_continue=rules.autoContinue,
        grantable=rules.grantable,
    )


def _elsewhere() -> None:
    raise AssertionError("it runs in its worker")
