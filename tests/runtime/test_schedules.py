"""Schedules of an app and of a turn: declared, fired by the clock, once, through restarts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from holdfast import App, Turn
from holdfast.commands import scheduling
from holdfast.core.errors import BadInput
from holdfast.core.identity import Principal
from holdfast.testing import Harness, harness, wait_for, wait_until

OPERATOR = Principal("olga", ("operator",))


async def named(h: Harness) -> dict[str, scheduling.ScheduleShown]:
    return {one.name: one for one in (await scheduling.listing(h.backend, OPERATOR)).schedules}


async def declared(h: Harness, *names: str) -> None:
    async def find() -> bool | None:
        return True if set(await named(h)) == set(names) else None

    await wait_for(find, f"the schedules are {names}")


async def test_a_handler_runs_at_every_instant_and_never_twice(store_url: str) -> None:
    app, ran = App(), list[str]()

    @app.scheduled(cron="0 9 * * *", timezone="Europe/Berlin")
    async def digest(turn: Turn) -> None:
        ran.append(await turn.step("look", lambda: "looked"))

    async with harness(app, url=store_url) as h:
        await declared(h, "digest")
        await h.advance("1 day")
        await wait_until(lambda: len(ran) == 1, "the handler ran")
        await h.stop_worker()
        await h.advance("5 days")  # nobody is there: what is missed is made up once
        await h.start_worker()
        await wait_until(lambda: len(ran) == 2, "it ran again")
        shown = (await named(h))["digest"]
        assert (shown.fired, shown.session, shown.owner) == (2, "schedule-digest", "scheduler")


async def test_a_declaration_that_is_gone_is_dropped(store_url: str) -> None:
    async def agent(turn: Turn) -> None: ...

    def app_with(*names: str) -> App:
        app = App()
        app.add_agent("a", agent)
        for name in names:
            app.schedule(name, agent="a", cron="0 9 * * *", input={"for": name})
        return app

    async with harness(app_with("one", "two"), url=store_url) as h:
        await declared(h, "one", "two")
        await h.deploy(app_with("two", "three"))
        await declared(h, "two", "three")


async def test_a_turn_schedules_another_in_its_own_session_once(store_url: str) -> None:
    app = App()

    @app.agent("a")
    async def agent(turn: Turn) -> Any:
        if turn.input == "later":
            return turn.input
        name = await turn.schedule("remind", delay="2 days", input="later")
        dropped = await turn.schedule("other", at=turn.now() + timedelta(days=1), input="later")
        was = await turn.unschedule(dropped)
        await turn.gate("go on")
        return [name, was]

    async with harness(app, url=store_url) as h:
        session = await h.start("a", message="go")
        await session.wait_waiting()
        await h.kill_worker()  # what follows is a replay
        await session.approve(await session.wait_interrupt(kind="gate"))
        name, was = (await session.wait_finished()).result
        assert was is True
        assert {one.status for one in (await named(h)).values()} == {"active", "cancelled"}
        await h.advance("2 days")

        async def find() -> list[Any] | None:
            turns = list((await session.state()).turns.values())
            return turns if len(turns) == 2 and turns[1].status == "finished" else None

        turns = await wait_for(find, "the scheduled turn has ended")
        assert turns[1].result == "later"
        assert (await named(h))[name].status == "done"


async def test_what_cannot_be_declared_is_refused_where_it_is_written() -> None:
    app = App()
    app.schedule("one", agent="a", delay="1 day")
    for wrong in ({"delay": "1 day", "cron": "* * * * *"}, {}, {"at": datetime(2030, 1, 1)}):  # noqa: DTZ001
        with pytest.raises(ValueError, match=r"exactly one|time zone"):
            app.schedule("two", agent="a", **wrong)
    with pytest.raises(ValueError, match="name"):
        app.schedule("one", agent="a", delay="1 day")
    with pytest.raises(BadInput):
        app.schedule("three", agent="a", cron="every day")
