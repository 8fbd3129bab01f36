"""Cancelling: what waits ends in the cancel's own commit, what runs is asked, what ended stays (rule j)."""

from __future__ import annotations

import asyncio

import pytest
from tests.commands.scene import ALICE, STRANGER, Scene

from holdfast.commands import answering, cancelling, sending
from holdfast.core.asking import OPEN_MAX
from holdfast.core.errors import Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Answer, Cancel, Ok, Send


async def cancel(scene: Scene, turn: str | None = None, ref: str = "c1", by: Principal = ALICE) -> Ok:
    return await cancelling.cancel(scene.backend, by, Cancel(ref, scene.session, turn), "test")


async def test_a_waiting_turn_ends_at_once_with_all_that_it_asked(scene: Scene) -> None:
    await scene.ask()
    await scene.ask_and_wait("question")
    done = await cancel(scene)
    turn = await scene.turn()
    assert done.turn == turn.id
    assert (turn.status, turn.end, turn.open) == ("finished", "cancelled", ())
    closed = await scene.events("interrupt.closed")
    assert [event["decision"]["status"] for event in closed] == ["cancelled", "cancelled"]
    assert (await scene.log())[-1][1].startswith(b'{"type":"turn.finished"')
    left = await scene.fingerprint()
    assert (left["inbox"], left["deadlines"], left["jobs"]) == ([], [], [])


async def test_the_next_turn_starts_in_the_same_commit(scene: Scene) -> None:
    await scene.ask_and_wait()
    sent = await sending.send(scene.backend, ALICE, Send("s1", scene.session, "more"), "test")
    await cancel(scene)
    view = await scene.backend.door.read(scene.session, turns=(sent.turn or "",))
    assert view.session is not None
    assert view.session.active == sent.turn
    assert view.turns[sent.turn or ""].status == "ready"


async def test_a_running_turn_is_asked_to_stop(scene: Scene) -> None:
    await cancel(scene)
    turn = await scene.turn()
    assert turn.status == "running"
    assert turn.cancel is not None
    assert turn.cancel.id == "alice"


async def test_a_queued_turn_leaves_the_queue(scene: Scene) -> None:
    sent = await sending.send(scene.backend, ALICE, Send("s1", scene.session, "more"), "test")
    await cancel(scene, sent.turn)
    view = await scene.backend.door.read(scene.session, turns=(sent.turn or "",))
    assert view.session is not None
    assert view.session.queue == ()
    assert view.turns[sent.turn or ""].end == "cancelled"
    assert (await scene.turn()).status == "running"


async def test_what_has_ended_stays_as_it_is(scene: Scene) -> None:
    await scene.ask_and_wait()
    await cancel(scene)
    before = await scene.fingerprint()
    assert (await cancel(scene, scene.turn_id, ref="c2")).turn == scene.turn_id
    assert (await cancel(scene, ref="c3")).turn is None
    assert await scene.fingerprint() == before


async def test_an_expiry_that_came_first_stands(scene: Scene) -> None:
    await scene.ask_and_wait(expires_in_ms=1_000)
    await scene.advance(1_000)
    await cancel(scene)
    (closed,) = await scene.events("interrupt.closed")
    assert closed["decision"]["status"] == "expired"
    assert (await scene.turn()).end == "cancelled"


@pytest.mark.parametrize("asked", [20, OPEN_MAX])
async def test_many_that_are_overdue_are_settled_first_all_of_them(scene: Scene, asked: int) -> None:
    names = tuple([(await scene.ask(expires_in_ms=60_000)).id for _ in range(asked)])
    await scene.wait()
    await scene.advance(60_001)
    await cancel(scene)
    records = (await scene.backend.door.read(scene.session, interrupts=names)).interrupts.values()
    assert [record.decision.status for record in records if record.decision] == ["expired"] * asked
    assert (await scene.turn()).end == "cancelled"


async def test_an_answer_and_a_cancel_at_once_leave_one_truth(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    frame = Answer("a1", scene.session, shown.id, "resolved", {"approved": True})
    answered, _ = await asyncio.gather(answering.answer(scene.backend, ALICE, frame, "test"), cancel(scene))
    (closed,) = await scene.events("interrupt.closed")
    won = closed["decision"]["status"] == "resolved"
    assert answered.outcome == ("won" if won else "lost")
    assert (await scene.turn()).end == "cancelled"


async def test_who_may_not(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await cancel(scene, by=STRANGER)
    with pytest.raises(Forbidden):
        await cancel(scene, by=Principal("alice", can=("read",)))
    with pytest.raises(NotFound):
        await cancel(scene, f"t_none.{scene.session}")
