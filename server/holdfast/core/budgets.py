"""Budgets: how much of something may pass before a person is asked.

A budget counts calls, or sums up one of their arguments, for each session, person or agent, or within an hour, a day or
a month. What it counts stands in a *counter*, in the place that is named by `per`: a session's own record, or one
record for each person, for each agent, or for all. A call that would go over it is asked about; one that people let
through counts too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

from holdfast.core.canonical import canonical_json
from holdfast.core.conditions import check_path, value_at
from holdfast.core.matching import Case, Names, check_names, each, named

Per = Literal["session", "person", "agent", "hour", "day", "month"]
#: Where a counter stands: a session, or one of these for everybody.
Scope = Literal["session", "person", "agent", "all"]
#: The time zone of this name.
Zones = Callable[[str], tzinfo]

COUNTERS_MAX = 1_000  # of one place; those of hours, days and months that are over make room
KEYS_MAX = 256  # calls of one counter that are known not to count twice, the latest
UTC_NAME = "UTC"


class Budget(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """So many calls, or so much of an argument, and then somebody is asked.

    Args:
        name: under which it stands on the card, in the trail, and in its counter: with another name it begins anew.
        calls: how many calls.
        amount: the argument that is summed up instead, such as `input.amount`; up to `limit`.
        tool, agent: whose calls count, as in a rule's match.
        per: for whom, and how long: of `session`, `person` (whose message caused the turn), `agent`, and one of
            `hour`, `day`, `month`. Without `session`, `person` and `agent`: for all together.
        tz: in which days and months begin, such as `Europe/Oslo`; UTC unless said.

    Raises:
        ValueError: something is no such thing.
    """

    name: str
    calls: int | None = None
    amount: str | None = None
    limit: float | None = None
    tool: Names = "*"
    agent: Names = "*"
    per: Per | tuple[Per, ...] = "session"
    tz: str = UTC_NAME

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("name: a budget needs one")
        if (self.calls is None) == (self.amount is None) or (self.amount is None) != (self.limit is None):
            raise ValueError(f"budget {self.name!r}: give either `calls`, or `amount` and its `limit`")
        if not self.ceiling.is_finite() or self.ceiling < 0:
            raise ValueError(f"budget {self.name!r}: its limit cannot be {self.ceiling}")
        if self.amount is not None:
            if not self.amount.startswith("input."):
                raise ValueError(f"budget {self.name!r}: amount: name an argument, such as 'input.amount'")
            check_path("amount", self.amount)
        for field in ("tool", "agent", "per"):
            check_names(field, getattr(self, field))
        if unknown := set(each(self.per)) - set(get_args(Per)):
            raise ValueError(f"per: {min(unknown)!r} is none of {', '.join(get_args(Per))}")
        if len(set(each(self.per)) & {"hour", "day", "month"}) > 1:
            raise ValueError("per: one of hour, day and month is enough")

    @property
    def ceiling(self) -> Decimal:
        """What it may come to. Decimal, so that three times 0.1 is 0.3."""
        return Decimal(str(self.calls if self.calls is not None else self.limit))

    @property
    def scope(self) -> Scope:
        """Where its counters stand: in the narrowest place that is named."""
        per, scopes = each(self.per), get_args(Scope)
        return next((scope for scope in scopes if scope in per), "all")


class Charge(msgspec.Struct, frozen=True):
    """What one call takes of one budget."""

    budget: Budget
    #: Of the counter, within its place.
    key: str
    #: None: it cannot be told, and `why`.
    amount: Decimal | None
    #: When the counter's time is over. None: never.
    until_ms: int | None = None
    why: str = ""


class Counter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was taken of one budget, for one of those that it is counted for."""

    used: Decimal
    until_ms: int | None = None
    #: Calls that were counted lately: repeated, they do not count again.
    keys: tuple[str, ...] = ()


Counters = Mapping[str, Counter]


class Overrun(msgspec.Struct, frozen=True, omit_defaults=True):
    """A budget that a call would go over, as the card shows it."""

    name: str
    used: float
    limit: float
    #: What this call would take. None: it cannot be told.
    amount: float | None = None
    per: tuple[str, ...] = ()
    why: str | None = None

    @property
    def words(self) -> str:
        """In one sentence, for who is asked."""
        spent = f"The budget {self.name!r} ({' and '.join(self.per)}) has used {self.used:.15g} of {self.limit:.15g}"
        return f"{spent}; this call would take {self.amount:.15g}." if self.why is None else f"{spent}; {self.why}."


