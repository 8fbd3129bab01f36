"""Telling people something outside any turn: once under each ref, where they see it, and as no question."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from tests.commands.scene import ALICE, BOB

from holdfast.commands import deleting, inbox, notifying, reading
from holdfast.commands.backend import Backend
from holdfast.core import board
from holdfast.core.errors import BadInput, Forbidden, LimitReached, RefReused
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Notify, Ok


async def tell(backend: Backend, text: str = "Done.", ref: str = "n1", by: Principal = ALICE, **more: Any) -> Ok:
    return await notifying.notify(backend, by, Notify(ref, text, **more), "test")


async def texts(backend: Backend, session: str | None) -> list[str]:
    assert session is not None
    state = await reading.folded(backend, session)
    return [placed.message.text for placed in state.ordered]


async def test_it_is_told_once(backend: Backend) -> None:
    first, again = await tell(backend), await tell(backend)
    assert (first.session, first.seq, first.message) == (again.session, again.seq, again.message)
    await tell(backend, "Failed.", "n2")
    assert await texts(backend, first.session) == ["Done.", "Failed."]
    with pytest.raises(RefReused):
        await tell(backend, "Something else.")


async def test_it_is_seen_and_asks_nobody(backend: Backend) -> None:
    told = await tell(backend)
    [item] = (await reading.sessions(backend, ALICE)).sessions
    shown = item.session
    assert (shown.id, shown.title, shown.agent) == (told.session, "Notices", "")
    assert (await inbox.inbox(backend, ALICE)).interrupts == []


async def test_eight_at_once_are_all_told(backend: Backend) -> None:
    """Of more, some may be told to try again: a command gives up after eight lost races."""
    told = await asyncio.gather(*(tell(backend, f"{number}", f"n{number}") for number in range(8)))
    assert len({one.session for one in told}) == 1
    assert sorted(await texts(backend, told[0].session), key=int) == [f"{number}" for number in range(8)]


async def test_each_person_has_a_board(backend: Backend) -> None:
    assert (await tell(backend)).session != (await tell(backend, by=BOB)).session


async def test_after_a_full_board_and_a_deleted_one_another_begins(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "NOTICES_MAX", 2)
    monkeypatch.setattr(board, "BOARDS_MAX", 3)
    first = await tell(backend, ref="n1")
    assert (await tell(backend, ref="n2")).session == first.session
    second = await tell(backend, ref="n3")
    assert second.session not in (None, first.session)
    assert (await tell(backend, ref="n1")).seq == first.seq, "also what was told on a full one is not told again"
    await deleting.delete(backend, ALICE, str(second.session), "d1", "test")
    third = await tell(backend, ref="n4")
    assert third.session not in (first.session, second.session)
    await tell(backend, ref="n5")
    with pytest.raises(LimitReached):
        await tell(backend, ref="n6")


async def test_who_may_and_what(backend: Backend) -> None:
    for by in (replace(ALICE, can=("read", "answer")), replace(BOB, can=())):
        with pytest.raises(Forbidden):
            await tell(backend, by=by)
    for text, to in ((" ", ()), ("x" * 4_001, ()), ("Done.", ("a",) * 21)):
        with pytest.raises(BadInput):
            await tell(backend, text, to=to)
