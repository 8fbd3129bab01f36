"""Branching: edit, regenerate, switch. The old branch stays; what was open on it is superseded in the same commit."""

from __future__ import annotations

from typing import Any

import pytest
from tests.commands.scene import ALICE, STRANGER, Scene

from holdfast.commands import answering, branching, sending
from holdfast.commands.reading import folded
from holdfast.core import branches, ids, turns
from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput, Conflict, Forbidden, NotFound
from holdfast.core.events import ChunkWritten
from holdfast.core.identity import Principal
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Answer, Branch, Ok, Send


async def send(scene: Scene, text: str | None, replaces: str | None = None, ref: str = "s1", by: Any = ALICE) -> Ok:
    frame = Send(ref, scene.session, text, None, replaces)
    return await sending.send(scene.backend, by, frame, "test")


async def switch(scene: Scene, branch: str, ref: str = "b1") -> Ok:
    return await branching.switch(scene.backend, ALICE, Branch(ref, scene.session, branch), "test")


async def session(scene: Scene) -> SessionRecord:
    found = (await scene.backend.door.read(scene.session)).session
    assert found is not None
    return found


async def record(scene: Scene, turn: str | None) -> TurnRecord:
    return (await scene.backend.door.read(scene.session, turns=(turn or "",))).turns[turn or ""]


async def shown(scene: Scene, branch: str | None = None) -> list[str]:
    state = await folded(scene.backend, scene.session)
    return [placed.message.text for placed in branches.visible(state, branch)]


async def finish(scene: Scene) -> None:
    """The scene's turn, which runs, comes to its end."""
    now = await session(scene)
    await scene.commit(turns.finish(now, await scene.turn(), None, "completed", by=scene.next()))


async def run(scene: Scene, turn: str | None) -> None:
    scene.turn_id = turn or ""
    await scene.take()
    await finish(scene)


def first(scene: Scene) -> str:
    return ids.user_message_id(scene.session, "alice", "start")


async def test_an_edit_begins_a_branch_and_leaves_the_other_as_it_is(scene: Scene) -> None:
    await finish(scene)
    await run(scene, (await send(scene, "and B-2")).turn)
    edited = await send(scene, "Refund A-18", first(scene), "s2")
    assert await shown(scene) == ["Refund A-18"]
    assert await shown(scene, "") == ["Refund A-17", "and B-2"]
    now = await session(scene)
    assert (now.info.branch, now.active, len(now.info.branches)) == (edited.turn, edited.turn, 1)
    assert (await record(scene, edited.turn)).branch == edited.turn
    # What is said from now on is said there, also after another look at the old one.
    await run(scene, edited.turn)
    await switch(scene, "")
    assert await shown(scene) == ["Refund A-17", "and B-2"]
    await switch(scene, edited.turn or "", "b2")
    more = await send(scene, "thanks", ref="s3")
    assert (await record(scene, more.turn)).branch == edited.turn
    assert await shown(scene) == ["Refund A-18", "thanks"]


@pytest.mark.parametrize("status", ["waiting", "running"])
async def test_what_is_pending_on_the_branch_that_is_left_is_superseded(scene: Scene, status: str) -> None:
    asked = await scene.ask()
    if status == "waiting":
        await scene.wait()
    queued = await send(scene, "later", ref="s0")
    left = scene.turn_id
    edited = await send(scene, "Refund A-18", first(scene))
    [closed] = await scene.events("interrupt.closed")
    assert closed["decision"]["status"] == "superseded"
    frame = Answer("a1", scene.session, asked.id, "resolved", {"approved": True})
    assert (await answering.answer(scene.backend, ALICE, frame, "test")).outcome == "lost"
    assert (await record(scene, queued.turn)).end == "cancelled"
    now, old = await session(scene), await record(scene, left)
    if status == "waiting":
        assert (now.active, now.queue, old.end) == (edited.turn, (), "cancelled")
    else:
        assert (now.active, now.queue, old.replaced_by) == (left, (edited.turn,), edited.turn)
        assert old.cancel is not None


async def test_an_answer_is_given_anew_to_the_same_words(scene: Scene) -> None:
    writes = (await scene.turn()).message
    chunk: dict[str, Any] = {"type": "text-delta", "id": "t", "delta": "No."}
    start = {"type": "text-start", "id": "t"}
    written = [ChunkWritten(scene.turn_id, writes, one) for one in (start, chunk)]
    await scene.commit(Commit(scene.session, "append", by=scene.next(), events=list(written)))
    await finish(scene)
    again = await send(scene, None, writes)
    assert await shown(scene) == ["Refund A-17"]
    assert await shown(scene, "") == ["Refund A-17", "No."]
    state = await folded(scene.backend, scene.session)
    copy = state.messages[again.message or ""].message
    assert (copy.metadata or {})["copies"] == first(scene)
    assert (copy.metadata or {})["by"]["id"] == "alice"
    turn = state.turns[again.turn or ""]
    assert branches.versions((await session(scene)).info, turn.id, turn.branch) == [scene.turn_id, turn.id]


async def test_what_cannot_be_replaced_says_why(scene: Scene) -> None:
    await scene.ask_and_wait()
    queued = await send(scene, "later", ref="s0")
    steer = await sending.send(scene.backend, ALICE, Send("s9", scene.session, "also", "steer"), "test")
    before = await scene.fingerprint()
    with pytest.raises(NotFound):
        await send(scene, "x", "m_none")
    with pytest.raises(NotFound):
        await send(scene, "x", first(scene), by=STRANGER)
    with pytest.raises(Forbidden):  # it cancels what waits
        await send(scene, "x", first(scene), by=Principal("alice", can=("read", "send")))
    with pytest.raises(Conflict):
        await send(scene, "x", queued.message)
    with pytest.raises(BadInput):
        await send(scene, "x", steer.message)
    with pytest.raises(BadInput):
        await send(scene, None, first(scene))
    with pytest.raises(NotFound):
        await switch(scene, "t_none")
    assert await scene.fingerprint() == before


async def test_nobody_switches_under_a_turn(scene: Scene) -> None:
    await finish(scene)
    edited = await send(scene, "Refund A-18", first(scene))
    with pytest.raises(Conflict):
        await switch(scene, "")
    await run(scene, edited.turn)
    done = await switch(scene, "")
    assert await switch(scene, "") == done
    assert (await switch(scene, "", "b2")).seq == done.seq


async def test_the_same_ref_is_the_same_branch(scene: Scene) -> None:
    await finish(scene)
    edited = await send(scene, "Refund A-18", first(scene))
    assert await send(scene, "Refund A-18", first(scene)) == edited
    assert len((await session(scene)).info.branches) == 1
