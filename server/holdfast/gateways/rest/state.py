"""A session's state over REST: read it, patch it."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands import patching
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.protocol.frames import Patch


class NewPatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """JSON Patch (RFC 6902); with `version`, only if that is the one which stands."""

    patch: list[dict[str, Any]]
    version: int | None = None
    ref: str | None = None


async def read(exchange: Exchange) -> Reply:
    return Reply(await patching.read(exchange.backend, exchange.principal, exchange.path("id")))


async def patch(exchange: Exchange) -> Reply:
    body: NewPatch = exchange.body
    frame = Patch(exchange.ref, exchange.path("id"), body.patch, body.version)
    return Reply(await patching.patch(exchange.backend, exchange.principal, frame, VIA))
