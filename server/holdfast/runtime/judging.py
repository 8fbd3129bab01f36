"""Judging a call: the policy's rules, then the tool's own `approval`; the stricter wins. Once: the verdict is kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from holdfast.core.approval import Approval, checked
from holdfast.core.audit import AuditEntry
from holdfast.core.canonical import input_hash
from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, OnExpiry
from holdfast.core.ladders import HandOver, Remind
from holdfast.core.operations import Operation
from holdfast.core.policies import Case, Judged, Policy, by_rules, escalating, waiting
from holdfast.core.policies import judge as judge_by
from holdfast.core.turns import TurnRecord
from holdfast.runtime.call import Call
from holdfast.runtime.execution import Execution
from holdfast.runtime.tools import Tool


async def judge(x: Execution, tool: Tool[..., Any], call: Call[Any]) -> Judged:
    """The verdict on a call that has no record yet. A predicate is not asked about what a rule denies."""
    policies = x.environment.policies.current()
    ruled = by_rules(policies, _case(x, call))
    if ruled is not None and ruled.verdict == "deny":
        return ruled
    approval = tool.rules.approval
    if callable(approval):
        approval = await _predicate(x, approval, call)
    if tool.kind == "client_tool":  # unless something asks: whoever sits at the device is the human
        return judge_by([], ruled, approval, "allow")
    return judge_by(policies, ruled, approval, x.environment.default_verdict)


def forbidden(x: Execution, call: Call[Any]) -> Judged | None:
    """The rule that denies a call about which somebody else is asked, or that a human has edited."""
    ruled = by_rules(x.environment.policies.current(), _case(x, call))
    return ruled if ruled is not None and ruled.verdict == "deny" else None


def decided(operation: Operation, judged: Judged, now_ms: int) -> Operation:
    """The operation with its verdict; where a rule decided alone, with the decision that everybody is told."""
    if judged.verdict == "ask" or judged.rule is None:
        return replace(operation, judged=judged)
    payload: dict[str, Any] = {"approved": judged.verdict == "allow"}
    if judged.reason is not None:
        payload["reason"] = judged.reason
    elif judged.verdict == "deny":
        payload["reason"] = f"denied by the policy: {judged.rule}"
    decision = Decision("resolved", payload, By("policy", judged.rule), "policy", now_ms)
    return replace(operation, judged=judged, decision=decision)


def reason_of(decision: Decision) -> str:
    """Why a rule refused, in words for the agent."""
    return str(decision.body["reason"])


def entry(turn: TurnRecord, tool: str, operation: Operation) -> AuditEntry:
    """The trail's line for a call that was let through, or refused, without a human."""
    judged = operation.judged
    assert judged is not None
    by = By("system", turn.agent) if judged.rule is None else By("policy", judged.rule)
    return AuditEntry(
        "tool.denied" if judged.verdict == "deny" else "tool.allowed",
        turn.session,
        by,
        turn=turn.id,
        interrupt=operation.interrupt,
        tool=tool,
        rule=judged.rule,
        operation=operation.key,
        inputHash=input_hash(operation.input),
    )


def waiting_rules(policies: list[Policy], tool: Tool[..., Any]) -> tuple[int | None, OnExpiry]:
    """How long an approval stays open and what happens then: as the tool says, else the policy."""
    policy = waiting(policies)
    if tool.rules.expires_ms is not None or policy is None:
        return tool.rules.expires_ms, tool.rules.on_expiry
    return policy.expires_ms, policy.on_expiry


def ladder(policies: list[Policy], tool: Tool[..., Any]) -> tuple[Remind | HandOver, ...]:
    """What happens while nobody decides: as the tool says, else the policy."""
    policy = escalating(policies)
    return tool.rules.escalate or (tuple(policy.escalate) if policy else ())


def shown_with(tool: Tool[..., Any], judged: Judged | None) -> dict[str, Any] | None:
    """What the card says beside the arguments: the risk, what the predicate said, and the rule that asks."""
    metadata: dict[str, Any] = {"risk": tool.rules.risk} if tool.rules.risk else {}
    if judged is not None and judged.approval is not None:
        metadata |= judged.approval.shown
    if judged is not None and judged.rule is not None:
        metadata["policy"] = {"rule": judged.rule}
        if judged.reason is not None:
            metadata["policy"]["reason"] = judged.reason
    return metadata or None


def _case(x: Execution, call: Call[Any]) -> Case:
    return Case(tool=call.tool, input=call.input, agent=x.turn.agent, roles=x.turn.requester.roles)


async def _predicate(x: Execution, predicate: Callable[[Call[Any]], Any], call: Call[Any]) -> Any:
    """What the predicate says; when it fails, a human is asked (promise 7)."""
    try:
        said = predicate(call)
        said = await said if inspect.isawaitable(said) else said
        said = checked(said) if isinstance(said, Approval) else said
    except Exception as error:  # noqa: BLE001 - whatever the author's code raises
        x.log.warning("predicate failed: asking", tool=call.tool, error=repr(error))
        return True
    return said if isinstance(said, bool | Approval) else True
