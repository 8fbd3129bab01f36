"""Hooks of an app: told of what waits, in a worker, beside its turns; and `turn.notify`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.waiting import wait_until

from holdfast import App, Call, Notice, Turn, tool, wiring
from holdfast.commands import auditing
from holdfast.commands.auditing import Wanted
from holdfast.core.errors import BadInput, Unusable
from holdfast.core.identity import Principal
from holdfast.core.notices import LIMIT_MS
from holdfast.gateways.links.token import Links
from holdfast.settings import Settings
from holdfast.testing import harness
from holdfast.wiring import links_of

SECRET = "a secret of more than thirty-two bytes"


class Told:
    """Notices as a hook got them."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.failures = 0

    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.notices]

    async def wait(self, *kinds: str) -> None:
        await wait_until(lambda: self.kinds() == list(kinds), f"{kinds}, not {self.kinds()}")


@tool
async def refund(call: Call[Any], amount: int) -> str:
    return f"refunded {amount}"


def app_with(told: Told) -> App:
    app = App()

    @app.agent("support", tools=[refund])
    async def support(turn: Turn) -> str:
        return (await turn.call(refund, 200)).status

    @app.on_interrupt
    async def call_somebody(notice: Notice) -> None:
        if told.failures:
            told.failures -= 1
            raise ConnectionError("the chat is down")
        told.notices.append(notice)

    return app


async def test_a_hook_is_told_that_it_opened_and_closed(store_url: str) -> None:
    told = Told()
    async with harness(app_with(told), deps="the deps", url=store_url) as h:
        session = await h.start("support", message="Refund A-17")
        ask = await session.wait_interrupt(tool=refund)
        await told.wait("interrupt.opened")
        await session.approve(ask, by="bob")
        await told.wait("interrupt.opened", "interrupt.closed")
        await session.wait_finished()
    opened, closed = told.notices
    assert opened.interrupt is not None
    assert (opened.interrupt.toolName, opened.interrupt.input) == ("refund", {"amount": 200})
    assert (opened.deps, opened.session, opened.about, opened.status) == ("the deps", session.id, ask.id, "open")
    assert closed.decision is not None
    assert (closed.decision.by.id, closed.status) == ("bob", "resolved")


async def test_a_failing_hook_blocks_no_turn_and_is_called_again(store_url: str) -> None:
    told = Told()
    told.failures = 1
    async with harness(app_with(told), url=store_url) as h:
        session = await h.start("support", message="Refund A-17")
        await session.wait_waiting()
        await wait_until(lambda: told.failures == 0, "the hook has failed once")
        assert told.kinds() == []

        async def told_later() -> bool:
            await h.advance(f"{LIMIT_MS} ms")
            return bool(told.notices)

        await wait_until(told_later, "the hook is called again")
        assert told.kinds() == ["interrupt.opened"]


async def test_a_hook_that_hangs_delays_no_other(store_url: str) -> None:
    told, begun, never = Told(), asyncio.Event(), asyncio.Event()
    app = app_with(told)

    @app.on_interrupt(name="hangs")
    async def hook(notice: Notice) -> None:
        begun.set()
        await never.wait()

    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="Refund A-17")
        ask = await session.wait_interrupt(tool=refund)
        await told.wait("interrupt.opened")
        await begun.wait()
        await session.deny(ask, reason="no")
        await session.wait_finished()
        await told.wait("interrupt.opened", "interrupt.closed")


async def test_notify_is_told_once_though_the_function_runs_again(store_url: str) -> None:
    told = Told()
    app = app_with(told)

    @app.agent("reporter", tools=[refund])
    async def reporter(turn: Turn) -> str:
        await turn.notify("The report is there.", to="alice")
        return (await turn.call(refund, 1)).status

    async with harness(app, url=store_url) as h:
        session = await h.start("reporter", message="Report")
        ask = await session.wait_interrupt(tool=refund)
        await h.kill_worker()
        await session.approve(ask)
        await session.wait_finished()
        await wait_until(lambda: "turn.notice" in told.kinds(), "the notice is told")
    said = [notice for notice in told.notices if notice.kind == "turn.notice"]
    assert [(one.text, one.to, one.interrupt) for one in said] == [("The report is there.", ("alice",), None)]
    assert len({one.id for one in said}) == 1


