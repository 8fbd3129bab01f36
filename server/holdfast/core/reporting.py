"""What people decided, counted; rules that would have said the same; and what a policy would have said instead.

All of it is a function of past calls. A rule is proposed where the evidence is neither thin nor mixed:

    at least 20 calls of the tool that fit, in at least 3 sessions,
    of which people approved every one as it was proposed: none denied, edited, expired or taken back,
    nor said to be wrong afterwards

and only for values between those that were seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Literal

import msgspec

from holdfast.core.entries import DecidedAs
from holdfast.core.policies import Case, Policy, by_rules

EVIDENCE_MIN = 20  # calls for one proposal: with fewer, one no in twenty is easily missed
SESSIONS_MIN = 3  # that they come from: one conversation is one case
RANGES = 4  # of a number, with about as many calls in each
PROPOSALS_MAX = 5  # of one tool
EXAMPLES_MAX = 10  # interrupts that are named for one kind of difference
ARGUMENTS_MAX = 10  # of one tool that are looked at, by name
TEXT_MAX = 200  # characters of a text that a rule names
_GLOB = set("*?[")

#: Calls, and what a rule must match to be about them.
Found = tuple[list["PastCall"], dict[str, Any]]


class PastCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was put to people, before or after it ran, and what became of it."""

    interrupt: str
    session: str
    tool: str
    input: Mapping[str, Any]
    outcome: DecidedAs
    #: Whether a person decided, and not a deadline.
    by_person: bool
    #: Whether other arguments than the proposed ones were approved.
    edited: bool = False
    latency_ms: int | None = None
    agent: str = ""
    roles: tuple[str, ...] = ()
    #: By which it passed before people were shown it. None: they were asked first.
    reviewed: str | None = None

    @property
    def clean(self) -> bool:
        """Approved by a person, as it was proposed."""
        return self.by_person and self.outcome == "approved" and not self.edited


class Counts(msgspec.Struct, frozen=True):
    """How calls that were put to people ended. `edited` are some of the approved ones."""

    asked: int
    approved: int
    denied: int
    edited: int
    timed_out: int
    #: Cancelled, withdrawn, superseded.
    other: int
    #: Of those that a person decided.
    median_ms: int | None


class Range(msgspec.Struct, frozen=True, rename={"low": "from", "high": "to"}):
    """The calls whose argument lies between two values that were seen, both included."""

    argument: str
    low: float
    high: float
    counts: Counts


class ToolReport(msgspec.Struct, frozen=True):
    """What became of the calls of one tool."""

    tool: str
    counts: Counts
    ranges: tuple[Range, ...] = ()


class Reviewed(msgspec.Struct, frozen=True):
    """Of the calls of a tool that a rule let through: those that people were shown afterwards."""

    tool: str
    rule: str
    shown: int
    right: int
    wrong: int
    #: Nobody looked in time, or it was taken back.
    unseen: int
    #: Interrupts of those that were wrong.
    examples: tuple[str, ...] = ()


class Proposal(msgspec.Struct, frozen=True):
    """A rule by which nobody would have been asked, and why it can be one."""

    tool: str
    evidence: str
    calls: int
    toml: str


class Tried(msgspec.Struct, frozen=True):
    """Calls about which people were asked, and a policy would have decided alone."""

    verdict: Literal["allow", "deny"]
    rule: str
    #: What became of them.
    outcome: DecidedAs
    calls: int
    #: Of whom the policy would have overruled people.
    against: bool
    examples: tuple[str, ...]


def tools(calls: Sequence[PastCall]) -> list[ToolReport]:
    """Each tool, the one that was asked about most often first. What was shown afterwards is not counted."""
    asked = [one for one in calls if one.reviewed is None]
    found = [ToolReport(name, counts(own), tuple(_ranges(own))) for name, own in _by_tool(asked).items()]
    return sorted(found, key=lambda one: (-one.counts.asked, one.tool))


def counts(calls: Sequence[PastCall]) -> Counts:
    """How they ended."""

    def number(holds: Callable[[PastCall], bool]) -> int:
        return sum(1 for one in calls if holds(one))

    approved = number(lambda one: one.by_person and one.outcome == "approved")
    denied = number(lambda one: one.by_person and one.outcome == "denied")
    timed_out = number(lambda one: one.outcome == "expired" or (not one.by_person and one.outcome == "approved"))
    edited = number(lambda one: one.by_person and one.outcome == "approved" and one.edited)
    waits = [one.latency_ms for one in calls if one.by_person and one.latency_ms is not None]
    other = len(calls) - approved - denied - timed_out
    return Counts(len(calls), approved, denied, edited, timed_out, other, int(median(waits)) if waits else None)


def reviewed(calls: Sequence[PastCall]) -> list[Reviewed]:
    """What people said afterwards, where most was wrong first."""
    grouped: dict[tuple[str, str], list[PastCall]] = {}
    for call in calls:
        if call.reviewed is not None:
            grouped.setdefault((call.tool, call.reviewed), []).append(call)
    found = [_reviewed(tool, rule, own) for (tool, rule), own in grouped.items()]
    return sorted(found, key=lambda one: (-one.wrong, one.tool, one.rule))


def _reviewed(tool: str, rule: str, calls: list[PastCall]) -> Reviewed:
    wrong = [one.interrupt for one in calls if one.outcome == "wrong"]
    right = sum(1 for one in calls if one.outcome == "right")
    unseen = len(calls) - right - len(wrong)
    return Reviewed(tool, rule, len(calls), right, len(wrong), unseen, tuple(wrong[:EXAMPLES_MAX]))


