"""The registry: the newest version that is served, whoever registered last (rule m)."""

from __future__ import annotations

import pytest

from holdfast.core.errors import UnknownAgent
from holdfast.core.manifests import AgentManifest
from holdfast.store.connection import Connection
from holdfast.store.keys import Keys
from holdfast.store.manifests import SERVED_MS, Manifests


@pytest.fixture
def manifests(connection: Connection) -> Manifests:
    return Manifests(connection, Keys())


async def silent(connection: Connection, queue: str) -> None:
    """Its workers were last heard of too long ago."""
    last_ms = int(await connection.execute("HGET", Keys().served, queue))
    await connection.execute("HSET", Keys().served, queue, last_ms - SERVED_MS - 1)


async def test_an_unknown_agent_is_told_with_the_known_ones(manifests: Manifests) -> None:
    with pytest.raises(UnknownAgent, match="no worker has registered any"):
        await manifests.get("support")
    await manifests.register(AgentManifest("support", "1"))
    await manifests.register(AgentManifest("billing", "1"))
    with pytest.raises(UnknownAgent, match="billing, support"):
        await manifests.get("suport")


@pytest.mark.parametrize("order", [("9", "10", "2"), ("10", "9", "2"), ("2", "9", "10")])
async def test_the_newest_version_counts_in_whatever_order_they_came(
    manifests: Manifests, order: tuple[str, ...]
) -> None:
    for version in order:
        await manifests.register(AgentManifest("support", version))
    assert (await manifests.get("support")).version == "10"
    assert [one.version for one in await manifests.all()] == ["10"]


async def test_after_a_roll_back_the_older_one_counts_again(connection: Connection, manifests: Manifests) -> None:
    for version in ("1", "2"):
        await manifests.register(AgentManifest("support", version))
    await silent(connection, "support@2")
    fresh = Manifests(connection, Keys())
    assert (await fresh.get("support")).version == "1"
    assert not await fresh.is_served("support@2")
    await silent(connection, "support@1")
    assert (await Manifests(connection, Keys()).get("support")).version == "2"


async def test_a_heartbeat_is_by_the_stores_clock(connection: Connection, manifests: Manifests) -> None:
    assert await manifests.last_served_ms("support@1") is None
    await manifests.serve(["support@1", "billing@2"])
    seconds, _ = await connection.execute("TIME")
    last_ms = await manifests.last_served_ms("support@1")
    assert last_ms is not None
    assert abs(last_ms - int(seconds) * 1_000) < 5_000
    assert await manifests.is_served("billing@2")


async def test_a_new_agent_is_known_at_once_to_who_asks_for_it(connection: Connection) -> None:
    server, worker = Manifests(connection, Keys()), Manifests(connection, Keys())
    await worker.register(AgentManifest("support", "1"))
    assert (await server.get("support")).version == "1"
    await worker.register(AgentManifest("billing", "1"))
    assert (await server.get("billing")).version == "1"
