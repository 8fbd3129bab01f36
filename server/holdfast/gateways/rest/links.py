"""Links over REST: made by those who may mint, for who could answer, and with no more than their own rights."""

from __future__ import annotations

import msgspec

from holdfast.commands import linking
from holdfast.core import entries
from holdfast.core.errors import BadRequest, Forbidden, NotImplementedYet
from holdfast.core.identity import Principal
from holdfast.core.ids import session_of
from holdfast.gateways.links.answers import answerable
from holdfast.gateways.links.token import Link
from holdfast.gateways.minting import Wanted, granted
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply


class NewLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a link is for: yourself, unless said. `roles` are what they answer by, and none that you do not have."""

    sub: str | None = None
    roles: tuple[str, ...] | None = None
    name: str | None = None
    #: A duration: "1 day", unless said.
    ttl: str | None = None
    ref: str | None = None


async def make(exchange: Exchange) -> Reply:
    links, minter, body = exchange.services.links, exchange.principal, exchange.body
    if links is None:
        raise NotImplementedYet("This server has no secret to sign links with: set HOLDFAST_SECRET.")
    own_id = exchange.path("iid")
    who = _who(minter, body, own_id)
    shown = await linking.check_may_link(exchange.backend, minter, who, own_id)
    if not answerable(shown):
        raise BadRequest(f"This {shown.kind} cannot be answered by a link.", kind=shown.kind)
    base = links.public_url or str(exchange.request.base_url)
    try:
        link: Link = links.make(base, shown, who, body.ttl, ends_ms=minter.expires_at_ms)
    except ValueError as error:
        raise BadRequest(f"ttl: {error}", path="ttl") from None
    entry = entries.linked(shown, minter.by, who.subject, link.expiresAt, VIA, body.ref)
    await linking.made(exchange.backend.door, entry)
    return Reply(link, 201, {"Cache-Control": "no-store"})


def _who(minter: Principal, body: NewLink, own_id: str) -> Principal:
    """Who will answer. In another's name only who reaches every session makes one, as with tokens."""
    if not minter.has("mint"):
        raise Forbidden("Your token does not grant 'mint'.", right="mint")
    own = body.sub in (None, minter.subject)
    sessions = None if own else (session_of(own_id),)
    allowed = granted(
        minter, Wanted(sub=body.sub, roles=body.roles, sessions=sessions, can=("answer",), name=body.name)
    )
    return Principal(allowed.sub, allowed.roles, allowed.sessions, allowed.can, allowed.name, allowed.actor)
