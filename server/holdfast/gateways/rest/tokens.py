"""Tokens over REST: for those who may mint, and never more than they may themselves."""

from __future__ import annotations

from holdfast.core.errors import NotImplementedYet
from holdfast.gateways.minting import mint_for
from holdfast.gateways.rest.exchange import Exchange, Reply


async def mint(exchange: Exchange) -> Reply:
    secret = exchange.services.secret
    if secret is None:
        raise NotImplementedYet("This server has no secret to sign with: ask the issuer of your tokens.")
    return Reply(mint_for(exchange.principal, exchange.body, secret), 201, {"Cache-Control": "no-store"})