def proposals(calls: Sequence[PastCall]) -> list[Proposal]:
    """Rules that would have said what people said, for the tools where that is clear.

    Of what was shown afterwards only the wrong ones count: the rule by which the others passed is there already.
    """
    evidence = [one for one in calls if one.reviewed is None or one.outcome == "wrong"]
    return [one for name, own in sorted(_by_tool(evidence).items()) for one in _proposals_of(name, own)]


def tried(policy: Policy, calls: Sequence[PastCall]) -> list[Tried]:
    """What the policy's rules would have decided alone; what is against people's word first."""
    grouped: dict[tuple[Literal["allow", "deny"], str, DecidedAs], list[str]] = {}
    for call in calls:
        if call.reviewed is not None and call.outcome not in ("right", "wrong"):
            continue  # nobody has said anything
        judged = by_rules([policy], Case(tool=call.tool, input=call.input, agent=call.agent, roles=call.roles))
        if judged is None or judged.verdict == "ask":
            continue
        grouped.setdefault((judged.verdict, judged.rule or "", call.outcome), []).append(call.interrupt)
    found = [_tried(*key, names) for key, names in grouped.items()]
    return sorted(found, key=lambda one: (not one.against, -one.calls, one.rule))


def _tried(verdict: Literal["allow", "deny"], rule: str, outcome: DecidedAs, names: list[str]) -> Tried:
    against = (verdict == "allow") != (outcome in ("approved", "right"))
    return Tried(verdict, rule, outcome, len(names), against, tuple(names[:EXAMPLES_MAX]))


def _by_tool(calls: Iterable[PastCall]) -> dict[str, list[PastCall]]:
    found: dict[str, list[PastCall]] = {}
    for call in calls:
        found.setdefault(call.tool, []).append(call)
    return found


def _ranges(calls: Sequence[PastCall]) -> Iterable[Range]:
    for name in _arguments(calls, _is_number):
        ordered = sorted(calls, key=lambda one: one.input[name])
        size = max(1, -(-len(ordered) // RANGES))
        for start in range(0, len(ordered), size):
            part = ordered[start : start + size]
            yield Range(name, part[0].input[name], part[-1].input[name], counts(part))


def _proposals_of(tool: str, calls: list[PastCall]) -> list[Proposal]:
    if _GLOB & set(tool):
        return []
    if all(not one.input for one in calls):
        found: list[Found] = [(calls, {})] if _enough(calls) else []
    else:
        found = [*_numbers(calls), *_texts(calls)]
    found.sort(key=lambda one: -len(one[0]))
    return [_proposal(tool, own, match) for own, match in found[:PROPOSALS_MAX]]


def _numbers(calls: list[PastCall]) -> list[Found]:
    """By number: those below the least value that was not simply approved; of several arguments the best one."""
    found: list[Found] = []
    for name in _arguments(calls, _is_number):
        limit = min((one.input[name] for one in calls if not one.clean), default=None)
        own = [one for one in calls if limit is None or one.input[name] < limit]
        if _enough(own):
            values = [one.input[name] for one in own]
            found.append((own, {name: {"gte": min(values), "lte": max(values)}}))
    return sorted(found, key=lambda one: -len(one[0]))[:1]


def _texts(calls: list[PastCall]) -> list[Found]:
    """By text: each value of which every call was simply approved."""
    found: list[Found] = []
    for name in _arguments(calls, lambda value: isinstance(value, str)):
        for value in sorted({one.input[name] for one in calls if len(one.input[name]) <= TEXT_MAX}):
            own = [one for one in calls if one.input[name] == value]
            if _enough(own):
                found.append((own, {name: {"eq": value}}))
    return found


def _enough(calls: list[PastCall]) -> bool:
    sessions = {one.session for one in calls}
    return len(calls) >= EVIDENCE_MIN and len(sessions) >= SESSIONS_MIN and all(one.clean for one in calls)


def _arguments(calls: Sequence[PastCall], fits: Callable[[Any], bool]) -> list[str]:
    """Arguments that every call has and that are all of a kind. A dot in a name would be read as a path."""
    names = set[str].intersection(*(set(one.input) for one in calls)) if calls else set[str]()
    fitting = (name for name in names if "." not in name and all(fits(one.input[name]) for one in calls))
    return sorted(fitting)[:ARGUMENTS_MAX]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _proposal(tool: str, calls: list[PastCall], match: dict[str, Any]) -> Proposal:
    words = "".join(f" with {_words(name, wanted)}" for name, wanted in match.items())
    sessions = len({one.session for one in calls})
    evidence = f"{len(calls)} of {len(calls)} calls of {_text(tool)}{words}, in {sessions} sessions, were approved"
    lines = [f"# {evidence}.", "[[rules]]", 'action = "auto_approve"', f"match.tool = {_text(tool)}"]
    for name, wanted in match.items():
        inside = ", ".join(f"{operator} = {_value(value)}" for operator, value in wanted.items())
        lines.append(f"match.input.{_text(name)} = {{ {inside} }}")
    return Proposal(tool, evidence, len(calls), "\n".join(lines) + "\n")


def _words(name: str, wanted: dict[str, Any]) -> str:
    if "eq" in wanted:
        return f"{_text(name)} = {_text(wanted['eq'])}"
    return f"{_text(name)} from {_value(wanted['gte'])} to {_value(wanted['lte'])}"


def _value(value: Any) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """As TOML has it: JSON's text; and nothing in it may steer a terminal."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in written)
