"""Reading: members, lists, the inbox, pages of events; each shows what its reader may see, and no more."""

from __future__ import annotations

import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import deleting, events, inbox, membership, reading, starting
from holdfast.commands.backend import Backend
from holdfast.core.errors import BadRequest, Conflict, Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers
from holdfast.protocol.frames import Position, Start

ADMIN = Principal("root", sessions=("*",), can=("admin",))


async def test_a_member_sees_the_session_and_who_left_does_not(scene: Scene) -> None:
    backend, session = scene.backend, scene.session
    with pytest.raises(NotFound):
        await reading.snapshot(backend, BOB, session, None)
    await membership.put_member(backend, ALICE, session, "bob", "m1")
    shown = await reading.snapshot(backend, BOB, session, None)
    assert shown.snapshot["members"] == {"alice": "owner", "bob": "member"}
    assert [item.session.id for item in (await reading.sessions(backend, BOB)).sessions] == [session]
    await membership.remove_member(backend, ALICE, session, "bob", "m2")
    with pytest.raises(NotFound):
        await reading.snapshot(backend, BOB, session, None)
    assert (await reading.sessions(backend, BOB)).sessions == []


async def test_only_the_owner_or_an_admin_says_who_is_in(scene: Scene) -> None:
    backend, session = scene.backend, scene.session
    await membership.put_member(backend, ALICE, session, "bob", "m1")
    with pytest.raises(Forbidden):
        await membership.put_member(backend, BOB, session, "mallory", "m2")
    with pytest.raises(NotFound):
        await membership.put_member(backend, STRANGER, session, "mallory", "m3")
    with pytest.raises(Conflict):
        await membership.remove_member(backend, ALICE, session, "alice", "m4")
    await membership.put_member(backend, ADMIN, session, "carol", "m5")


async def test_putting_a_member_twice_changes_nothing(scene: Scene) -> None:
    await membership.put_member(scene.backend, ALICE, scene.session, "bob", "m1")
    before = await scene.fingerprint()
    await membership.put_member(scene.backend, ALICE, scene.session, "bob", "m2")
    await membership.put_member(scene.backend, ALICE, scene.session, "alice", "m3")
    assert await scene.fingerprint() == before


async def test_pages_of_sessions_hold_each_once_over_all_partitions(backend: Backend) -> None:
    started = {
        (await starting.start(backend, ALICE, Start(f"r{index}", "support"), "test")).session for index in range(25)
    }
    await starting.start(backend, BOB, Start("r", "support"), "test")
    for reader in (ALICE, Principal("alice", sessions=("mine", "nothing-*"))):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = await reading.sessions(backend, reader, cursor, 7)
            seen += [item.session.id for item in page.sessions]
            cursor = page.next
            if cursor is None:
                break
        assert len(seen) == 25
        assert set(seen) == started


async def test_an_admin_lists_all_sessions(backend: Backend) -> None:
    for by in (ALICE, BOB):
        await starting.start(backend, by, Start("r", "support"), "test")
    assert len((await reading.sessions(backend, ADMIN)).sessions) == 2


@pytest.mark.parametrize("cursor", ["x", "1", ":a", "-1:a", "1e3:a"])
async def test_a_cursor_of_nobodys_is_refused(backend: Backend, cursor: str) -> None:
    with pytest.raises(BadRequest):
        await reading.sessions(backend, ALICE, cursor)


async def test_the_inbox_has_what_one_may_answer(scene: Scene) -> None:
    own = await scene.ask()
    managers = await scene.ask_and_wait(approvers=Approvers(roles=("manager",)))
    manager = Principal("meg", roles=("manager",))
    assert [one.id for one in (await inbox.inbox(scene.backend, ALICE)).interrupts] == [own.id]
    assert [one.id for one in (await inbox.inbox(scene.backend, manager)).interrupts] == [managers.id]
    assert (await inbox.inbox(scene.backend, STRANGER)).interrupts == []


async def test_pages_of_the_inbox_hold_each_once(backend: Backend) -> None:
    opened = set()
    for index in range(9):
        scene = await Scene.begin(backend, ref=f"r{index}")
        opened.add((await scene.ask()).id)
    seen: list[str] = []
    page = await inbox.inbox(backend, ALICE, None, 4)
    seen += [one.id for one in page.interrupts]
    while page.next is not None:
        page = await inbox.inbox(backend, ALICE, page.next, 4)
        seen += [one.id for one in page.interrupts]
    assert len(seen) == 9
    assert set(seen) == opened


async def test_an_interrupt_is_shown_with_its_history(scene: Scene) -> None:
    shown = await scene.ask_and_wait(approvers=Approvers(subjects=("meg",)))
    seen = await reading.interrupt(scene.backend, Principal("meg"), shown.id)
    assert seen.canAnswer
    assert seen.history is not None
    assert [b'"interrupt.opened"' in bytes(one.event) for one in seen.history] == [True]
    with pytest.raises(NotFound):
        await reading.interrupt(scene.backend, STRANGER, shown.id)
    assert not (await reading.interrupt(scene.backend, ALICE, shown.id)).canAnswer


async def test_events_come_in_pages_without_a_hole(scene: Scene) -> None:
    await scene.ask_and_wait()
    position, seen = Position("", 0), list[int]()
    while True:
        page = await events.since(scene.backend, ALICE, scene.session, position, 2)
        seen += [event.seq for event in page.events]
        position = Position(page.epoch, page.seq)
        if not page.more:
            break
    head = (await scene.backend.door.read(scene.session)).head
    assert seen == list(range(1, head + 1))


async def test_over_compacted_positions_an_event_says_from_where_it_stands(scene: Scene) -> None:
    await scene.ask_and_wait()
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    await connection.execute("XDEL", keys.log(scene.session), "3-0", "4-0")
    page = await events.since(scene.backend, ALICE, scene.session, Position("", 0))
    assert [(event.from_, event.seq) for event in page.events][:3] == [(None, 1), (None, 2), (3, 5)]


@pytest.mark.parametrize("position", [("other", 1), (None, 10_000)], ids=["other epoch", "future"])
async def test_where_nobody_can_go_on_there_is_a_gap_and_a_snapshot(
    scene: Scene, position: tuple[str | None, int]
) -> None:
    view = await scene.backend.door.read(scene.session)
    asked = Position(position[0] or view.epoch, position[1])
    page = await events.since(scene.backend, ALICE, scene.session, asked)
    assert page.gap is not None
    assert page.gap.requested == asked
    assert page.seq == view.head
    assert page.snapshot is not None
    assert len(page.snapshot["messages"]) == 1


@pytest.mark.parametrize("text", ["5", "x:y", "e:-1", ":3", "e:²", ""])
async def test_a_malformed_position_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        events.parse_position(text)


async def test_a_deleted_session_is_in_no_list(scene: Scene) -> None:
    await deleting.delete(scene.backend, ALICE, scene.session, "d1", "test")
    assert (await reading.sessions(scene.backend, Principal("root", sessions=("*",)))).sessions == []
