"""Unseen: telling arguments that were approved before from those that were not, by their fingerprints.

A fingerprint is of the tool and of the arguments that a rule compares, in canonical JSON. A session keeps those of
what people approved in it, written by the commit of the decision. The oldest are forgotten first: then somebody is
asked once more than need be, never once less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.core.canonical import input_hash
from holdfast.core.conditions import ABSENT, value_at

SEEN_MAX = 1_000  # fingerprints of one session
FINGERPRINT = 32  # hex digits: 128 bits, so that nobody finds arguments that look like approved ones


def fingerprint(tool: str, compared: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """Of a call, as far as these arguments go; none named: all of them. The order of the names means nothing."""
    if not compared:
        return input_hash([tool, dict(values)])[:FINGERPRINT]
    found = [(path, value_at(path, values)) for path in sorted(set(compared))]
    return input_hash([tool, [[path] if value is ABSENT else [path, value] for path, value in found]])[:FINGERPRINT]


def remember(seen: tuple[str, ...], *fingerprints: str) -> tuple[str, ...]:
    """With these as the last ones seen."""
    kept = [one for one in seen if one not in fingerprints]
    return (*kept, *dict.fromkeys(fingerprints))[-SEEN_MAX:]
