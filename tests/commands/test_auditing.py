"""The trail for operators: filtered, in pages, and only for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from holdfast import App, Turn
from holdfast.commands import auditing
from holdfast.commands.auditing import AuditShown, Wanted
from holdfast.core.errors import BadRequest, Forbidden, NotFound
from holdfast.core.identity import Principal
from holdfast.testing import Harness, harness

ADMIN = Principal("root", sessions=("*",), can=("read", "admin"))
OPERATOR = Principal("olga", roles=("operator",), sessions=("*",))


@pytest.fixture
async def h(store_url: str) -> AsyncIterator[Harness]:
    app = App()

    @app.agent("asker")
    async def asker(turn: Turn) -> None:
        await turn.ask("Which one?")

    async with harness(app, url=store_url) as opened:
        for name in ("one", "two"):
            session = await opened.start("asker", message="go", id=name)
            await session.answer(await session.wait_interrupt(), {"text": "this"}, by="bob")
            await session.wait_finished()
        yield opened


async def found(h: Harness, principal: Principal = ADMIN, **wanted: Any) -> list[AuditShown]:
    return (await auditing.page(h.backend, principal, Wanted(**wanted))).entries


async def test_it_tells_who_did_what(h: Harness) -> None:
    newest = (await found(h, OPERATOR))[0]
    assert (newest.action, newest.session, newest.by.id, newest.status) == (
        "interrupt.closed",
        "two",
        "bob",
        "resolved",
    )
    assert [one.at for one in await found(h)] == sorted((one.at for one in await found(h)), reverse=True)


async def test_filters(h: Harness) -> None:
    everything = await found(h)
    assert len(everything) == 6
    closed = next(one for one in everything if one.session == "one" and one.interrupt and one.by.id == "bob")
    assert [one.action for one in await found(h, session="one")] == [
        "interrupt.closed", "interrupt.opened", "session.created",
    ]  # fmt: skip
    assert len(await found(h, interrupt=closed.interrupt)) == 2
    assert len(await found(h, turn=closed.turn)) == 2
    assert await found(h, by="bob", session="one") == [closed]
    assert len(await found(h, action="session.created")) == 2
    assert await found(h, tool="nothing") == []
    assert {one.session for one in await found(h, until=closed.at)} == {"one"}
    assert closed in await found(h, since=closed.at, until=closed.at)
    assert await found(h, since=everything[0].at + 1) == []


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7])
async def test_pages_go_on_where_the_one_before_ended(h: Harness, limit: int) -> None:
    whole, pages, cursor = await found(h), list[AuditShown](), None
    for _ in range(10):
        page = await auditing.page(h.backend, ADMIN, Wanted(), cursor, limit)
        pages += page.entries
        cursor = page.next
        if cursor is None:
            break
    assert sorted(pages, key=_name) == sorted(whole, key=_name)


def _name(one: AuditShown) -> tuple[int, int]:
    return one.partition, one.number


async def test_a_token_sees_its_sessions_only(h: Harness) -> None:
    scoped = Principal("root", sessions=("on*",), can=("admin",))
    assert {one.session for one in await found(h, scoped)} == {"one"}


@pytest.mark.parametrize(
    "principal",
    [Principal("alice", sessions=("*",)), Principal("root", can=("admin",)), Principal("olga", roles=("operator",))],
    ids=["no operator", "an admin of no named session", "an operator of no named session"],
)
async def test_nobody_else_sees_it(h: Harness, principal: Principal) -> None:
    with pytest.raises(Forbidden):
        await found(h, principal)


async def test_arguments_and_answers_take_the_right_to_read(h: Harness) -> None:
    mute = Principal("olga", roles=("operator",), sessions=("*",), can=("answer",))
    assert len((await auditing.page(h.backend, mute, Wanted())).entries) == 6
    with pytest.raises(Forbidden):
        await auditing.page(h.backend, mute, Wanted(), bodies=True)
    closed = (await auditing.page(h.backend, OPERATOR, Wanted(action="interrupt.closed"), bodies=True)).entries
    assert [one.bodies and one.bodies.payload for one in closed] == [{"text": "this"}] * 2


async def test_what_is_not_ours_is_refused(h: Harness) -> None:
    for cursor in ("x", "1-2", "-".join(["9" * 17] * 16)):
        with pytest.raises(BadRequest):
            await auditing.page(h.backend, ADMIN, Wanted(), cursor)
    with pytest.raises(NotFound):
        await found(h, turn="nonsense")
