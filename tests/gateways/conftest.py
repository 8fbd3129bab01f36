"""Fixtures of the gateways' tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.gateways.server import Running, running

from holdfast.store.connection import Connection


@pytest.fixture(params=["raw", "asgi"])
def raw(request: pytest.FixtureRequest) -> bool:
    """Whether frames go past ASGI, or through it, as where Holdfast is mounted into another application."""
    return request.param == "raw"


@pytest.fixture
async def server(store_url: str, connection: Connection, raw: bool) -> AsyncGenerator[Running]:
    async with running(store_url, connection, raw=raw) as started:
        yield started