async def test_a_replay_notes_a_notice_no_second_time(store_url: str) -> None:
    """Senders would pass it over, but the outbox would fill with what each run of the function says again."""
    app = App()

    @app.agent("reporter", tools=[refund])
    async def reporter(turn: Turn) -> str:
        await turn.notify("The report is there.")
        return (await turn.call(refund, 1)).status

    async with harness(app, url=store_url) as h:
        session = await h.start("reporter", message="Report")
        ask = await session.wait_interrupt(tool=refund)
        await h.kill_worker()
        await session.approve(ask)
        await session.wait_finished()
        outbox = h.door.keys.outbox(h.door.keys.partition(session.id))
        noted = [fields[1] for _, fields in await h.connection.execute("XRANGE", outbox, "-", "+")]
        assert sum(b'"turn.notice"' in one for one in noted) == 1


async def test_notify_refuses_what_says_nothing(store_url: str) -> None:
    app, refused = App(), list[str]()

    @app.agent("silent")
    async def silent(turn: Turn) -> None:
        try:
            await turn.notify("  ")
        except BadInput as error:
            refused.append(error.code)

    async with harness(app, url=store_url) as h:
        await (await h.start("silent", message="go")).wait_finished()
    assert refused == ["bad_input"]


async def test_a_hook_makes_a_link_for_whom_it_says(store_url: str) -> None:
    """Also for one who is no member: the app's own code may say so."""
    settings = Settings(redis=store_url, secret=SECRET, public_url="https://agents.example")
    told = Told()
    async with harness(app_with(told), url=store_url) as h:
        session = await h.start("support", message="Refund A-17")
        await told.wait("interrupt.opened")
        made = links_of(settings)
        assert made is not None
        opened = Notice(told.notices[0]._shown, None, made)
        url = opened.link("zoe", roles=["manager"], ttl="1 h")
        claims = Links(SECRET).read(url.removeprefix("https://agents.example/link/"))
        assert (claims.sub, claims.roles, claims.sessions) == ("zoe", ("manager",), (session.id,))
        await session.deny(await session.wait_interrupt(tool=refund))
        await told.wait("interrupt.opened", "interrupt.closed")
    with pytest.raises(Unusable, match="nothing open"):
        Notice(told.notices[1]._shown, None, made).link("zoe")


async def test_a_link_that_a_hook_made_is_in_the_trail(monkeypatch: pytest.MonkeyPatch, store_url: str) -> None:
    app, made = App(), list[str]()
    links = links_of(Settings(redis=store_url, secret=SECRET, public_url="https://agents.example"))
    telling = wiring.telling
    monkeypatch.setattr(wiring, "telling", lambda app, door: telling(app, door, links))

    @app.agent("support", tools=[refund])
    async def support(turn: Turn) -> str:
        return (await turn.call(refund, 200)).status

    @app.on_interrupt
    async def mail(notice: Notice) -> None:
        if notice.status == "open":
            made.append(notice.link("zoe", ttl="1 h"))
        else:
            made.append("closed")

    async with harness(app, url=store_url) as h:
        session = await h.start("support", message="Refund A-17")
        ask = await session.wait_interrupt(tool=refund)
        await wait_until(lambda: len(made) == 1, "it is mailed")
        await session.deny(ask)
        await wait_until(lambda: made[1:] == ["closed"], "that it is closed, too: the notice before is done with")
        wanted = Wanted(action="link.made")
        [entry] = (await auditing.page(h.backend, Principal("root", sessions=("*",), can=("admin",)), wanted)).entries
    assert (entry.by.kind, entry.by.id, entry.to, entry.via) == ("system", "hook mail", ("zoe",), "hook")
    assert entry.interrupt == ask.id


async def test_a_link_needs_a_secret_and_an_address(store_url: str) -> None:
    told = Told()
    async with harness(app_with(told), url=store_url) as h:
        await h.start("support", message="Refund A-17")
        await told.wait("interrupt.opened")
    with pytest.raises(Unusable, match="HOLDFAST_PUBLIC_URL"):
        told.notices[0].link("alice")


def test_what_is_no_hook_is_refused_when_it_is_registered() -> None:
    app = App()

    async def hook(notice: Notice) -> None: ...

    app.on_interrupt(hook)
    with pytest.raises(ValueError, match="twice"):
        app.on_interrupt(hook)
    with pytest.raises(ValueError, match="letters"):
        app.on_interrupt(name="a:b")(hook)

    def sync(notice: Notice) -> None: ...

    with pytest.raises(TypeError, match="async"):
        app.on_interrupt(sync)  # type: ignore[arg-type]
