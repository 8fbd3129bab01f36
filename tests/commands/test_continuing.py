"""A decision that does not continue its turn: it is ready to, and exactly one `continue` wins."""

from __future__ import annotations

import asyncio

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene
from tests.commands.test_answering import answer
from tests.commands.test_cancelling import cancel

from holdfast.commands import continuing, reading
from holdfast.core.errors import Conflict, NotFound
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Continue, Continued

OLGA = Principal("olga", sessions=("*",), name="Olga")


async def carry_on(scene: Scene, by: Principal = ALICE, ref: str = "k1") -> Continued:
    return await continuing.carry_on(scene.backend, by, Continue(ref, scene.session, scene.turn_id), "test")


async def resumed(scene: Scene) -> int:
    return len(await scene.events("turn.resumed"))


async def test_the_decision_stands_and_the_turn_is_ready_to_continue(scene: Scene) -> None:
    shown = await scene.ask_and_wait(autoContinue=False)
    assert (await answer(scene, shown)).outcome == "won"
    turn = await scene.turn()
    assert (turn.status, turn.open, await resumed(scene)) == ("waiting", ("continue",), 0)
    told = await reading.turn(scene.backend, ALICE, scene.turn_id)
    assert (told.status, told.readyToContinue) == ("waiting", True)
    assert (await scene.events("turn.waiting"))[-1]["open"] == ["continue"]
    assert (await carry_on(scene)).outcome == "won"
    assert ((await scene.turn()).status, await resumed(scene)) == ("ready", 1)


async def test_of_ten_who_say_so_one_wins_and_the_others_are_told_who(scene: Scene) -> None:
    shown = await scene.ask_and_wait(autoContinue=False)
    await answer(scene, shown)
    people = [Principal(f"p{number}", sessions=("*",)) for number in range(10)]
    replies = await asyncio.gather(*(carry_on(scene, by) for by in people))
    [won] = [reply for reply in replies if reply.outcome == "won"]
    assert {(reply.by, reply.at) for reply in replies} == {(won.by, won.at)}
    assert await resumed(scene) == 1
    winner = Principal(won.by.id, sessions=("*",))
    before = await scene.fingerprint()
    assert await carry_on(scene, winner) == won  # its own repeat is told that it won
    assert (await carry_on(scene, OLGA, "k2")).outcome == "lost"
    assert await scene.fingerprint() == before


async def test_not_before_everything_is_settled(scene: Scene) -> None:
    first, second = await scene.ask(autoContinue=False), await scene.ask_and_wait()
    with pytest.raises(Conflict, match="not ready"):
        await carry_on(scene)
    await answer(scene, first)
    with pytest.raises(Conflict) as caught:
        await carry_on(scene)
    assert list(caught.value.details["open"]) == [second.id, "continue"]
    await answer(scene, second, ref="a2")
    assert await resumed(scene) == 0
    assert (await carry_on(scene)).outcome == "won"


async def test_before_the_worker_has_let_go(scene: Scene) -> None:
    shown = await scene.ask(autoContinue=False)
    await answer(scene, shown)
    assert (await carry_on(scene)).outcome == "won"
    await scene.wait()
    assert ((await scene.turn()).status, await resumed(scene)) == ("running", 1)


async def test_a_worker_lets_go_of_what_is_held(scene: Scene) -> None:
    shown = await scene.ask(autoContinue=False)
    await answer(scene, shown)
    await scene.wait()
    assert ((await scene.turn()).status, await resumed(scene)) == ("waiting", 0)
    assert (await carry_on(scene)).outcome == "won"


async def test_an_expiry_and_a_denial_do_not_continue_either(scene: Scene) -> None:
    first = await scene.ask(autoContinue=False, expires_in_ms=60_000)
    await scene.wait()
    await scene.advance(60_000)
    assert (await answer(scene, first)).outcome == "lost"
    assert (await scene.turn()).open == ("continue",)


async def test_it_can_be_cancelled_meanwhile(scene: Scene) -> None:
    shown = await scene.ask_and_wait(autoContinue=False)
    await answer(scene, shown)
    await cancel(scene)
    assert ((await scene.turn()).status, (await scene.turn()).end) == ("finished", "cancelled")
    with pytest.raises(Conflict, match="finished"):
        await carry_on(scene)


async def test_strangers_and_turns_that_are_not_there(scene: Scene) -> None:
    shown = await scene.ask_and_wait(autoContinue=False)
    await answer(scene, shown)
    with pytest.raises(NotFound):
        await carry_on(scene, STRANGER)
    with pytest.raises(NotFound):
        await carry_on(scene, BOB)
    elsewhere = Continue("k3", scene.session, "t_none.s_other")
    with pytest.raises(NotFound):
        await continuing.carry_on(scene.backend, ALICE, elsewhere, "test")
