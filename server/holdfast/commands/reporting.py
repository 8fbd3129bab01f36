"""The trail as a report: how often people are asked about which tool, what they say, and which rules would say it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from holdfast.commands import auditing
from holdfast.commands.auditing import AuditShown, Wanted
from holdfast.commands.backend import Backend
from holdfast.core import reporting
from holdfast.core.identity import Principal
from holdfast.core.interrupts import REVIEW
from holdfast.core.reporting import PastCall, Proposal, Reviewed, ToolReport
from holdfast.core.reviews import called

CALLS_MAX = 2_000  # that were put to people, before or after, the newest; each is read with its arguments
AUTOMATIC_MAX = 5_000  # that nobody was asked about
PAGES_MAX = 200  # of the trail that one report reads


class Report(msgspec.Struct, frozen=True):
    """What people decided. `more`: there are older entries than were read."""

    tools: list[ToolReport]
    #: Calls that were shown to people afterwards, and what they said.
    reviews: list[Reviewed]
    proposals: list[Proposal]
    #: By tool, how many calls were let through and refused without a person.
    automatic: dict[str, dict[str, int]]
    calls: int
    more: bool


async def report(backend: Backend, principal: Principal, wanted: Wanted) -> Report:
    """The report on the newest calls. Those whose session was erased are not in it: their arguments are gone.

    Raises:
        Forbidden: for who may see the trail.
    """
    calls: list[PastCall] = []
    pages, more = 0, False
    async for entries in _pages(backend, principal, replace(wanted, action="interrupt.closed"), bodies=True):
        calls += [call for one in entries if (call := past_call(one)) is not None]
        pages += 1
        if more := len(calls) >= CALLS_MAX or pages >= PAGES_MAX:
            break
    automatic = await _automatic(backend, principal, wanted)
    return Report(
        tools=reporting.tools(calls),
        reviews=reporting.reviewed(calls),
        proposals=reporting.proposals(calls),
        automatic=automatic,
        calls=len(calls),
        more=more,
    )


def past_call(entry: AuditShown) -> PastCall | None:
    """The call that an entry is about. None: it is about none that people approve or look at, or its arguments are
    gone.
    """
    bodies = entry.bodies
    if bodies is None or entry.outcome is None or entry.tool is None:
        return None
    reviewed = bodies.reason == REVIEW
    if bodies.kind != "approval" and not reviewed:
        return None
    given: object = called(bodies.input) if reviewed else bodies.input
    return PastCall(
        interrupt=entry.interrupt or "",
        session=entry.session,
        tool=entry.tool,
        input=cast("dict[str, Any]", given) if isinstance(given, dict) else {},
        outcome=cast("Any", entry.outcome),
        by_person=entry.by.kind == "person",
        edited=entry.effectiveHash is not None and entry.effectiveHash != entry.inputHash,
        latency_ms=entry.latency_ms,
        agent=bodies.agent,
        roles=bodies.roles,
        reviewed=(entry.rule or "") if reviewed else None,
    )


async def _automatic(backend: Backend, principal: Principal, wanted: Wanted) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for action, word in (("tool.allowed", "allowed"), ("tool.denied", "denied")):
        seen = 0
        async for entries in _pages(backend, principal, replace(wanted, action=action)):
            for one in entries:
                own = found.setdefault(one.tool or "", {"allowed": 0, "denied": 0})
                own[word] += 1
            seen += len(entries)
            if seen >= AUTOMATIC_MAX:
                break
    return found


async def _pages(
    backend: Backend, principal: Principal, wanted: Wanted, *, bodies: bool = False
) -> AsyncGenerator[list[AuditShown]]:
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await auditing.page(backend, principal, wanted, cursor, auditing.PAGE_MAX, bodies=bodies)
        yield page.entries
        cursor = page.next
        if cursor is None:
            return
