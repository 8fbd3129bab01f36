"""The native WebSocket, end to end: a real server, a real store, the `websockets` library as the device."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from tests.gateways.server import Peer, Running, running
from tests.waiting import wait_until
from websockets.exceptions import ConnectionClosed

from holdfast.commands import leaving
from holdfast.core.commit import Commit
from holdfast.core.events import ChunkWritten
from holdfast.core.identity import Principal
from holdfast.gateways.device import ConnectedDevice
from holdfast.protocol.limits import Limits
from holdfast.store.connection import Connection


async def start(peer: Peer, **more: object) -> str:
    ok = await peer.ask("start", agent="support", **more)
    assert ok["type"] == "ok", ok
    return ok["session"]


async def chunks(server: Running, session: str, texts: list[str]) -> None:
    events = [ChunkWritten("t", "m", {"type": "data-x", "data": text}) for text in texts]
    await server.backend.door.commit(Commit(session, "test", events=list(events)))


# ── the handshake ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_token_in_the_header_is_welcomed(server: Running) -> None:
    async with server.connect("alice") as socket:
        welcome = await Peer(socket).next()
        assert welcome["type"] == "welcome"
        assert welcome["principal"] == {
            "subject": "alice",
            "roles": [],
            "can": ["read", "send", "answer", "cancel"],
            "name": "Alice",
        }
        assert welcome["limits"] == Limits().told()
        assert abs(welcome["serverTime"] - time.time() * 1000) < 60_000
        assert welcome["connection"]


async def test_a_deputy_is_told_for_whom(server: Running) -> None:
    now_ms = await server.backend.directory.now_ms()
    fay = Principal("fay", ("finance",))
    await leaving.leave(server.backend, fay, now_ms + 60_000, "bob")
    await leaving.leave(server.backend, Principal("gus"), now_ms + 60_000, "alice")
    async with server.connect("bob") as socket:
        told = (await Peer(socket).next())["principal"]
        assert told["deputyFor"] == [{"subject": "fay", "roles": ["finance"], "until": now_ms + 60_000}]
    await leaving.come_back(server.backend, fay)
    async with server.connect("bob") as socket:
        assert "deputyFor" not in (await Peer(socket).next())["principal"]


async def test_a_token_as_a_second_subprotocol_is_welcomed(server: Running) -> None:
    async with server.connect(None, subprotocols=["holdfast.v1", "bob"]) as socket:
        assert socket.subprotocol == "holdfast.v1"
        assert (await Peer(socket).next())["principal"]["subject"] == "bob"


async def test_a_token_in_a_hello_is_welcomed(server: Running) -> None:
    async with server.connect(None, subprotocols=["holdfast.v1"]) as socket:
        peer = Peer(socket)
        await peer.say("hello", token="carol", device="phone")
        assert (await peer.next())["principal"]["subject"] == "carol"
        session = await start(peer)
        await peer.ask("attach", session=session)
        shown = (await peer.read("presence"))["devices"]
        assert [(each["subject"], each["device"]) for each in shown] == [("carol", "phone")]


@pytest.mark.parametrize(
    ("token", "code", "word"),
    [("bad", 4500, "unauthenticated"), ("expired", 4001, "token_expired"), ("later", 3013, "unavailable")],
)
async def test_who_is_not_let_in_is_told_why(server: Running, token: str, code: int, word: str) -> None:
    async with server.connect(token) as socket:
        peer = Peer(socket)
        assert (await peer.closed())[0] == code
        assert [frame["code"] for frame in peer.seen] == [word]
    async with server.connect(None) as socket:
        peer = Peer(socket)
        await peer.say("hello", token=token)
        assert (await peer.closed())[0] == code


async def test_a_command_before_the_hello_is_refused_for_good(server: Running) -> None:
    async with server.connect(None) as socket:
        peer = Peer(socket)
        await peer.say("attach", ref="a", session="s")
        assert (await peer.closed())[0] == 4500


async def test_who_says_no_hello_is_closed(store_url: str, connection: Connection, raw: bool) -> None:
    async with (
        running(store_url, connection, raw=raw, limits=Limits(hello_ms=30)) as server,
        server.connect(None) as socket,
    ):
        assert (await Peer(socket).closed())[0] == 4008


async def test_an_expired_token_closes_so_that_the_device_comes_back(server: Running) -> None:
    server.tokens.expires_at_ms = int(time.time() * 1000) + 100
    async with server.device() as peer:
        assert (await peer.closed())[0] == 4001
        assert peer.seen[-1]["code"] == "token_expired"


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("http://127.0.0.1:PORT", True),
        ("https://app.example", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://127.0.0.1.evil.example", False),
    ],
)
async def test_only_pages_of_the_same_host_or_listed_ones_may_connect(
    store_url: str, connection: Connection, origin: str | None, welcome: bool
) -> None:
    async with running(store_url, connection, origins=("https://app.example",)) as server:
        given = origin and origin.replace("PORT", str(server.port))
        async with server.connect(origin=given) as socket:
            if welcome:
                assert (await Peer(socket).next())["type"] == "welcome"
            else:
                assert (await Peer(socket).closed())[0] == 4503


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_conversation_on_two_devices(server: Running) -> None:
    async with server.device() as phone, server.device() as laptop:
        session = await start(phone, message="hello")
        for peer in (phone, laptop):
            attached = await peer.ask("attach", session=session)
            assert (attached["type"], attached["mode"]) == ("attached", "snapshot")
        ok = await laptop.ask("send", session=session, message="and more")
        assert ok["type"] == "ok"
        event = await phone.read("event")
        assert event["seq"] == attached["seq"] + 1
        assert event["event"]["message"]["parts"] == [{"type": "text", "text": "and more"}]


async def test_repeating_a_ref_repeats_the_answer(server: Running) -> None:
    async with server.device() as peer:
        session = await start(peer, ref="begin")
        assert await start(peer, ref="begin") == session
        first = await peer.ask("send", ref="x", session=session, message="hi")
        assert await peer.ask("send", ref="x", session=session, message="hi") == first
        other = await peer.ask("send", ref="x", session=session, message="ho")
        assert other["code"] == "ref_reused"


async def test_sends_on_one_connection_keep_their_order_and_pings_do_not_wait(server: Running) -> None:
    async with server.device() as peer:
        await peer.say("start", ref="begin", agent="support", id="mine")
        await peer.say("attach", ref="at", session="mine")
        for number in range(40):
            await peer.say("send", ref=f"n{number}", session="mine", message=str(number))
        await peer.read("attached")
        texts: list[str] = []
        while len(texts) < 40:
            event = (await peer.read("event"))["event"]
            if event["type"] == "message":
                texts.append(event["message"]["parts"][0]["text"])
        assert texts == [str(number) for number in range(40)]


async def test_a_slow_session_holds_up_neither_another_nor_a_ping(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    read = server.backend.door.read

    async def slow_for_one(session: str, **more: object) -> object:
        if session == "slow":
            await go_on.wait()
        return await read(session, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(server.backend.door, "read", slow_for_one)
    async with server.device() as peer:
        await peer.say("cancel", ref="c1", session="slow")
        await peer.say("cancel", ref="c2", session="slow")
        assert (await peer.ask("start", agent="support"))["type"] == "ok"
        await peer.say("ping")
        await peer.read("pong")
        go_on.set()
        refs = [(await peer.read("error"))["ref"] for _ in range(2)]
        assert refs == ["c1", "c2"]


async def test_too_many_commands_wait_and_none_is_lost(store_url: str, connection: Connection, raw: bool) -> None:
    limits = Limits(pending_max=4)
    async with running(store_url, connection, raw=raw, limits=limits) as server, server.device() as peer:
        session = await start(peer)
        for number in range(45):
            await peer.say("cancel", ref=f"n{number}", session=session)
        refs = [(await peer.next())["ref"] for _ in range(45)]
        assert refs == [f"n{number}" for number in range(45)]


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("attach", {"session": "unknown"}, "not_found"),
        ("attach", {"session": "not.an.id"}, "bad_request"),
        ("attach", {"session": "FOREIGN"}, "not_found"),
        ("attach", {"session": "MINE", "since": {"epoch": "x", "seq": -1}}, "bad_request"),
        ("attach", {"session": "MINE", "since": "yesterday"}, "bad_request"),
        ("history", {"session": "FOREIGN", "before": 9}, "not_found"),
        ("send", {"session": "FOREIGN", "message": "hi"}, "not_found"),
        ("send", {"session": "MINE", "message": 5}, "bad_input"),
        ("cancel", {"session": "unknown"}, "not_found"),
        ("answer", {"session": "MINE", "interrupt": "i_x.y", "status": "resolved"}, "not_found"),
        ("start", {"agent": "nobody"}, "unknown_agent"),
        ("claim", {"session": "MINE", "interrupt": "i_x.y"}, "not_found"),
        ("feedback", {"session": "MINE", "target": {}}, "bad_input"),
        ("answer_many", {}, "bad_request"),
        ("withdraw", {"session": "MINE", "interrupt": "i_x.y"}, "not_found"),
        ("dance", {}, "unknown_frame"),
    ],
)
async def test_what_cannot_be_done_is_an_error_and_the_connection_stays(
    store_url: str, connection: Connection, kind: str, fields: dict[str, object], code: str
) -> None:
    async with running(store_url, connection) as server, server.device() as peer, server.device("bob") as bob:
        await start(peer, id="MINE")
        await start(bob, id="FOREIGN")
        error = await peer.ask(kind, **fields)
        assert (error["type"], error["code"]) == ("error", code)
        assert error["retry"] is False
        await peer.say("ping")
        assert (await peer.next())["type"] == "pong"


async def test_what_fails_here_is_an_error_too(
    server: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server.hub, "history", fails)
    async with server.device() as peer:
        error = await peer.ask("history", session="s", before=3)
        assert (error["type"], error["code"]) == ("error", "error")
        assert "ZeroDivisionError" in caplog.text
        assert await start(peer)


async def test_history_is_a_page(server: Running) -> None:
    async with server.device() as peer:
        session = await start(peer, message="hello")
        page = await peer.ask("history", session=session, before=100)
        assert (page["type"], page["from"], page["more"]) == ("page", 1, False)
        assert page["events"][0]["event"]["message"]["parts"][0]["text"] == "hello"


async def test_detach_is_the_end_of_events(server: Running) -> None:
    async with server.device() as peer, server.device() as other:
        session = await start(peer)
        await peer.ask("attach", session=session)
        assert (await peer.ask("detach", session=session))["type"] == "ok"
        await other.ask("attach", session=session)
        await other.ask("send", session=session, message="hi")
        await peer.say("ping")
        seen = len(peer.seen)
        await peer.read("pong")
        assert not any(frame["type"] == "event" for frame in peer.seen[seen:])


async def test_a_device_that_was_away_gets_what_it_missed(server: Running) -> None:
    async with server.device() as peer:
        session = await start(peer)
        attached = await peer.ask("attach", session=session)
    since = {"epoch": attached["epoch"], "seq": attached["seq"]}
    await chunks(server, session, [str(number) for number in range(500)])
    async with server.device() as peer:
        again = await peer.ask("attach", session=session, since=since)
        assert (again["mode"], again["seq"], again["head"]) == ("replay", 1, 501)
        seqs = [(await peer.read("event"))["seq"] for _ in range(500)]
        assert seqs == list(range(2, 502))
        gap = await peer.ask("attach", session=session, since={**since, "epoch": "0-x"}, ref="other")
        assert gap["mode"] == "snapshot"
        assert peer.seen[-2]["type"] == "gap"


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_frame_over_the_limit_closes_with_1009(server: Running) -> None:
    async with server.device() as peer:
        await peer.say("send", ref="x", session="s", message="x" * (256 * 1024))
        assert (await peer.closed())[0] == 1009


async def test_too_many_bad_frames_close_for_good(server: Running) -> None:
    async with server.device() as peer:
        for _ in range(25):
            with contextlib.suppress(ConnectionClosed):
                await peer.socket.send("bad")
        assert (await peer.closed())[0] == 3500
        assert sum(frame["type"] == "error" for frame in peer.seen) == 21


async def test_sessions_of_one_connection_are_limited(store_url: str, connection: Connection) -> None:
    limits = Limits(sessions_max=2)
    async with running(store_url, connection, limits=limits) as server, server.device() as peer:
        names = [await start(peer, ref=f"r{number}") for number in range(3)]
        for name in names[:2]:
            assert (await peer.ask("attach", session=name))["type"] == "attached"
        assert (await peer.ask("attach", session=names[2]))["code"] == "limit_reached"
        await peer.ask("detach", session=names[0])
        assert (await peer.ask("attach", session="unknown"))["code"] == "not_found"
        assert (await peer.ask("attach", session=names[2]))["type"] == "attached"


async def test_a_device_that_does_not_read_is_closed_and_others_go_on(server: Running) -> None:
    async with server.device() as quick, server.connect(max_queue=1) as socket:
        session = await start(quick)
        slow = Peer(socket)
        for peer in (quick, slow):
            assert (await peer.ask("attach", session=session))["type"] == "attached"
        socket.transport.pause_reading()
        rounds = 0
        while any(device.subscriber.closed is False for device in others(server, quick)):
            rounds += 1
            assert rounds < 300, "it is never closed"
            await chunks(server, session, ["x" * 100_000])
            assert (await quick.read("event"))["seq"] == 1 + rounds
        socket.transport.resume_reading()
        assert (await slow.closed())[0] == 3008
        await chunks(server, session, ["still there"])
        assert (await quick.read("event"))["event"]["chunk"]["data"] == "still there"


def others(server: Running, peer: Peer) -> list[ConnectedDevice]:
    mine = peer.seen[0]["connection"]
    devices = [device for device in server.drain.connections if isinstance(device, ConnectedDevice)]
    return [device for device in devices if device.connection != mine]


async def test_no_pong_closes(store_url: str, connection: Connection) -> None:
    limits = Limits(ping_ms=30, pong_ms=30, close_ms=50)
    async with running(store_url, connection, limits=limits) as server, server.device() as peer:
        peer.socket.protocol.recv_frame = lambda *_: None  # type: ignore[method-assign]
        await wait_until(lambda: len(server.drain) == 0, "the device is given up")


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_drain_tells_all_and_closes_them_spread(store_url: str, connection: Connection, raw: bool) -> None:
    async with (
        running(store_url, connection, raw=raw, window_ms=300) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        sockets = [await stack.enter_async_context(server.connect()) for _ in range(20)]
        peers = [Peer(socket) for socket in sockets]
        for peer in peers:
            await peer.read("welcome")
        begun = time.monotonic()
        ends: list[float] = []

        async def until_closed(peer: Peer) -> tuple[int, str]:
            end = await peer.closed()
            ends.append((time.monotonic() - begun) * 1000)
            return end

        server.server.should_exit = True
        codes = await asyncio.gather(*(until_closed(peer) for peer in peers))
        assert {code for code, _ in codes} == {3001}
        told = [peer.seen[-1]["reconnect_after_ms"] for peer in peers]
        assert all(peer.seen[-1]["type"] == "closing" for peer in peers)
        assert len(set(told)) > 10
        assert max(told) <= 300
        assert max(told) - min(told) > 150
        assert max(ends) - min(ends) > 150


async def test_who_comes_while_the_server_goes_away_is_sent_on(server: Running) -> None:
    server.drain.draining = True
    async with server.connect() as socket:
        peer = Peer(socket)
        assert (await peer.closed())[0] == 3001
        assert peer.seen[0]["type"] == "closing"


async def test_what_was_received_is_done_though_the_device_is_gone(server: Running) -> None:
    async with server.device() as peer:
        session = await start(peer)
        await peer.say("send", ref="x", session=session, message="hi")
    read = server.backend.door.read

    async def arrived() -> bool:
        return (await read(session)).head > 1

    await wait_until(arrived, "the message is there")


async def test_nothing_is_left_of_a_device_that_is_gone(server: Running) -> None:
    async with server.device() as peer:
        session = await start(peer)
        await peer.ask("attach", session=session)
    await wait_until(lambda: len(server.drain) == 0, "the device is gone")
    assert server.hub.feeds[session].live == frozenset()
