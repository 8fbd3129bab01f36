"""Claims: seen by all, over by themselves, and in nobody's way."""

from __future__ import annotations

import asyncio

import pytest
from tests.commands.scene import ALICE, STRANGER, Scene
from tests.commands.test_answering import answer

from holdfast.commands import claiming, reading
from holdfast.core.claiming import CLAIM_MAX_MS, CLAIM_MS
from holdfast.core.errors import BadInput, Conflict, Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers, Interrupt
from holdfast.protocol.frames import Claim, Ok

OLGA = Principal("olga", sessions=("*",), name="Olga")


async def claim(
    scene: Scene, shown: Interrupt, by: Principal = ALICE, *, for_ms: int | None = None, ref: str = "c1"
) -> Ok:
    return await claiming.claim(scene.backend, by, Claim(ref, shown.session, shown.id, for_ms), "test")


async def claims(scene: Scene) -> list[str | None]:
    events = await scene.events("interrupt.updated")
    return [event["changes"]["claim"] and event["changes"]["claim"]["by"]["id"] for event in events]


async def test_everybody_sees_it_with_its_end(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await claim(scene, shown)
    state = await reading.folded(scene.backend, scene.session)
    seen = state.interrupts[shown.id]["claim"]
    assert (seen["by"]["id"], seen["until"] - seen["at"]) == ("alice", CLAIM_MS)
    assert (await scene.turn()).status == "waiting"


async def test_it_keeps_nobody_from_answering(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await claim(scene, shown)
    assert (await answer(scene, shown, by=OLGA)).outcome == "won"


async def test_a_second_claim_meets_the_first_until_that_ends(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await claim(scene, shown)
    with pytest.raises(Conflict) as caught:
        await claim(scene, shown, OLGA)
    assert caught.value.details["claim"]["by"]["id"] == "alice"
    await scene.advance(CLAIM_MS)
    await claim(scene, shown, OLGA)
    assert await claims(scene) == ["alice", "olga"]


async def test_ones_own_is_prolonged_and_let_go(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await claim(scene, shown, for_ms=0)  # nothing to let go
    await claim(scene, shown, ref="c2")
    await claim(scene, shown, for_ms=60_000, ref="c3")
    await claim(scene, shown, for_ms=0, ref="c4")
    await claim(scene, shown, OLGA, ref="c5")
    assert await claims(scene) == ["alice", "alice", None, "olga"]


async def test_the_same_ref_repeats_the_reply(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    first = await claim(scene, shown)
    before = await scene.fingerprint()
    assert await claim(scene, shown) == first
    assert await scene.fingerprint() == before


async def test_what_is_settled_or_overdue_is_not_claimed(scene: Scene) -> None:
    first, second = await scene.ask(expires_in_ms=60_000), await scene.ask_and_wait()
    await answer(scene, second)
    await scene.advance(60_000)
    for shown, status in ((second, "resolved"), (first, "expired")):
        with pytest.raises(Conflict) as caught:
            await claim(scene, shown)
        assert caught.value.details["decision"]["status"] == status


async def test_who_may_not_answer_may_not_claim(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(("manager",)))
    before = await scene.fingerprint()
    for by, error in ((ALICE, Forbidden), (STRANGER, NotFound)):
        with pytest.raises(error):
            await claim(scene, shown, by)
    for too_long in (-1, CLAIM_MAX_MS + 1):
        with pytest.raises(BadInput):
            await claim(scene, shown, Principal("meg", roles=("manager",)), for_ms=too_long)
    assert await scene.fingerprint() == before


async def test_of_ten_people_at_once_one_has_it(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    people = [Principal(f"p{n}", sessions=("*",)) for n in range(10)]
    outcomes = await asyncio.gather(*(claim(scene, shown, by) for by in people), return_exceptions=True)
    assert len([each for each in outcomes if isinstance(each, Ok)]) == 1
    assert len(await claims(scene)) == 1
