"""Policies: rules that decide before a human must. The stricter verdict wins, and anything unclear means: ask.

    a call ──▶ every rule: does it match? ──▶ the strictest of those that do ──┐
    the tool's own `approval` ─────────────────────────────────────────────────┴──▶ deny, ask or allow

A rule can make a call stricter, never looser than the tool's own `approval`. What neither speaks of falls to the
default. All of it is a function of the call and the policy: whoever has both can say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec
from msgspec.structs import replace

from holdfast.core.approval import Approval
from holdfast.core.budgets import Budget, Overrun
from holdfast.core.durations import Duration, milliseconds
from holdfast.core.interrupts import OnExpiry
from holdfast.core.ladders import HandOver, Remind, checked, roles_and_subjects
from holdfast.core.matching import Case, Match, fit, named
from holdfast.core.sampling import check_share

Verdict = Literal["deny", "ask", "allow"]
Action = Literal["auto_approve", "require_approval", "auto_deny"]

VERDICTS: dict[Action, Verdict] = {"auto_approve": "allow", "require_approval": "ask", "auto_deny": "deny"}
MATCHES = "it matches"
DEFAULT = "default"  # the name under which a policy's default decides

_STRICTNESS: dict[Verdict, int] = {"deny": 2, "ask": 1, "allow": 0}


def strictest(*verdicts: Verdict) -> Verdict:
    """Deny beats ask beats allow (promise 7)."""
    return max(verdicts, key=lambda verdict: _STRICTNESS[verdict]) if verdicts else "ask"


def of_setting(approval: Any, default: Verdict) -> Verdict:
    """What a tool's own setting, or the value that its predicate returned, means.

    Only `False` opts out and only `None` leaves it to the default: any other value, however true or false it looks,
    means ask. An `Approval` means what its `required` means.
    """
    if approval is None:
        return default
    if isinstance(approval, Approval):
        return "allow" if approval.required is False else "ask"
    return "allow" if approval is False else "ask"


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What happens to the calls that match.

    Args:
        action: `auto_approve`, `require_approval` or `auto_deny`.
        reason: shown to who is asked, told to the agent that is refused, word for word.
        name: under which it stands in the audit trail; else "rule 1", "rule 2" … by its place.
        grantable: False: whoever is asked because of this rule cannot make the answer a standing grant.
        sample: of the calls that it approves, the share, in percent, that is shown to somebody afterwards. None: the
            policy's.

    Raises:
        ValueError: there is no such action or share, the name is taken by Holdfast, or it would approve what nobody
            has seen.
    """

    action: Action
    match: Match = msgspec.field(default_factory=Match)
    reason: str | None = None
    name: str | None = None
    grantable: bool = True
    sample: float | None = None

    def __post_init__(self) -> None:
        check_share(self.sample)
        if self.sample is not None and self.action != "auto_approve":
            raise ValueError("sample: only what a rule approves is looked at afterwards")
        if self.action == "auto_approve" and self.match.compared is not None:
            raise ValueError("match.unseen: a rule that approves cannot be about what nobody has approved")
        if self.action not in get_args(Action):
            raise ValueError(f"action: {self.action!r} is none of {', '.join(get_args(Action))}")
        if self.name is not None and (not self.name.strip() or self.name == DEFAULT):
            raise ValueError(f"name: {self.name!r} cannot be a rule's name")

    @property
    def verdict(self) -> Verdict:
        return VERDICTS[self.action]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Rules, and what holds where none of them speaks.

    Args:
        default: for a call that no rule matches and whose tool has no `approval` of its own; None: the app's default,
            which is to ask. `auto_deny` also refuses what the tool itself would allow: only what a rule names can run.
        expires: how long approvals stay open whose tool says nothing about it. None: until somebody answers.
        on_expiry: what happens then.
        escalate: what happens while nobody decides, for tools that say nothing about it.
        budgets: of what may pass, and how much of it.
        sample: of the calls that pass by a rule, the default or a grant, the share, in percent, that is shown to
            somebody afterwards, who says whether it was right. For rules that do not say.
        reviewers: who that is: "role:audit", "dora", or a list of such. None: whoever would have been asked.

    Raises:
        ValueError: two rules or two budgets have one name, or a value is none that it can be.
    """

    rules: list[Rule] = []
    budgets: list[Budget] = []
    default: Action | None = None
    expires: Duration | None = None
    on_expiry: OnExpiry = "deny"
    escalate: list[Remind | HandOver] = []
    sample: float | None = None
    reviewers: str | list[str] | None = None

    def __post_init__(self) -> None:
        check_share(self.sample)
        if self.reviewers is not None and not _names_somebody(self.reviewers):
            raise ValueError("reviewers: say who looks, such as 'role:audit'")
        if self.default is not None and self.default not in get_args(Action):
            raise ValueError(f"default: {self.default!r} is none of {', '.join(get_args(Action))}")
        if self.on_expiry not in get_args(OnExpiry):
            raise ValueError(f"on_expiry: {self.on_expiry!r} is none of {', '.join(get_args(OnExpiry))}")
        if self.expires is not None:
            try:
                milliseconds(self.expires)
            except ValueError as error:
                raise ValueError(f"expires: {error}") from None
        checked(self.escalate)
        _each_its_own("rules", [name for name, _ in self.named()])
        _each_its_own("budgets", [budget.name for budget in self.budgets])

    @property
    def expires_ms(self) -> int | None:
        return None if self.expires is None else milliseconds(self.expires)

    def named(self) -> list[tuple[str, Rule]]:
        """The rules in their order, each with the name that it goes by."""
        return [(rule.name or f"rule {number}", rule) for number, rule in enumerate(self.rules, start=1)]


class Ruling(msgspec.Struct, frozen=True):
    """What one rule says of a call, and why. `verdict` is None where it does not match."""

    name: str
    rule: Rule
    verdict: Verdict | None
    why: str


class Judged(msgspec.Struct, frozen=True, omit_defaults=True):
    """The verdict on a call, kept with its operation: it is not judged again.

    `rule` is None where no rule decided, but the tool's own setting or the app's default.
    """

    verdict: Verdict
    rule: str | None = None
    reason: str | None = None
    #: What the tool's predicate said to show, whichever of the two it is that asks.
    approval: Approval | None = None
    #: What a card has told of budgets that the call goes over: who lets it pass knows.
    overruns: tuple[Overrun, ...] = ()
    #: Whether who approves may let the like pass from now on.
    grantable: bool = True
    #: The grant by which nobody is asked.
    grant: str | None = None
    #: The share, in percent, by which the call was drawn: somebody is shown it afterwards. None: it was not.
    sample: float | None = None


def rulings(policy: Policy, case: Case) -> list[Ruling]:
    """What each rule says, in the policy's order."""
    return [_ruling(name, rule, case) for name, rule in policy.named()]


