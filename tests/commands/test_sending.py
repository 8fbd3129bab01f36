"""Sending while something runs or waits: every mode, by every status of the turn; one commit each, or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import answering, membership, sending
from holdfast.core import turns
from holdfast.core.errors import BadInput, Forbidden, NotFound, RefReused, SessionBusy
from holdfast.core.identity import Principal
from holdfast.core.manifests import AgentManifest
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Answer, Ok, Send

STATUSES = ("ready", "running", "waiting", "blocked")


async def send(scene: Scene, mode: Any = None, ref: str = "s1", by: Principal = ALICE, text: str = "No, wait") -> Ok:
    return await sending.send(scene.backend, by, Send(ref, scene.session, text, mode), "test")


async def record(scene: Scene, turn: str | None) -> TurnRecord:
    assert turn is not None
    return (await scene.backend.door.read(scene.session, turns=(turn,))).turns[turn]


async def bring(scene: Scene, status: str) -> None:
    """Let the scene's turn, which runs, be in this status."""
    match status:
        case "ready":
            await scene.commit(turns.release(await scene.turn(), scene.next()))
        case "waiting":
            await scene.ask_and_wait()
        case "blocked":
            await scene.commit(turns.block(await scene.turn(), "x", "y", scene.next()))
        case _:
            await scene.ask()
    assert (await scene.turn()).status == status


@pytest.mark.parametrize("status", STATUSES)
async def test_queue_says_what_it_waits_for(scene: Scene, status: str) -> None:
    await bring(scene, status)
    first, second = await send(scene), await send(scene, "queue", "s2")
    assert [(one.behind, one.ahead, one.steers) for one in (first, second)] == [
        (scene.turn_id, 1, False),
        (scene.turn_id, 2, False),
    ]
    assert [event["ahead"] for event in (await scene.events("turn.queued"))[1:]] == [1, 2]
    assert (await scene.turn()).status == status


@pytest.mark.parametrize("status", STATUSES)
async def test_steer_leaves_what_is_pending(scene: Scene, status: str) -> None:
    await bring(scene, status)
    before = await scene.turn()
    done = await send(scene, "steer")
    after = await scene.turn()
    assert (done.turn, done.steers, done.behind) == (scene.turn_id, True, None)
    assert (after.status, after.open, [one.message for one in after.steering]) == (status, before.open, [done.message])
    view = await scene.backend.door.read(scene.session)
    assert view.session is not None
    assert (view.session.active, view.session.queue) == (scene.turn_id, ())
    [said] = [event for event in await scene.events("message") if event["message"]["id"] == done.message]
    assert (said["turn"], said["message"]["metadata"]["steers"]) == (scene.turn_id, scene.turn_id)


@pytest.mark.parametrize("status", ["ready", "waiting", "blocked"])
async def test_replace_ends_what_does_not_run_in_one_commit(scene: Scene, status: str) -> None:
    older = await send(scene, ref="s0")
    await bring(scene, status)
    head = (await scene.backend.door.read(scene.session)).head
    done = await send(scene, "replace")
    assert (await scene.turn()).end == "cancelled"
    assert (await record(scene, done.turn)).status == "ready"
    view = await scene.backend.door.read(scene.session)
    assert view.session is not None
    assert (view.session.active, view.session.queue) == (done.turn, (older.turn,))
    closed = await scene.events("interrupt.closed")
    assert [event["decision"]["status"] for event in closed] == ["superseded"] * (status == "waiting")
    assert done.seq == view.head > head
    left = await scene.fingerprint()
    assert (left["inbox"], left["deadlines"]) == ([], [])


async def test_replace_asks_what_runs_to_stop(scene: Scene) -> None:
    await bring(scene, "running")
    done = await send(scene, "replace")
    stopped = await scene.turn()
    assert (stopped.status, stopped.replaced_by, stopped.open) == ("running", done.turn, ())
    assert (done.behind, done.ahead) == (scene.turn_id, 1)
    [closed] = await scene.events("interrupt.closed")
    assert closed["decision"]["status"] == "superseded"
    again = await send(scene, "replace", "s2")
    assert (await record(scene, done.turn)).end == "cancelled"
    view = await scene.backend.door.read(scene.session)
    assert view.session is not None
    assert view.session.queue == (again.turn,)


@pytest.mark.parametrize("status", STATUSES)
async def test_reject_writes_nothing(scene: Scene, status: str) -> None:
    await bring(scene, status)
    before = await scene.fingerprint()
    with pytest.raises(SessionBusy) as caught:
        await send(scene, "reject")
    assert caught.value.details["turn"] == scene.turn_id
    assert caught.value.details["status"] == status
    assert await scene.fingerprint() == before


@pytest.mark.parametrize("mode", ["queue", "steer", "replace", "reject"])
async def test_in_an_idle_session_every_mode_starts_a_turn(scene: Scene, mode: str) -> None:
    await scene.ask_and_wait()
    await send(scene, "replace", "s0")
    view = await scene.backend.door.read(scene.session)
    assert view.session is not None
    scene.turn_id = view.session.active or ""
    await scene.take()
    session = (await scene.backend.door.read(scene.session)).session
    assert session is not None
    await scene.commit(turns.finish(session, await scene.turn(), None, "completed", by=scene.next()))
    done = await send(scene, mode)
    assert (await record(scene, done.turn)).status == "ready"
    assert (done.behind, done.ahead, done.steers) == (None, 0, False)


async def test_the_same_ref_is_the_same_message(scene: Scene) -> None:
    await scene.ask_and_wait()
    done = await send(scene, "replace")
    before = await scene.fingerprint()
    assert await send(scene, "replace") == done
    with pytest.raises(RefReused):
        await send(scene, "steer")
    assert await scene.fingerprint() == before


async def test_an_agent_says_what_becomes_of_messages_and_what_they_may_choose(scene: Scene) -> None:
    manifest = AgentManifest("support", "2", [], "steer", ("queue",))
    await scene.backend.manifests.register(manifest)
    assert (await send(scene)).steers
    assert not (await send(scene, "queue", "s2")).steers
    with pytest.raises(BadInput) as caught:
        await send(scene, "replace", "s3")
    assert caught.value.details == {"modes": ["queue", "steer"]}


async def test_who_may_replace_may_cancel(scene: Scene) -> None:
    await membership.put_member(scene.backend, ALICE, scene.session, "bob", "m1")
    with pytest.raises(Forbidden):
        await send(scene, "replace", by=Principal("bob", can=("read", "send")))
    with pytest.raises(NotFound):
        await send(scene, "replace", by=STRANGER)
    await send(scene, "replace", by=BOB)


async def test_an_answer_and_a_replacement_at_once_leave_one_truth(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    frame = Answer("a1", scene.session, shown.id, "resolved", {"approved": True})
    answered, done = await asyncio.gather(answering.answer(scene.backend, ALICE, frame, "test"), send(scene, "replace"))
    [closed] = await scene.events("interrupt.closed")
    assert closed["decision"]["status"] == ("resolved" if answered.outcome == "won" else "superseded")
    assert (await scene.turn()).end == "cancelled"
    assert (await record(scene, done.turn)).status == "ready"


async def test_an_expiry_that_came_first_stands(scene: Scene) -> None:
    await scene.ask_and_wait(expires_in_ms=1_000)
    await scene.advance(1_000)
    await send(scene, "replace")
    [closed] = await scene.events("interrupt.closed")
    assert closed["decision"]["status"] == "expired"
    assert (await scene.turn()).end == "cancelled"
