"""Retrying: an operator lets a blocked turn go on; nobody else, and nothing else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.commands.scene import ALICE, STRANGER, Scene

from holdfast.commands import retrying
from holdfast.core import turns
from holdfast.core.errors import Conflict, Forbidden, NotFound
from holdfast.core.identity import Principal

OPERATOR = Principal("olga", roles=("operator",))


async def block(scene: Scene) -> None:
    await scene.commit(turns.block(await scene.turn(), "replay_diverged", "Another path.", scene.next()))


async def retry(scene: Scene, by: Principal = OPERATOR, ref: str = "r1") -> None:
    await retrying.retry(scene.backend, by, scene.turn_id, ref, "test")


async def test_a_blocked_turn_is_ready_again(scene: Scene) -> None:
    await block(scene)
    await retry(scene)
    assert (await scene.turn()).status == "ready"
    await retry(scene)  # the same command: the same reply
    assert len(await scene.events("turn.resumed")) == 1


async def test_one_that_still_asks_something_waits_for_it(scene: Scene) -> None:
    await scene.ask()
    await block(scene)
    await retry(scene)
    assert (await scene.turn()).status == "waiting"


async def test_what_is_not_blocked_is_left_alone(scene: Scene) -> None:
    before = await scene.fingerprint()
    with pytest.raises(Conflict):
        await retry(scene)
    assert await scene.fingerprint() == before


async def test_who_may_not(scene: Scene) -> None:
    await block(scene)
    with pytest.raises(Forbidden):
        await retry(scene, ALICE)
    with pytest.raises(NotFound):
        await retry(scene, STRANGER)
    with pytest.raises(NotFound):  # the right reaches no further than the token's sessions
        await retry(scene, replace(STRANGER, can=("read", "admin")))
