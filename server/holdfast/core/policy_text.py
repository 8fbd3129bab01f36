"""A policy as an operator writes it: TOML, read strictly, with the place of whatever is wrong."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec

from holdfast.core.budgets import Budget
from holdfast.core.errors import BadInput
from holdfast.core.interrupts import OnExpiry
from holdfast.core.ladders import HandOverText, RemindText
from holdfast.core.policies import Action, Policy, Rule

RULES_MAX = 1_000  # of a file: every call is held against each of them
BUDGETS_MAX = 100  # of a file: every call that runs is counted against those that it fits

_TABLES = {name: re.compile(rf"^[ \t]*\[\[[ \t]*{name}\s*\]\]", re.MULTILINE) for name in ("rules", "budgets")}
_PLACE = re.compile(r"^(?P<said>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """The file's own shape: there, a duration is always a text."""

    rules: list[Rule] = []
    budgets: list[Budget] = []
    default: Action | None = None
    expires: str | None = None
    on_expiry: OnExpiry = "deny"
    escalate: list[RemindText | HandOverText] = []
    sample: float | None = None
    reviewers: str | list[str] | None = None


def parse(text: str, name: str) -> Policy:
    """The policy that `text` is. `name`, of the file, begins what is said of a mistake.

    Raises:
        BadInput: it is none: says the line, the field, and what would be right.
    """
    try:
        written: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{name}: {error}") from None
    try:
        given = msgspec.convert(written, _Written)
        if len(given.rules) > RULES_MAX:
            raise ValueError(f"a policy has at most {RULES_MAX} rules; this one has {len(given.rules)}")
        if len(given.budgets) > BUDGETS_MAX:
            raise ValueError(f"a policy has at most {BUDGETS_MAX} budgets; this one has {len(given.budgets)}")
        return Policy(
            rules=given.rules,
            budgets=given.budgets,
            default=given.default,
            expires=given.expires,
            on_expiry=given.on_expiry,
            escalate=[written.rung for written in given.escalate],
            sample=given.sample,
            reviewers=given.reviewers,
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise BadInput(f"{name}: {_with_line(str(error), text)}") from None


def _with_line(error: str, text: str) -> str:
    """The error with its field before it, and the line on which that field's rule or budget begins."""
    place = _PLACE.match(error)
    assert place is not None
    field, said = place["field"] or "", place["said"]
    entry = re.match(r"(rules|budgets)\[(\d+)\]", field)
    starts = [match.start() for match in _TABLES[entry[1]].finditer(text)] if entry else []
    line = ""
    if entry is not None and int(entry[2]) < len(starts):
        start = starts[int(entry[2])]
        line = f"line {text.count(chr(10), 0, start) + 1}: "
    return f"{line}{field}: {said}" if field else f"{line}{said}"
