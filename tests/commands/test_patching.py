"""The shared state: changed by patches, compared and set; also in a session where no agent is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import deleting, gating, membership, patching, reading, sending, starting
from holdfast.commands.backend import Backend
from holdfast.core.errors import BadInput, Conflict, Forbidden, Gone, NotFound, RefReused, UnknownAgent
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Gate, Ok, Patch, Send, Start


@pytest.fixture
async def session(backend: Backend) -> str:
    """A session of Alice's in which no agent is."""
    started = await starting.start(backend, ALICE, Start("start"), "test")
    assert started.session is not None
    return started.session


async def patch(
    backend: Backend,
    session: str,
    *operations: dict[str, Any],
    by: Principal = ALICE,
    ref: str = "p1",
    version: int | None = None,
) -> Ok:
    return await patching.patch(backend, by, Patch(ref, session, list(operations), version), "test")


def put(name: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"/{name}", "value": value}


async def test_it_begins_empty_and_each_change_has_a_version(backend: Backend, session: str) -> None:
    assert await patching.read(backend, ALICE, session) == patching.StateShown({}, 0)
    assert (await patch(backend, session, put("a", 1))).version == 1
    assert (await patch(backend, session, put("b", 2), ref="p2", version=1)).version == 2
    assert (await patch(backend, session, put("a", 1))).version == 1  # repeated: answered again, done once
    assert await patching.read(backend, ALICE, session) == patching.StateShown({"a": 1, "b": 2}, 2)
    changes = await Scene(backend, session).events("session.state")
    assert [(one["version"], one["state"], one["by"]["id"]) for one in changes] == [
        (1, {"a": 1}, "alice"),
        (2, {"a": 1, "b": 2}, "alice"),
    ]
    shown = (await reading.snapshot(backend, ALICE, session, None)).snapshot
    assert (shown["state"], shown["stateVersion"]) == ({"a": 1, "b": 2}, 2)


async def test_of_those_who_saw_the_same_version_one_wins(backend: Backend, session: str) -> None:
    tries = (patch(backend, session, put("by", number), ref=f"p{number}", version=0) for number in range(10))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert len([one for one in results if isinstance(one, Ok)]) == 1
    lost = [one for one in results if isinstance(one, Conflict)]
    assert [one.details["version"] for one in lost] == [1] * 9


async def test_without_a_version_none_is_lost(backend: Backend, session: str) -> None:
    await asyncio.gather(*(patch(backend, session, put(f"k{n}", n), ref=f"p{n}") for n in range(6)))
    assert await patching.read(backend, ALICE, session) == patching.StateShown({f"k{n}": n for n in range(6)}, 6)


async def test_what_is_refused_changes_nothing(backend: Backend, session: str) -> None:
    await patch(backend, session, put("a", 1))
    with pytest.raises(BadInput):
        await patch(backend, session, put("b", 2), {"op": "remove", "path": "/none"}, ref="p2")
    with pytest.raises(RefReused):
        await patch(backend, session, put("a", 2))
    with pytest.raises(NotFound):
        await patch(backend, session, put("a", 2), by=STRANGER, ref="p3")
    with pytest.raises(NotFound):
        await patching.read(backend, STRANGER, session)
    with pytest.raises(Forbidden):
        await patch(backend, session, put("a", 2), by=Principal("alice", can=("read",)), ref="p4")
    assert await patching.read(backend, ALICE, session) == patching.StateShown({"a": 1}, 1)


async def test_a_member_may_change_it_and_a_deleted_session_has_none(backend: Backend, session: str) -> None:
    await membership.put_member(backend, ALICE, session, "bob", "m1")
    assert (await patch(backend, session, put("a", 1), by=BOB)).version == 1
    await deleting.delete(backend, ALICE, session, "d1", "test")
    with pytest.raises(Gone):
        await patch(backend, session, put("a", 2), ref="p2")
    with pytest.raises(Gone):
        await patching.read(backend, ALICE, session)


async def test_beside_a_turn_that_runs(scene: Scene) -> None:
    await scene.ask_and_wait()
    await patch(scene.backend, scene.session, put("a", 1))
    assert (await scene.turn()).status == "waiting"


async def test_a_session_without_an_agent(backend: Backend, session: str) -> None:
    with pytest.raises(UnknownAgent):
        await sending.send(backend, ALICE, Send("s1", session, "hello"), "test")
    for more in ({"message": "hello"}, {"input": None}):
        with pytest.raises(BadInput):
            await starting.start(backend, ALICE, Start("other", **more), "test")
    gated = await gating.request(backend, ALICE, Gate("g1", "publish", "publish", session=session), "test")
    assert (gated.created, gated.gate.session) == (True, session)
