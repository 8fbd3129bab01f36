"""Workflows: which turns somebody sees, and the gate of a turn, decided by naming the turn."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import cancelling, deleting, workflows
from holdfast.commands.backend import Backend
from holdfast.core import asking, ending, ids, turns
from holdfast.core.errors import BadRequest, Conflict, Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import REASONS, Interrupt
from holdfast.core.operations import Operation
from holdfast.protocol.frames import Answered, Cancel

OPERATOR = Principal("olga", roles=("operator",))


async def ids_of(backend: Backend, by: Principal = ALICE, **wanted: Any) -> list[str]:
    return [one.id for one in (await workflows.listing(backend, by, **wanted)).turns]


async def fail(scene: Scene) -> None:
    view = await scene.backend.door.read(scene.session)
    assert view.session is not None
    error = {"code": "agent_error", "message": "x"}
    commit = ending.end(view.session, await scene.turn(), None, [], "failed", view.now_ms, by=scene.next(), error=error)
    await scene.commit(commit)


async def gate(scene: Scene, name: str) -> Interrupt:
    """Have the turn ask at a gate."""
    key, now_ms = f"gate:{name}:1", (await scene.backend.door.read(scene.session)).now_ms
    own_id = ids.interrupt_id(scene.turn_id, key)
    shown = Interrupt(
        own_id, "gate", scene.session, scene.turn_id, REASONS["gate"], toolName=name, openedAt=now_ms,
        toolCallId=ids.call_id(scene.turn_id, key),
    )  # fmt: skip
    operation = Operation(scene.turn_id, key, "gate", "waiting", interrupt=own_id, place=1)
    await scene.commit(asking.opening(await scene.turn(), scene.next(), shown, operation))
    return shown


async def decide(scene: Scene, approved: bool = True, by: Principal = ALICE, ref: str = "d1") -> Answered:
    return await workflows.decide(scene.backend, by, scene.turn_id, approved, "fine", ref, "test")


async def test_turns_are_listed_by_what_became_of_them(backend: Backend) -> None:
    running = await Scene.begin(backend, ref="one")
    waiting = await Scene.begin(backend, ref="two")
    await waiting.ask_and_wait()
    failed = await Scene.begin(backend, ref="three")
    await fail(failed)
    cancelled = await Scene.begin(backend, ref="four")
    await cancelled.ask_and_wait()
    await cancelling.cancel(backend, ALICE, Cancel("c", cancelled.session), "test")
    assert await ids_of(backend, status="running") == [running.turn_id]
    assert await ids_of(backend, status="waiting") == [waiting.turn_id]
    assert await ids_of(backend, status="failed") == [failed.turn_id]
    assert await ids_of(backend, status="cancelled") == [cancelled.turn_id]
    assert await ids_of(backend, status="completed") == []
    assert set(await ids_of(backend, status="active")) == {running.turn_id, waiting.turn_id}
    assert len(await ids_of(backend)) == 4
    assert await ids_of(backend, agent="other") == []
    with pytest.raises(BadRequest):
        await ids_of(backend, status="happy")


async def test_a_list_goes_on_where_the_page_before_ended(backend: Backend) -> None:
    scenes = [await Scene.begin(backend, ref=str(number)) for number in range(5)]
    seen, cursor = list[str](), None
    for _ in range(3):
        page = await workflows.listing(backend, ALICE, cursor=cursor, limit=2)
        seen += [one.id for one in page.turns]
        cursor = page.next
    assert (sorted(seen), cursor) == (sorted(one.turn_id for one in scenes), None)


async def test_who_sees_which(scene: Scene) -> None:
    backend = scene.backend
    assert await ids_of(backend, OPERATOR) == [scene.turn_id]
    assert await ids_of(backend, BOB) == await ids_of(backend, STRANGER) == []
    with pytest.raises(Forbidden):
        await ids_of(backend, replace(ALICE, can=("send",)))
    with pytest.raises(NotFound):
        await workflows.workflow(backend, BOB, scene.turn_id)


async def test_one_turn_with_what_it_did_and_asks(scene: Scene) -> None:
    shown = await gate(scene, "deploy")
    for by in (ALICE, OPERATOR):
        one = await workflows.workflow(scene.backend, by, scene.turn_id)
        assert [(item.key, item.status) for item in one.operations] == [("gate:deploy:1", "waiting")]
        assert [item["id"] for item in one.interrupts] == [shown.id]


async def test_a_session_that_is_deleted_takes_its_turns_out_of_the_list(scene: Scene) -> None:
    await deleting.delete(scene.backend, ALICE, scene.session, "del", "test")
    assert await ids_of(scene.backend, OPERATOR) == []
    while not await deleting.erase_piece(scene.backend, scene.session):
        pass
    keys = scene.backend.door.keys
    names = [keys.turns(keys.partition(scene.session), group) for group in turns.TURN_GROUPS]
    assert [await scene.backend.door.connection.execute("EXISTS", name) for name in names] == [0, 0, 0]


@pytest.mark.parametrize("approved", [True, False])
async def test_the_one_gate_is_decided_by_naming_the_turn(scene: Scene, approved: bool) -> None:
    shown = await gate(scene, "deploy")
    await scene.wait()
    first = await decide(scene, approved)
    assert (first.outcome, first.interrupt) == ("won", shown.id)
    assert first.decision is not None
    assert first.decision.payload == {"approved": approved, "reason": "fine"}
    assert await decide(scene, approved) == first, "asking twice is asking once"
    with pytest.raises(Conflict, match="none is open"):
        await decide(scene, approved, ref="d2")


async def test_not_exactly_one_gate_is_said_with_their_names(scene: Scene) -> None:
    with pytest.raises(Conflict, match="none is open"):
        await decide(scene)
    both = [await gate(scene, "deploy"), await gate(scene, "announce")]
    with pytest.raises(Conflict, match="2 are open") as refused:
        await decide(scene)
    assert refused.value.details["open"] == {one.id: one.toolName for one in both}
    with pytest.raises(NotFound):
        await decide(scene, by=STRANGER)
