"""Fixtures of the commands' tests."""

from __future__ import annotations

import pytest
from tests.commands.scene import Scene, make_backend

from holdfast.commands.backend import Backend
from holdfast.store.connection import Connection


@pytest.fixture
async def backend(connection: Connection) -> Backend:
    return await make_backend(connection)


@pytest.fixture
async def scene(backend: Backend) -> Scene:
    return await Scene.begin(backend)