def charges(budgets: Sequence[Budget], case: Case, now_ms: int, zone: Zones) -> list[Charge]:
    """What a call takes of each budget that it counts against."""
    return [_charge(one, case, now_ms, zone) for one in budgets if counts(one, case)]


def counts(budget: Budget, case: Case) -> bool:
    """Whether a call counts against the budget."""
    return named(budget.tool, case.tool) and named(budget.agent, case.agent)


def overruns(wanted: Sequence[Charge], counters: Counters, now_ms: int, key: str = "") -> list[Overrun]:
    """The budgets that these charges would go over, each with what was used before. `key`: the call's own."""
    live = _live(counters, now_ms)
    found: list[Overrun] = []
    for charge in wanted:
        counter = live.get(charge.key, Counter(Decimal(0)))
        if key and key in counter.keys:
            continue  # it has its part already
        full = charge.key not in live and len(live) >= COUNTERS_MAX
        if full or charge.amount is None or counter.used + charge.amount > charge.budget.ceiling:
            found.append(_overrun(charge, counter.used, "there is no room to count it" if full else charge.why))
    return found


def spend(counters: Counters, wanted: Sequence[Charge], now_ms: int, key: str = "") -> dict[str, Counter]:
    """The counters with these charges, as far as there is room. What is over makes room.

    With a `key`, a call that is counted already counts no second time.
    """
    changed = _live(counters, now_ms)
    for charge in wanted:
        counter = changed.get(charge.key, Counter(Decimal(0)))
        if (key and key in counter.keys) or (charge.key not in changed and len(changed) >= COUNTERS_MAX):
            continue
        keys = (*counter.keys, key)[-KEYS_MAX:] if key else counter.keys
        changed[charge.key] = Counter(counter.used + (charge.amount or 0), charge.until_ms, keys)
    return changed


def give_back(counters: Counters, taken: Sequence[Charge], key: str) -> dict[str, Counter]:
    """The counters without these charges, where the call with this key was counted."""
    changed = dict(counters)
    for charge in taken:
        counter = changed.get(charge.key)
        if counter is not None and key in counter.keys:
            keys = tuple(one for one in counter.keys if one != key)
            changed[charge.key] = Counter(counter.used - (charge.amount or 0), counter.until_ms, keys)
    return changed


def _charge(budget: Budget, case: Case, now_ms: int, zone: Zones) -> Charge:
    window, until_ms = _window(budget, now_ms, zone)
    amount, why = _amount(budget, case)
    key = canonical_json([budget.name, *_whose(budget, case), *window]).decode()
    return Charge(budget, key, amount, until_ms, why)


def _whose(budget: Budget, case: Case) -> list[str]:
    """What tells counters apart within one place. A session has its own: it needs no name there."""
    per = each(budget.per)
    return [f"{name}={getattr(case, name)}" for name in ("person", "agent") if name in per]


def _amount(budget: Budget, case: Case) -> tuple[Decimal | None, str]:
    if budget.amount is None:
        return Decimal(1), ""
    path = budget.amount.removeprefix("input.")
    value: Any = value_at(path, case.input)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, f"{path} is no number"
    if not value >= 0:
        return None, f"{path} is below zero"
    return Decimal(str(value)), ""


def _window(budget: Budget, now_ms: int, zone: Zones) -> tuple[list[str], int | None]:
    """The name of the hour, day or month that it is, and when it is over."""
    per = each(budget.per)
    now = datetime.fromtimestamp(now_ms / 1_000, zone(budget.tz))
    day = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if "hour" in per:
        hour = now_ms // 3_600_000
        return [f"hour={hour}"], (hour + 1) * 3_600_000
    if "day" in per:
        return [f"day={day:%Y-%m-%d}"], _ms(day + timedelta(days=1))
    if "month" in per:
        return [f"month={day:%Y-%m}"], _ms((day.replace(day=1) + timedelta(days=32)).replace(day=1))
    return [], None


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000)


def _live(counters: Counters, now_ms: int) -> dict[str, Counter]:
    return {name: one for name, one in counters.items() if one.until_ms is None or one.until_ms > now_ms}


def _overrun(charge: Charge, used: Decimal, why: str) -> Overrun:
    budget = charge.budget
    amount = None if charge.amount is None else _number(charge.amount)
    return Overrun(budget.name, _number(used), _number(budget.ceiling), amount, each(budget.per), why or None)


def _number(value: Decimal) -> float:
    return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
