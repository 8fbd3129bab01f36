"""Holdfast: durable conversations with AI agents that people can stop, from any device, exactly once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.core.approval import Approval
    from holdfast.core.budgets import Budget
    from holdfast.core.interrupts import Approvers
    from holdfast.core.ladders import HandOver, Remind
    from holdfast.core.matching import Match
    from holdfast.core.messages import Message
    from holdfast.core.policies import Policy, Rule
    from holdfast.core.telling import words
    from holdfast.gateways.minting import mint_token
    from holdfast.runtime.agent_tools import agent_tool
    from holdfast.runtime.app import App
    from holdfast.runtime.call import Call
    from holdfast.runtime.hooks import Notice
    from holdfast.runtime.limits import GoOn, Limit
    from holdfast.runtime.racing import First
    from holdfast.runtime.results import NotDone, Result, StepFailed
    from holdfast.runtime.stepping import Final
    from holdfast.runtime.tools import Tool, client_tool, tool
    from holdfast.runtime.turn import Turn
    from holdfast.wiring import asgi

__all__ = [
    "App",
    "Approval",
    "Approvers",
    "Budget",
    "Call",
    "Final",
    "First",
    "GoOn",
    "HandOver",
    "Limit",
    "Match",
    "Message",
    "NotDone",
    "Notice",
    "Policy",
    "Remind",
    "Result",
    "Rule",
    "StepFailed",
    "Tool",
    "Turn",
    "agent_tool",
    "asgi",
    "client_tool",
    "mint_token",
    "tool",
    "words",
]

# Looked up when first used: a device, or the store alone, does without the runtime.
_HOME = {
    "App": "runtime.app",
    "Approval": "core.approval",
    "Approvers": "core.interrupts",
    "Budget": "core.budgets",
    "Call": "runtime.call",
    "Final": "runtime.stepping",
    "First": "runtime.racing",
    "GoOn": "runtime.limits",
    "Limit": "runtime.limits",
    "HandOver": "core.ladders",
    "Match": "core.matching",
    "Message": "core.messages",
    "NotDone": "runtime.results",
    "Notice": "runtime.hooks",
    "Policy": "core.policies",
    "Remind": "core.ladders",
    "Result": "runtime.results",
    "Rule": "core.policies",
    "StepFailed": "runtime.results",
    "Tool": "runtime.tools",
    "Turn": "runtime.turn",
    "agent_tool": "runtime.agent_tools",
    "asgi": "wiring",
    "client_tool": "runtime.tools",
    "mint_token": "gateways.minting",
    "tool": "runtime.tools",
    "words": "core.telling",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    return getattr(import_module(f"holdfast.{_HOME[name]}"), name)
