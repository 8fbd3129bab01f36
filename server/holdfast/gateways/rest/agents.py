"""Agents over REST: which there are to talk to."""

from __future__ import annotations

import msgspec

from holdfast.core.modes import Mode
from holdfast.gateways.rest.exchange import Exchange, Reply


class AgentShown(msgspec.Struct, frozen=True):
    name: str
    #: What becomes of a message that comes while a turn runs or waits, and what a message may say of that.
    onMessage: Mode
    modes: tuple[Mode, ...]


class Agents(msgspec.Struct, frozen=True):
    agents: list[AgentShown]


async def agents(exchange: Exchange) -> Reply:
    manifests = await exchange.backend.manifests.all()
    return Reply(Agents([AgentShown(each.agent, each.onMessage, each.modes) for each in manifests]))
