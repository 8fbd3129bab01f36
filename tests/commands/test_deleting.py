"""Deleting: nothing is written to a deleted session, and nothing is left of it but a tombstone (rule g)."""

from __future__ import annotations

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import answering, deleting, inbox, membership, reading, sending, starting
from holdfast.core import turns
from holdfast.core.errors import Forbidden, Gone, NotFound
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Answer, Send, Start
from holdfast.store.door import NotDone


async def delete(scene: Scene, by: Principal = ALICE, ref: str = "d1") -> None:
    await deleting.delete(scene.backend, by, scene.session, ref, "test")


async def test_every_command_meets_a_tombstone(scene: Scene) -> None:
    shown = await scene.ask_and_wait()
    await delete(scene)
    with pytest.raises(Gone):
        await sending.send(scene.backend, ALICE, Send("s1", scene.session, "hello"), "test")
    frame = Answer("a1", scene.session, shown.id, "resolved", {"approved": True})
    with pytest.raises(Gone):
        await answering.answer(scene.backend, ALICE, frame, "test")
    with pytest.raises(Gone):
        await starting.start(scene.backend, ALICE, Start("again", "support", id=scene.session), "test")
    with pytest.raises(Gone):
        await scene.backend.log.page(scene.session, 0)


async def test_its_worker_bounces(scene: Scene) -> None:
    turn = await scene.turn()
    await delete(scene)
    outcome = await scene.backend.door.commit(turns.heartbeat(turn, scene.next()))
    assert isinstance(outcome, NotDone)
    assert outcome.why in {"gone", "fenced"}


async def test_devices_are_told(scene: Scene) -> None:
    await delete(scene)
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    rows = await connection.execute("XRANGE", keys.log(scene.session), "-", "+")
    assert rows[-1][1][1].startswith(b'{"type":"session.deleted"')


async def test_nothing_waits_for_it_any_more(scene: Scene) -> None:
    await scene.ask_and_wait(expires_in_ms=60_000)
    await delete(scene)
    left = await scene_indexes(scene)
    assert left == {f"erase {scene.session}"}
    assert (await inbox.inbox(scene.backend, ALICE)).interrupts == []
    assert (await reading.sessions(scene.backend, ALICE)).sessions == []


async def test_it_is_erased_piece_by_piece_until_only_the_tombstone_is_left(scene: Scene) -> None:
    await scene.ask_and_wait()
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    fields = [part for index in range(1_500) for part in (f"t:t_{index}.{scene.session}", b"1 {}")]
    await connection.execute("HSET", keys.session(scene.session), *fields)
    await delete(scene)
    rounds = 1
    while not await deleting.erase_piece(scene.backend, scene.session):
        rounds += 1
    assert rounds > 2
    names = await connection.execute("KEYS", f"*{scene.session}*")
    assert names == [keys.session(scene.session).encode()]
    assert await connection.execute("HGETALL", names[0]) == [b"alive", b"0"]
    assert await scene_indexes(scene) == set()
    with pytest.raises(Gone):
        await delete(scene, ref="d2")


async def test_what_is_alive_is_not_erased(scene: Scene) -> None:
    before = await scene.fingerprint()
    assert await deleting.erase_piece(scene.backend, scene.session)
    assert await scene.fingerprint() == before


async def test_only_its_owner_or_an_admin_deletes(scene: Scene) -> None:
    await membership.put_member(scene.backend, ALICE, scene.session, "bob", "m1")
    with pytest.raises(Forbidden):
        await delete(scene, BOB)
    with pytest.raises(NotFound):
        await delete(scene, STRANGER)
    await delete(scene, Principal("root", sessions=("*",), can=("admin",)))


async def scene_indexes(scene: Scene) -> set[str]:
    """What still stands for it in the sets of its partition."""
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    partition = keys.partition(scene.session)
    found: set[str] = set()
    names = (keys.deadlines, keys.inbox, keys.sessions)
    for name in (*(key(partition) for key in names), keys.jobs(partition, "support@1")):
        found |= {member.decode() for member in await connection.execute("ZRANGE", name, 0, -1)}
    return found
