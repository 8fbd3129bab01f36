"""Matching: which calls a rule, a budget or a grant is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from holdfast.core.conditions import Fit, all_of, check_conditions, check_path, fits
from holdfast.core.unseen import fingerprint

Names = str | tuple[str, ...]


class Match(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Which calls a rule is about: those that fit everything that is given here. Nothing given: every call.

    Args:
        tool: the tool's name, with `*` and `?` for what may differ; or several, of which one fits.
        agent: the agent's name, likewise.
        input: by argument (`customer.country` looks inside) its value, or conditions such as `{"lte": 50}`.
        roles: of whoever's message caused the turn; one of them is enough.
        unseen: True: only arguments that nobody has approved in this session before, for this tool. Or the names of
            the arguments that are compared; the others may differ.

    Raises:
        ValueError: something is no such thing.
    """

    tool: Names = "*"
    agent: Names = "*"
    input: dict[str, Any] = {}
    roles: Names = ()
    unseen: bool | tuple[str, ...] = False

    def __post_init__(self) -> None:
        check_names("tool", self.tool)
        check_names("agent", self.agent)
        if self.roles:
            check_names("roles", self.roles)
        check_conditions(self.input)
        if not isinstance(self.unseen, bool):
            check_names("unseen", self.unseen)
            for path in self.unseen:
                check_path("unseen", path)

    @property
    def compared(self) -> tuple[str, ...] | None:
        """Which arguments are compared with those approved before; (): all. None: it does not ask."""
        if self.unseen is False:
            return None
        return () if self.unseen is True else self.unseen


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The call that is judged."""

    tool: str
    input: Mapping[str, Any] = {}
    agent: str = ""
    #: Of whoever's message caused the turn.
    roles: tuple[str, ...] = ()
    #: Who that is.
    person: str = ""
    #: Fingerprints of what was approved in the session. None: not known here.
    seen: Collection[str] | None = None


def fit(match: Match, case: Case) -> tuple[Fit, str]:
    """Whether the case is one of those, and why it is not."""
    if not named(match.tool, case.tool):
        return "no", f"the tool is {case.tool}"
    if not named(match.agent, case.agent):
        return "no", f"the agent is {case.agent or 'not given'}"
    roles = each(match.roles)
    if roles and not set(roles) & set(case.roles):
        return "no", f"the requester is no {' or '.join(roles)}"
    found = [fits(path, wanted, case.input) for path, wanted in match.input.items()]
    return all_of([*found, _unseen(match.compared, case)])


def named(globs: Names, name: str) -> bool:
    """Whether a name fits one of these."""
    return any(fnmatchcase(name, glob) for glob in each(globs))


def each(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def check_names(field: str, given: Any) -> None:
    """Raises ValueError where this is neither a name nor a list of names."""
    names: tuple[Any, ...] = each(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{field}: give a name, or a list of names")


def _unseen(compared: tuple[str, ...] | None, case: Case) -> tuple[Fit, str]:
    if compared is None:
        return "yes", ""
    if case.seen is None:
        return "unclear", "whether such arguments were approved before is known only in a session"
    if fingerprint(case.tool, compared, case.input) in case.seen:
        return "no", "such arguments were approved before in this session"
    return "yes", ""
