"""Fixtures of the hub's tests."""

from __future__ import annotations

import pytest
from tests.hub.world import World

from holdfast.store.connection import Connection


@pytest.fixture
async def world(store_url: str, connection: Connection) -> World:
    world = await World.begin(store_url, connection)
    await world.session()
    return world
