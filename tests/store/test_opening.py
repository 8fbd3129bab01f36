"""Opening a store: its partitions are its own, and it must take a commit."""

from __future__ import annotations

import pytest
from redis import Redis

from holdfast.core.errors import StoreUnavailable, StoreUnusable
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.opening import PROBE, open_store


async def test_a_used_store_keeps_its_partitions(store_url: str) -> None:
    async with open_store(store_url, name="test", partitions=4) as store:
        assert store.keys.partitions == 4
    async with open_store(store_url, name="test", partitions=32) as store:
        assert store.keys.partitions == 4
        assert store.door.epoch("s_1").startswith("1-")


async def test_the_probe_is_no_session(store_url: str) -> None:
    for _ in range(2):
        async with open_store(store_url, name="test") as store:
            view = await store.door.read(PROBE)
            assert (view.session, view.head) == (None, 0)


async def test_a_store_that_takes_no_commit_is_found_at_once(own_store: EmbeddedStore) -> None:
    with Redis.from_url(own_store.url) as client:
        client.config_set("maxmemory", "1")
    with pytest.raises(StoreUnusable, match="does not take writes"):
        async with open_store(own_store.url, name="test"):
            pytest.fail("it was opened")


async def test_a_store_that_is_not_there() -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        async with open_store("unix:///nowhere/at/all", name="test", timeout_ms=100):
            pytest.fail("it was opened")
