"""Agents over REST: which there are to talk to."""

from __future__ import annotations

import msgspec

from holdfast.gateways.rest.exchange import Exchange, Reply


class AgentShown(msgspec.Struct, frozen=True):
    name: str


class Agents(msgspec.Struct, frozen=True):
    agents: list[AgentShown]


async def agents(exchange: Exchange) -> Reply:
    manifests = await exchange.backend.manifests.all()
    return Reply(Agents([AgentShown(manifest.agent) for manifest in manifests]))
