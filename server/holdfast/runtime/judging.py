"""Judging a call: the policy's rules, then the tool's own `approval`; the stricter wins. Once: the verdict is kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.core import ids
from holdfast.core.approval import Approval, checked
from holdfast.core.audit import AuditEntry
from holdfast.core.budgets import Charge, Overrun, charges, overruns
from holdfast.core.canonical import input_hash
from holdfast.core.durations import Expiry
from holdfast.core.grants import covering
from holdfast.core.identity import By
from holdfast.core.interrupts import Decision, OnExpiry
from holdfast.core.ladders import HandOver, Remind
from holdfast.core.operations import Operation
from holdfast.core.policies import Case, Judged, Policy, Verdict, by_rules, compared, escalating, sampled_share, waiting
from holdfast.core.policies import judge as judge_by
from holdfast.core.sampling import drawn
from holdfast.core.standing import rule_of
from holdfast.runtime.call import Call
from holdfast.runtime.execution import Execution
from holdfast.runtime.policies import zone
from holdfast.runtime.tools import Tool


async def judge(
    x: Execution, tool: Tool[..., Any], call: Call[Any], said: Said, default: Verdict | None = None
) -> Judged:
    """The verdict on a call that has no record yet. A predicate is not asked about what a rule denies."""
    policies = x.environment.policies.current()
    case = await case_of(x, call)
    ruled = by_rules(policies, case)
    if ruled is not None and ruled.verdict == "deny":
        return ruled
    approval = await said.by(x, tool.rules.approval, call)
    if tool.kind != "tool":  # unless something asks: a device is a human's, and an agent's own calls are judged
        judged = judge_by([], ruled, approval, "allow")
    else:
        judged = judge_by(policies, ruled, approval, default or x.environment.default_verdict)
    if judged.verdict == "ask":
        judged = await _granted(x, tool, judged, case)
    judged = over_budget(judged, await _overruns(x, call, case))
    return replace(judged, sample=_sample(x, tool, judged, call))


def _sample(x: Execution, tool: Tool[..., Any], judged: Judged, call: Call[Any]) -> float | None:
    """The share by which the call was drawn, to be shown to somebody afterwards. None: it was not.

    Whoever sits at the device has seen what it did.
    """
    share = sampled_share(x.environment.policies.current(), judged)
    is_drawn = tool.kind == "tool" and drawn(share, x.session.salt, call.idempotency_key)
    return share if is_drawn else None


async def forbidden(x: Execution, call: Call[Any]) -> Judged | None:
    """The rule that denies a call that a human has edited."""
    ruled = by_rules(x.environment.policies.current(), await case_of(x, call))
    return ruled if ruled is not None and ruled.verdict == "deny" else None


class Said:
    """What a tool's predicate says of one call: it is asked once, however often the call is judged."""

    def __init__(self) -> None:
        self._said: Any = msgspec.UNSET

    async def by(self, x: Execution, approval: Any, call: Call[Any]) -> Any:
        if not callable(approval):
            return approval
        if self._said is msgspec.UNSET:
            self._said = await _predicate(x, approval, call)
        return self._said


async def governed(x: Execution, tool: str, input: Any) -> bool:
    """Whether the policies have a word to say about a call for which nobody else would ask."""
    policies, case = x.environment.policies.current(), await _case(x, tool, input)
    return by_rules(policies, case) is not None or bool(charges_of(x, case))


async def case_of(x: Execution, call: Call[Any]) -> Case:
    """The call as rules see it; with what was approved before, if one of them asks for that."""
    return await _case(x, call.tool, call.input)


async def _case(x: Execution, tool: str, input: Any) -> Case:
    seen = None
    if compared(x.environment.policies.current(), tool):
        seen = (await x.environment.standings.read(x.turn.session)).seen
    requester = x.turn.requester
    return Case(
        tool=tool,
        input=input,
        agent=x.agent,
        roles=requester.roles,
        person=requester.subject,
        seen=seen,
    )


def charges_of(x: Execution, case: Case) -> list[tuple[str, Charge]]:
    """What a call takes of the budgets, each with the home of its counter."""
    budgets = [budget for policy in x.environment.policies.current() for budget in policy.budgets]
    names = {"person": case.person, "agent": case.agent, "all": ""}
    return [
        (x.turn.session if scope == "session" else ids.wide_home(scope, names[scope]), charge)
        for charge in charges(budgets, case, x.writer.now_ms(), zone)
        for scope in [charge.budget.scope]
    ]