def deciding(said: list[Ruling]) -> Ruling | None:
    """The strictest of the rules that match; of several, the first. None: no rule matches."""
    matching = [ruling for ruling in said if ruling.verdict is not None]
    return max(matching, key=lambda ruling: _STRICTNESS[ruling.verdict or "allow"], default=None)


def by_rules(policies: Sequence[Policy], case: Case) -> Judged | None:
    """What the policies say before the tool is heard; of several the strictest. None: nothing."""
    said = [judged for policy in policies if (judged := _by_rules_of(policy, case)) is not None]
    judged = max(said, key=lambda judged: _STRICTNESS[judged.verdict], default=None)
    return judged and replace(judged, grantable=all(one.grantable for one in said))


def judge(policies: Sequence[Policy], ruled: Judged | None, approval: Any, default: Verdict) -> Judged:
    """The verdict: of the rules and the tool's own setting the stricter, else the default.

    Args:
        ruled: what `by_rules` said.     approval: the tool's setting, or what its predicate returned.
        default: the app's, for where no policy has one.
    """
    if ruled is None and approval is None:
        defaults: list[Verdict] = [VERDICTS[policy.default] for policy in policies if policy.default is not None]
        return Judged(strictest(*defaults), DEFAULT) if defaults else Judged(default)
    own = of_setting(approval, "allow")
    said = approval if isinstance(approval, Approval) else None
    if ruled is None or _STRICTNESS[own] > _STRICTNESS[ruled.verdict]:
        return Judged(own, approval=said, grantable=said is None or said.grantable)
    return replace(ruled, approval=said, grantable=ruled.grantable and (said is None or said.grantable))


def waiting(policies: Sequence[Policy]) -> Policy | None:
    """The first policy that says how long approvals stay open."""
    return next((policy for policy in policies if policy.expires is not None), None)


def escalating(policies: Sequence[Policy]) -> Policy | None:
    """The first policy that says what happens while nobody decides."""
    return next((policy for policy in policies if policy.escalate), None)


def sampled_share(policies: Sequence[Policy], judged: Judged) -> float:
    """Of calls that pass like this one, how many percent are shown to somebody: as the rule says, else the policies.

    What the tool itself lets pass is none that a policy approves.
    """
    if judged.verdict != "allow" or judged.rule is None:
        return 0
    if judged.sample is not None:
        return judged.sample
    return max((policy.sample or 0 for policy in policies), default=0)


def reviewers(policies: Sequence[Policy]) -> str | list[str] | None:
    """Who is shown what was drawn, as the first policy that says it. None: none does."""
    return next((policy.reviewers for policy in policies if policy.reviewers is not None), None)


def compared(policies: Sequence[Policy], tool: str) -> tuple[tuple[str, ...], ...]:
    """Which arguments of this tool the rules compare with those approved before: one entry for each way."""
    matches = [rule.match for policy in policies for rule in policy.rules if named(rule.match.tool, tool)]
    return tuple(dict.fromkeys(match.compared for match in matches if match.compared is not None))


def _names_somebody(names: str | list[str]) -> bool:
    roles, subjects = roles_and_subjects(names)
    return bool(roles or subjects) and all((*roles, *subjects))


def _each_its_own(what: str, names: list[str]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two {what} have the name {twice!r}")


def _by_rules_of(policy: Policy, case: Case) -> Judged | None:
    said = rulings(policy, case)
    ruling = deciding(said)
    if ruling is not None and ruling.verdict is not None:
        grantable = all(one.rule.grantable for one in said if one.verdict == "ask")
        rule = ruling.rule
        return Judged(ruling.verdict, ruling.name, rule.reason, grantable=grantable, sample=rule.sample)
    return Judged("deny", DEFAULT, "no rule allows it") if policy.default == "auto_deny" else None


def _ruling(name: str, rule: Rule, case: Case) -> Ruling:
    """An unclear match never allows; where the rule asks or denies, it asks (promise 7)."""
    fitting, why = fit(rule.match, case)
    if fitting == "yes":
        return Ruling(name, rule, rule.verdict, MATCHES)
    if fitting == "no" or rule.verdict == "allow":
        return Ruling(name, rule, None, why)
    return Ruling(name, rule, "ask", why)
