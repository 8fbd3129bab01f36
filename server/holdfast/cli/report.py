"""How a report reads on a terminal, and past calls as a server tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec

from holdfast.cli.rest import Ask
from holdfast.commands.auditing import AuditPage
from holdfast.commands.reporting import past_call
from holdfast.core.reporting import PastCall

PAGES_MAX = 1_000  # of the trail, that one look back reads


def report_lines(report: dict[str, Any]) -> Iterator[str]:
    """A line for each tool, and below it one for each range of its arguments."""
    for one in report["tools"]:
        yield f"{one['tool']}: {_counts(one['counts'])}"
        for part in one["ranges"]:
            yield f"  {part['argument']} {part['from']:g} to {part['to']:g}: {_counts(part['counts'])}"
    for tool, automatic in sorted(report["automatic"].items()):
        yield f"{tool}: {automatic['allowed']} let through and {automatic['denied']} refused without a person"
    for one in report["reviews"]:
        looked = f"{one['shown']} shown afterwards, {one['right']} right, {one['wrong']} wrong, {one['unseen']} unseen"
        yield f"{one['tool']}, let through by {one['rule']!r}: {looked}"
        if one["examples"]:
            yield f"  wrong: {', '.join(one['examples'])}"
    yield f"{report['calls']} calls" + ("; older ones were not read" if report["more"] else "")
    if not report["proposals"]:
        yield "no rule is proposed: the evidence is thin or mixed"


def past_calls(ask: Ask, limit: int) -> list[PastCall]:
    """At most so many calls that were put to people, the newest first."""
    found: list[PastCall] = []
    query: dict[str, Any] = {"action": "interrupt.closed", "bodies": "true", "limit": 50}
    for _ in range(PAGES_MAX):
        page = msgspec.convert(ask("GET", "/v1/audit?" + urlencode(query)), AuditPage)
        found += [call for one in page.entries if (call := past_call(one)) is not None]
        if page.next is None or len(found) >= limit:
            break
        query["cursor"] = page.next
    return found[:limit]


def _counts(counts: dict[str, Any]) -> str:
    edited = f" ({counts['edited']} edited)" if counts["edited"] else ""
    waited = "" if counts["median_ms"] is None else f", half of them within {counts['median_ms'] / 1_000:g} s"
    words = f"{counts['asked']} asked, {counts['approved']} approved{edited}, {counts['denied']} denied"
    return f"{words}, {counts['timed_out']} timed out, {counts['other']} other{waited}"
