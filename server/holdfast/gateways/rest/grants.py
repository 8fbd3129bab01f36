"""Grants over REST: what one would let pass, those that stand, and revoking one."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands import grants, previewing
from holdfast.core.interrupts import GrantWish
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply


class NewPreview(msgspec.Struct, frozen=True, omit_defaults=True):
    """A grant as it would stand in the answer's payload, and the edited arguments, if there are any."""

    grant: GrantWish
    input: Any = None


async def preview(exchange: Exchange) -> Reply:
    body: NewPreview = exchange.body
    return Reply(
        await previewing.preview(exchange.backend, exchange.principal, exchange.path("iid"), body.grant, body.input)
    )


async def page(exchange: Exchange) -> Reply:
    limit = exchange.number("limit") or grants.PAGE
    return Reply(await grants.page(exchange.backend, exchange.principal, exchange.query("cursor"), limit))


async def revoke(exchange: Exchange) -> Reply:
    own_id = exchange.path("gid")
    return Reply(await grants.revoke(exchange.backend, exchange.principal, own_id, exchange.ref, VIA))
