"""The audit trail over REST."""

from __future__ import annotations

from typing import Any

from holdfast.commands import auditing, reporting
from holdfast.core.errors import BadRequest
from holdfast.gateways.rest.exchange import Exchange, Reply

FILTERS = {
    "session": "Of this session.",
    "turn": "Of this turn.",
    "interrupt": "Of this interrupt.",
    "tool": "About this tool.",
    "by": "By whom: the id of a person, a policy or a deadline.",
    "action": "What was done, such as interrupt.closed.",
    "status": "How it went: a status, or approved, denied, answered.",
    "name": "About the schedule of this name.",
    "since": "Not before this instant, in milliseconds.",
    "until": "Not after this instant, in milliseconds.",
}


MORE = {"bodies": "`true`: with arguments and answers, where the session still lives; at most 50 entries a page."}


async def audit(exchange: Exchange) -> Reply:
    given: dict[str, Any] = {name: exchange.query(name) for name in FILTERS}
    given |= {name: _instant(name, given[name]) for name in ("since", "until")}
    limit = exchange.number("limit") or auditing.PAGE
    wanted = auditing.Wanted(**given)
    bodies = exchange.query("bodies") == "true"
    cursor = exchange.query("cursor")
    return Reply(await auditing.page(exchange.backend, exchange.principal, wanted, cursor, limit, bodies=bodies))


REPORTED = {name: FILTERS[name] for name in ("session", "tool", "since", "until")}


async def report(exchange: Exchange) -> Reply:
    given: dict[str, Any] = {name: exchange.query(name) for name in REPORTED}
    given |= {name: _instant(name, given[name]) for name in ("since", "until")}
    return Reply(await reporting.report(exchange.backend, exchange.principal, auditing.Wanted(**given)))


def _instant(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise BadRequest(f"{name}: must be an instant in milliseconds.", path=name)
    return int(text)
