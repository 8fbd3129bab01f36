"""Gates over REST: ask for one, see it, wait for its decision, decide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Literal

import msgspec
from starlette.responses import Response, StreamingResponse

from holdfast.commands import answering, gating
from holdfast.core.durations import milliseconds
from holdfast.core.errors import BadRequest, HoldfastError
from holdfast.core.interrupts import Approvers, OnExpiry
from holdfast.core.ladders import HandOverText, RemindText
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.gateways.rest.interrupts import STATUS_OF, NewAnswer
from holdfast.gateways.rest.streaming import HEADERS, MEDIA_TYPE, QUIET_S
from holdfast.gateways.rest.watching import watching, while_asked
from holdfast.protocol import frames
from holdfast.protocol.frames import GateShown

WAIT_MAX_S = 60.0  # of one request: proxies give up on what is silent for longer


class NewGate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be let pass, by whom, and until when. The same `id` again is the same gate."""

    id: str
    name: str
    payload: Any = None
    session: str | None = None
    message: str | None = None
    approvers: Approvers | None = None
    expires: str | None = None
    on_expiry: OnExpiry = "deny"
    metadata: dict[str, Any] | None = None
    escalate: list[RemindText | HandOverText] = []
    kind: Literal["gate", "question"] = "gate"
    ref: str | None = None


async def request(exchange: Exchange) -> Reply:
    body: NewGate = exchange.body
    frame = frames.Gate(
        exchange.ref,
        body.id,
        body.name,
        body.payload,
        body.session,
        body.message,
        body.approvers,
        body.expires,
        body.on_expiry,
        body.metadata,
        body.escalate,
        body.kind,
    )
    gated = await gating.request(exchange.backend, exchange.principal, frame, VIA)
    return Reply(gated.gate, 201 if gated.created else 200)


async def gate(exchange: Exchange) -> Reply | Response:
    """As it is; or with `wait`, once it is decided or that time is over; or live, where a stream is accepted."""
    wait_s, wants_stream = _wait_s(exchange), MEDIA_TYPE in exchange.request.headers.get("accept", "")
    shown = await _read(exchange)
    if exchange.services.hub is None:
        return Reply(shown)
    if wants_stream:
        return await _followed(exchange, shown)
    return Reply(await _decided(exchange, shown, wait_s) if wait_s else shown)


async def decide(exchange: Exchange) -> Reply:
    """The same as answering its interrupt."""
    body: NewAnswer = exchange.body
    shown = await _read(exchange)
    frame = frames.Answer(exchange.ref, shown.session, shown.interrupt.id, body.status, body.payload)
    answered = await answering.answer(exchange.backend, exchange.principal, frame, VIA)
    return Reply(answered, STATUS_OF[answered.outcome])


async def _read(exchange: Exchange) -> GateShown:
    return await gating.read(exchange.backend, exchange.principal, exchange.path("id"), exchange.query("session"))


def _wait_s(exchange: Exchange) -> float:
    text = exchange.query("wait")
    try:
        return 0.0 if text is None else min(milliseconds(text) / 1_000, WAIT_MAX_S)
    except ValueError as error:
        raise BadRequest(f"wait: {error}.", path="wait") from None


async def _decided(exchange: Exchange, shown: GateShown, wait_s: float) -> GateShown:
    services = exchange.services
    if shown.decision is not None or services.hub is None:
        return shown
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    async with (
        watching(services.hub, services.drain, exchange.principal, shown) as watch,
        while_asked(exchange.request, watch),
    ):
        while shown.decision is None and not watch.ended and loop.time() < until:
            await watch.changed(until - loop.time())
            shown = await _read(exchange)
    return shown


async def _followed(exchange: Exchange, shown: GateShown) -> StreamingResponse:
    """Live. What would be refused is refused before the response begins."""
    told = _told(exchange, shown)
    first = await anext(told)

    async def stream() -> AsyncIterator[bytes]:
        try:
            yield first
            async for data in told:
                yield data
        finally:
            await told.aclose()

    return StreamingResponse(stream(), media_type=MEDIA_TYPE, headers=HEADERS)


async def _told(exchange: Exchange, shown: GateShown) -> AsyncGenerator[bytes]:
    """The gate, again whenever something of it has changed, and last with its decision."""
    services = exchange.services
    assert services.hub is not None
    async with watching(services.hub, services.drain, exchange.principal, shown) as watch:
        yield _event(shown)
        while shown.decision is None and not watch.ended:
            if not await watch.changed(QUIET_S):
                yield b": quiet\n\n"
                continue
            before = shown
            try:
                shown = await _read(exchange)
            except HoldfastError as error:
                yield b"event: error\ndata: %s\n\n" % frames.encode(frames.error_frame(error))
                return
            if (shown.interrupt, shown.decision) != (before.interrupt, before.decision):
                yield _event(shown)


def _event(shown: GateShown) -> bytes:
    return b"event: gate\ndata: %s\n\n" % msgspec.json.encode(shown)
