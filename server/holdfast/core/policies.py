"""Policies: what decides before a human must. The stricter verdict wins, and anything unclear means: ask."""

from __future__ import annotations

from typing import Any, Literal

Verdict = Literal["deny", "ask", "allow"]

_STRICTNESS: dict[Verdict, int] = {"deny": 2, "ask": 1, "allow": 0}


def strictest(*verdicts: Verdict) -> Verdict:
    """Deny beats ask beats allow (promise 7)."""
    return max(verdicts, key=lambda verdict: _STRICTNESS[verdict]) if verdicts else "ask"


def of_setting(approval: Any, default: Verdict) -> Verdict:
    """What a tool's own setting, or the value that its predicate returned, means.

    Only `False` opts out and only `None` leaves it to the default: any other value, however true or false it looks,
    means ask.
    """
    if approval is None:
        return default
    return "allow" if approval is False else "ask"
