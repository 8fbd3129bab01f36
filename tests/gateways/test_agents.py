"""Agents over REST: which there are, and what they take."""

from __future__ import annotations

from tests.gateways.rest import web

from holdfast.core.manifests import AgentManifest


async def test_agents_say_what_becomes_of_a_message_that_comes_meanwhile(store_url: str) -> None:
    async with web(store_url) as rest:
        await rest.backend.manifests.register(AgentManifest("clerk", "2", onMessage="reject", modes=("queue",)))
        assert (await rest.get("/v1/agents")).json() == {
            "agents": [
                {"name": "clerk", "onMessage": "reject", "modes": ["queue"]},
                {"name": "support", "onMessage": "queue", "modes": ["queue", "steer", "replace", "reject"]},
            ]
        }