def over_budget(judged: Judged, overruns: list[Overrun]) -> Judged:
    """The verdict where a call goes over budgets: whoever else would not have to ask, asks."""
    if not overruns or judged.verdict == "deny":
        return judged
    first = overruns[0]
    if judged.verdict != "ask":
        judged = replace(judged, verdict="ask", rule=f"budget {first.name}", reason=first.words, grant=None)
    told = {one.name: one for one in (*judged.overruns, *overruns)}
    return replace(judged, overruns=tuple(told.values()), grantable=False)


async def _granted(x: Execution, tool: Tool[..., Any], judged: Judged, case: Case) -> Judged:
    """Nobody is asked where a grant says yes already."""
    if not grantable(tool, judged):
        return judged
    homes = {
        x.turn.session,
        ids.wide_home("agent", case.agent),
        ids.wide_home("person", case.person),
    }
    now_ms = x.writer.now_ms()
    for record in (await x.environment.standings.read_all(homes)).values():
        grant = covering(record.grants, case, x.session, tool.rules.approvers, now_ms)
        if grant is not None:
            return replace(judged, verdict="allow", rule=rule_of(grant.id), reason=None, grant=grant.id)
    return judged


def grantable(tool: Tool[..., Any], judged: Judged | None) -> bool:
    """Whether a standing grant may speak where somebody would be asked."""
    approvers = tool.rules.approvers
    one_decides = approvers is None or approvers.quorum == 1
    return tool.rules.grantable and one_decides and (judged is None or judged.grantable)


async def _overruns(x: Execution, call: Call[Any], case: Case) -> list[Overrun]:
    taken = charges_of(x, case)
    records = await x.environment.standings.read_all({home for home, _ in taken})
    now_ms = x.writer.now_ms()
    return [
        one
        for home, charge in taken
        for one in overruns([charge], records[home].counters, now_ms, call.idempotency_key)
    ]


def decided(operation: Operation, judged: Judged, now_ms: int) -> Operation:
    """The operation with its verdict; where a rule decided alone, with the decision that everybody is told."""
    if judged.verdict == "ask" or judged.rule is None:
        return replace(operation, judged=judged)
    payload: dict[str, Any] = {"approved": judged.verdict == "allow"}
    if judged.reason is not None:
        payload["reason"] = judged.reason
    elif judged.verdict == "deny":
        payload["reason"] = f"denied by the policy: {judged.rule}"
    decision = Decision("resolved", payload, _by(judged), "policy", now_ms)
    return replace(operation, judged=judged, decision=decision)


def reason_of(decision: Decision) -> str:
    """Why a rule refused, in words for the agent."""
    return str(decision.body["reason"])


def entry(x: Execution, tool: str, operation: Operation) -> AuditEntry:
    """The trail's line for a call that was let through, or refused, without a human."""
    judged, turn = operation.judged, x.turn
    assert judged is not None
    by = By("system", x.agent) if judged.rule is None else _by(judged)
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


def _by(judged: Judged) -> By:
    return By("policy", judged.grant or judged.rule or "")


def waiting_rules(policies: list[Policy], tool: Tool[..., Any]) -> tuple[Expiry | None, OnExpiry]:
    """How long an approval stays open and what happens then: as the tool says, else the policy."""
    policy = waiting(policies)
    if tool.rules.expires is not None or policy is None:
        return tool.rules.expires, tool.rules.on_expiry
    return None if policy.expires_ms is None else Expiry(policy.expires_ms), policy.on_expiry


def ladder(policies: list[Policy], tool: Tool[..., Any]) -> tuple[Remind | HandOver, ...]:
    """What happens while nobody decides: as the tool says, else the policy."""
    policy = escalating(policies)
    return tool.rules.escalate or (tuple(policy.escalate) if policy else ())


def asks(judged: Judged | None) -> str | None:
    """What is asked, in one sentence: as the predicate put it, else why a budget asks."""
    if judged is None:
        return None
    if judged.approval is not None and judged.approval.message is not None:
        return judged.approval.message
    return judged.overruns[0].words if judged.overruns else None


def shown_with(tool: Tool[..., Any], judged: Judged | None) -> dict[str, Any] | None:
    """What the card says beside the arguments: the risk, what the predicate said, and the rule that asks."""
    metadata: dict[str, Any] = {"risk": tool.rules.risk} if tool.rules.risk else {}
    if judged is not None and judged.approval is not None:
        metadata |= judged.approval.shown
    if judged is not None and judged.rule is not None:
        metadata["policy"] = {"rule": judged.rule}
        if judged.reason is not None:
            metadata["policy"]["reason"] = judged.reason
    if judged is not None and judged.overruns:
        metadata["budgets"] = msgspec.to_builtins(judged.overruns)
    return metadata or None


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
