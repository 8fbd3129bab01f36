"""Fixtures of the notices' tests: a session with a turn that can ask, an outbox, and a target on a real socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.commands.scene import Scene, make_backend
from tests.notify.receiver import Receiver

from holdfast.commands.backend import Backend
from holdfast.store.connection import Connection
from holdfast.store.outbox import Outbox


@pytest.fixture
async def backend(connection: Connection) -> Backend:
    return await make_backend(connection)


@pytest.fixture
async def scene(backend: Backend) -> Scene:
    return await Scene.begin(backend)


@pytest.fixture
def outbox(backend: Backend) -> Outbox:
    return Outbox(backend.door.connection, backend.door.keys)


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with Receiver().serving() as serving:
        yield serving
