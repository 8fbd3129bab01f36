"""The device in Python comes in, and goes: tokens that are refused or expire, a server that is not there, a drain."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.scripted_server import Peer, scripted
from tests.client.told import connect
from tests.waiting import wait_until

from holdfast import client
from holdfast.client.reconnecting import Waits
from holdfast.core.errors import (
    TokenExpired,
    Unauthenticated,
    Unavailable,
)


async def test_hello_carries_the_token_and_the_name_of_the_device() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server, connect(server, device="Bob’s phone") as device:
        assert device.connection == "connected"
        assert device.welcome is not None
        assert device.welcome.connection == "c1"
    assert server.received == [{"type": "hello", "token": "t", "device": "Bob’s phone"}]
    assert device.connection == "closed"


async def test_a_refused_token_is_not_tried_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect("hello")
        await peer.say(
            {"type": "error", "code": "unauthenticated", "message": "The signature is wrong.", "retry": False}
        )
        await peer.close(4500, "No token, or one that cannot be trusted.")

    async with scripted(script) as server:
        with pytest.raises(Unauthenticated, match="The signature is wrong"):
            async with connect(server):
                pass
        assert server.connections == 1


async def test_an_expired_token_is_replaced_where_there_is_a_fresh_one() -> None:
    tokens = iter(["old", "new"])

    async def script(peer: Peer) -> None:
        if (await peer.expect("hello"))["token"] == "old":
            await peer.close(4001, "The token has expired")
            return
        await peer.say({"type": "welcome", "connection": "c", "principal": {}, "limits": {}, "serverTime": 0})
        await peer.until_gone()

    async with scripted(script) as server, connect(server, token=lambda: next(tokens)) as device:
        assert device.connection == "connected"
        assert [hello["token"] for hello in server.received] == ["old", "new"]


async def test_an_expired_token_that_is_all_there_is_ends_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect("hello")
        await peer.close(4001, "The token has expired")

    async with scripted(script) as server:
        with pytest.raises(TokenExpired):
            async with connect(server):
                pass


async def test_nobody_at_home_is_said_in_time_and_with_the_reason() -> None:
    with pytest.raises(Unavailable, match=r"No server let us in at http://127.0.0.1:1"):
        async with client.connect("http://127.0.0.1:1", token="t", open_timeout_s=0.1):
            pass


async def test_a_token_that_cannot_be_had_now_is_asked_for_again() -> None:
    calls = 0

    async def token() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("the issuer is away")
        return "t"

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server, connect(server, token=token):
        assert calls == 2


async def test_closing_fails_what_was_asked_and_leaves_no_task() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until_gone()

    async with scripted(script) as server:
        before = asyncio.all_tasks()
        async with connect(server) as device:
            asked = asyncio.create_task(device.session("s").send("hello"))
            await wait_until(lambda: bool(device._pending.all()), "the command was sent")
        with pytest.raises(Unavailable, match="closed"):
            await asked
        with pytest.raises(Unavailable, match="closed"):
            await device.session("s").send("again")
        ours = {task for task in asyncio.all_tasks() - before if task.get_name().startswith("holdfast")}
        assert ours == set()


async def test_a_drain_says_when_to_come_back() -> None:
    waits = Waits(30.0, 30.0, dice=lambda _low, high: high)

    async def script(peer: Peer) -> None:
        await peer.greet()
        if peer.number == 1:
            await peer.say({"type": "closing", "reconnect_after_ms": 5})
            await peer.close(3001, "The server shuts down")
            return
        await peer.until_gone()

    async with scripted(script) as server, connect(server, waits=waits) as device:
        await wait_until(lambda: server.connections == 2, "the device came back when it was told to")
        await wait_until(lambda: device.connection == "connected", "it is connected again")
