"""A device that follows a session: losses, gaps, repeats, a reader that is too slow."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.scripted_server import Peer, scripted
from tests.client.told import SNAPSHOT, attached, connect, progress, take
from tests.waiting import wait_until

from holdfast.client import Position, Renewed, Seen
from holdfast.core.errors import (
    NotFound,
)


async def test_a_snapshot_and_then_what_happens() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        assert "since" not in attach
        assert attach["limit"] == 20
        await peer.say(attached(attach, 7))
        await peer.event(8, {"type": "turn.started", "turn": "t_1.s", "agent": "a"})
        await peer.event(9, {"type": "of.a.later.version", "what": 1})
        await peer.event(10, progress(3))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach(limit=20)
        seen = await take(events, 4)
        assert seen[0] == Renewed(7)
        assert [each.seq for each in seen[1:]] == [8, 9, 10]
        assert bytes(seen[2].raw) == b'{"type":"of.a.later.version","what":1}'
        assert session.position == Position("e1", 10)
        assert session.state.turns["t_1.s"].progress == 3


async def test_after_a_loss_it_goes_on_from_where_it_was() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        if peer.number == 1:
            await peer.say(attached(attach, 7))
            await peer.event(8, progress(8))
            await peer.close(3008, "slow")
            return
        assert attach["since"] == {"epoch": "e1", "seq": 8}
        await peer.say(attached(attach, 8, "replay", head=10))
        await peer.event(10, progress(10), from_=9)
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach()
        seen = await take(events, 3)
        assert [each.seq for each in seen] == [7, 8, 10]
        assert server.connections == 2


async def test_what_was_seen_is_passed_over_and_a_hole_is_attached_over() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(attached(await peer.expect("attach"), 7))
        await peer.event(8, progress(8))
        await peer.event(8, progress(8))
        await peer.event(7, progress(7))
        await peer.event(10, progress(10))  # 9 is missing
        await peer.event(11, progress(11))
        again = await peer.expect("attach")
        assert again["since"] == {"epoch": "e1", "seq": 8}
        await peer.say(attached(again, 8, "replay", head=11))
        for seq in (9, 10, 11):
            await peer.event(seq, progress(seq))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach()
        assert [each.seq for each in await take(events, 5)] == [7, 8, 9, 10, 11]
        assert [frame["type"] for frame in server.received] == ["hello", "attach", "attach"]


async def test_a_gap_is_told_and_the_state_is_that_of_the_snapshot() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        assert attach["since"] == {"epoch": "e0", "seq": 3}
        requested, earliest = {"epoch": "e0", "seq": 3}, {"epoch": "e1", "seq": 5}
        await peer.say({"type": "gap", "session": "s", "requested": requested, "earliest": earliest})
        await peer.say(attached(attach, 7))
        # A store that failed over under the device: told anew, under the attach that there was.
        await peer.say({"type": "gap", "session": "s", "requested": earliest, "earliest": requested})
        await peer.say(attached(attach, 2, epoch="e2"))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach(since=Position("e0", 3))
        assert await take(events, 2) == [Renewed(7, gap=True), Renewed(2, gap=True)]
        assert session.position == Position("e2", 2)


async def test_from_the_very_beginning() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        assert attach["since"] == {"epoch": "", "seq": 0}
        await peer.say(attached(attach, 0, "replay", head=1))
        await peer.event(1, progress(1))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        events = session.events()
        await session.attach(since=Position("", 0))
        assert (await anext(events)).seq == 1
        assert session.position == Position("e1", 1)


async def test_a_session_that_is_not_ours_raises_and_later_ends_its_feeds() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        attach = await peer.expect("attach")
        await peer.say({"type": "error", "ref": attach["ref"], "code": "not_found", "message": "No.", "retry": False})
        attach = await peer.expect("attach")
        await peer.say(attached(attach, 1))
        await peer.expect("cancel")
        error = {
            "type": "error",
            "code": "not_found",
            "message": "Removed.",
            "retry": False,
            "details": {"session": "s"},
        }
        await peer.say(error)
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        with pytest.raises(NotFound, match="No"):
            await session.attach()
        events = session.events()
        with pytest.raises(NotFound):
            await anext(events)
        await session.attach()
        cancelling = asyncio.create_task(session.cancel())
        with pytest.raises(NotFound, match="Removed"):
            await session.wait_finished()
        cancelling.cancel()
        assert device.connection == "connected"


async def test_waiting_without_being_attached_is_a_mistake_and_not_for_ever() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        with pytest.raises(RuntimeError, match="Attach"):
            await device.session("s").wait_interrupt()


async def test_a_reader_that_is_too_slow_holds_up_nobody_and_is_told() -> None:
    count = 2_500

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(attached(await peer.expect("attach"), 0))
        for seq in range(1, count + 1):
            await peer.event(seq, progress(seq))
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        slow = session.events()
        await session.attach()
        await wait_until(lambda: session.state.seq == count, "all events arrived")
        first = await anext(slow)
        assert isinstance(first, Renewed)
        assert first.seq > 1
        rest = [first.seq]
        while rest[-1] < count:
            news = await anext(slow)
            assert isinstance(news, Seen)
            assert news.seq == rest[-1] + 1
            rest.append(news.seq)


async def test_older_history_completes_the_state() -> None:
    message = {"id": "m_1", "role": "user", "parts": [{"type": "text", "text": "first"}]}

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(attached(await peer.expect("attach"), 9, snapshot=SNAPSHOT | {"more": True, "before": 6}))
        history = await peer.expect("history")
        assert history["before"] == 6
        events = [
            {"seq": 2, "at": 1, "event": {"type": "message", "message": message, "first": 2}},
            {"seq": 3, "at": 1, "event": {"type": "of.a.later.version"}},
        ]
        page = {"type": "page", "ref": history["ref"], "session": "s", "events": events}
        await peer.say(page | {"from": 1, "to": 5, "more": False})
        await peer.until_gone()

    async with scripted(script) as server, connect(server) as device:
        session = device.session("s")
        await session.attach()
        assert session.has_older
        assert not await session.history()
        assert [placed.message.text for placed in session.state.ordered] == ["first"]
