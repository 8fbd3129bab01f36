"""Schedules over REST: make one, list them, cancel one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from ulid import ULID

from holdfast.commands import scheduling
from holdfast.core.canonical import input_hash
from holdfast.core.durations import instant_ms, milliseconds
from holdfast.core.errors import BadInput
from holdfast.core.schedules import Plan, When
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply


class NewSchedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to start, and exactly one of `delay`, `at` and `cron`."""

    agent: str
    #: Without one, it is made from the ref.
    name: str | None = None
    delay: str | None = None
    #: Milliseconds, or RFC 3339 with a time zone.
    at: int | str | None = None
    cron: str | None = None
    timezone: str = "UTC"
    session: str | None = None
    input: Any = None
    message: str | None = None
    ref: str | None = None


async def create(exchange: Exchange) -> Reply:
    body: NewSchedule = exchange.body
    ref = body.ref or str(ULID())
    name = body.name or f"api-{input_hash([exchange.principal.subject, ref])[:32]}"
    plan = _plan(body)
    return Reply(await scheduling.create(exchange.backend, exchange.principal, name, plan, VIA), 201)


async def schedules(exchange: Exchange) -> Reply:
    limit = exchange.number("limit")
    page = await scheduling.listing(
        exchange.backend, exchange.principal, exchange.query("cursor"), scheduling.PAGE if limit is None else limit
    )
    return Reply(page)


async def cancel(exchange: Exchange) -> Reply:
    return Reply(await scheduling.cancel(exchange.backend, exchange.principal, exchange.path("name"), VIA))


def _plan(body: NewSchedule) -> Plan:
    if [body.delay, body.at, body.cron].count(None) != 2:
        raise BadInput("Give exactly one of `delay`, `at` and `cron`.")
    try:
        delay_ms = None if body.delay is None else milliseconds(body.delay)
        at_ms = instant_ms(datetime.fromisoformat(body.at)) if isinstance(body.at, str) else body.at
    except ValueError as error:
        raise BadInput(str(error)) from None
    when = When(at_ms=at_ms, cron=body.cron, timezone=body.timezone)
    return Plan(body.agent, when, body.session, body.input, body.message, delay_ms)
