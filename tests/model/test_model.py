"""Devices, workers, a clock and crashes, at random: the core on the real store does what it should.

After each step the store is compared with the one in Python, to the byte, and the promises are looked at.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.model.clock import Clock
from tests.model.devices import Devices
from tests.model.people import People
from tests.model.truths import Truths
from tests.model.workers import Workers

from holdfast.store.connection import Connection
from holdfast.store.door import SCRIPTS, Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.keys import Keys

EXAMPLES, STEPS = 450, 90
# Shrinking replays a failure some thousand times on a real store; the seed finds it again.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
STEPS_AT_LEAST = 20_000


class World(Devices, People, Workers, Clock, Truths):
    """All of them at once."""


@pytest.fixture
def world(store: EmbeddedStore, store_url: str) -> Iterator[type[World]]:
    """The machine, connected to the store."""
    World.loop = asyncio.new_event_loop()
    World.steps, World.outcomes, World.labels = 0, Counter(), Counter()

    async def opening() -> None:
        World.connection = Connection(store_url, name="model", scripts=SCRIPTS)
        World.door = Door(World.connection, Keys(partitions=1))
        await World.connection.open()

    World.loop.run_until_complete(opening())
    yield World
    World.loop.run_until_complete(World.connection.close())
    World.loop.close()


@pytest.mark.timeout(400)
def test_the_store_does_what_the_core_decides(world: type[World]) -> None:
    run_state_machine_as_test(
        world,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
    done = {label: count for (label, word), count in world.labels.items() if word == "done"}
    sys.stdout.write(
        f"\n{world.steps} steps: {dict(world.outcomes)}, {done}\n"
    )  # pytest shows it with -s, or if it fails
    assert world.steps >= STEPS_AT_LEAST
    assert all(world.outcomes[word] for word in ("again", "stale", "fenced", "skipped", "early", "epoch"))
    assert all(done.get(label) for label in ("vote", "decide", "expire", "claim", "gate", "branch", "update"))
