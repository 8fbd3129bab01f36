"""The AI SDK's WebSocket at its edges: frames that are none, requests of others, too many of them, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from tests.gateways.rest import token
from tests.gateways.test_streaming import Live, live
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from holdfast.gateways.ai_sdk.over_websocket import REQUESTS_MAX
from holdfast.protocol import close_codes

__all__ = ["live"]


def bearer(subject: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(subject)}"}


def asks(request: str, chat: str, *, by: str | None = "alice", **more: Any) -> str:
    """A person says something in a chat."""
    message = {"id": f"m-{request}", "role": "user", "parts": [{"type": "text", "text": "Refund A-17"}]}
    frame = {"type": "send", "requestId": request, "id": chat, "messages": [message]}
    return json.dumps({**frame, "headers": bearer(by) if by else {}, **more})


def abort(request: str) -> str:
    return json.dumps({"type": "abort", "requestId": request})


async def told(connection: ClientConnection, request: str, kind: str) -> dict[str, Any]:
    """The next frame of this kind for this request; nothing but chunks may come before it."""
    async with asyncio.timeout(10):
        while True:
            frame = json.loads(await connection.recv())
            if frame["requestId"] == request and frame["type"] != "chunk":
                assert frame["type"] == kind, frame
                return frame


async def ended(connection: ClientConnection) -> int | None:
    """With which code it is closed."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            while True:
                await connection.recv()
    return connection.close_code


@asynccontextmanager
async def opened(live: Live, **more: Any) -> AsyncGenerator[ClientConnection]:
    port = live.server.servers[0].sockets[0].getsockname()[1]
    async with connect(f"ws://127.0.0.1:{port}/ai/chat/support", compression=None, proxy=None, **more) as connection:
        yield connection


async def cancel(live: Live, chat: str) -> None:
    [turn] = (await live.web.get("/v1/turns?status=active")).json()["turns"]
    assert turn["session"] == chat
    assert (await live.web.post(f"/v1/sessions/{chat}/turns/{turn['id']}/cancel", {})).status_code == 200


NO_FRAMES = [
    "",
    "hello",
    "[]",
    "{}",
    '{"type":"send"}',
    '{"type":"steal","requestId":"r"}',
    '{"type":"abort","requestId":7}',
    "[" * 50_000,
    b"\xff\xfe",
]


@pytest.mark.parametrize("frame", NO_FRAMES, ids=range(len(NO_FRAMES)))
async def test_a_frame_that_is_none_ends_it(live: Live, frame: str | bytes) -> None:
    async with opened(live) as connection:
        await connection.send(frame)
        assert await ended(connection) == close_codes.BAD_FRAMES.code


async def test_each_request_says_who_asks(live: Live) -> None:
    async with opened(live) as connection:
        await connection.send(asks("r1", "c1", by=None))
        assert "token" in (await told(connection, "r1", "error"))["errorText"].lower()
        await connection.send(asks("r2", "c1", headers={"authorization": "Bearer forged"}))
        await told(connection, "r2", "error")
        await connection.send(asks("r3", "c1"))
        await told(connection, "r3", "start")
        assert [one["session"]["id"] for one in (await live.web.get("/v1/sessions")).json()["sessions"]] == ["c1"]


async def test_what_is_refused_is_told_and_ends_nothing_else(live: Live) -> None:
    async with opened(live) as connection:
        await connection.send(asks("r1", "c1"))
        await told(connection, "r1", "start")
        resume = {"type": "resume", "requestId": "r2", "id": "c1", "headers": bearer("mallory")}
        await connection.send(json.dumps(resume))
        await told(connection, "r2", "no-active")  # as if there were no such session
        for request, body in (("r3", {"messages": []}), ("r4", {"id": "no such id"}), ("r5", {"messages": [7]})):
            await connection.send(asks(request, "c1", **body))
            await told(connection, request, "error")
        await cancel(live, "c1")
        await told(connection, "r1", "end")


async def test_nobody_stops_the_stream_of_another(live: Live) -> None:
    async with opened(live) as alice, opened(live) as mallory:
        await alice.send(asks("r1", "c1"))
        await told(alice, "r1", "start")
        await mallory.send(abort("r1"))
        await mallory.send(asks("r1", "c2", by="mallory"))
        await told(mallory, "r1", "start")  # her own of that name, after what she has tried
        await cancel(live, "c1")
        await told(alice, "r1", "end")


async def test_an_abort_stops_the_stream_and_not_the_turn(live: Live) -> None:
    async with opened(live) as connection:
        await connection.send(asks("r1", "c1"))
        await told(connection, "r1", "start")
        await connection.send(abort("r1"))
        await connection.send(abort("r1"))  # nor does one too many do anything
        await connection.send(json.dumps({"type": "resume", "requestId": "r2", "id": "c1", "headers": bearer("alice")}))
        await told(connection, "r2", "start")
        await cancel(live, "c1")  # it was there to be cancelled
        async with asyncio.timeout(10):
            while (frame := json.loads(await connection.recv()))["type"] != "end":
                assert frame["requestId"] == "r2"
        assert frame["requestId"] == "r2"


async def test_a_request_is_asked_once_and_not_too_many_at_once(live: Live) -> None:
    async with opened(live) as connection:
        await connection.send(asks("r0", "c1"))
        await told(connection, "r0", "start")
        await connection.send(asks("r0", "c1"))
        assert "under way" in (await told(connection, "r0", "error"))["errorText"]
        for number in range(1, REQUESTS_MAX + 1):
            resume = {"type": "resume", "requestId": f"r{number}", "id": "c1", "headers": bearer("alice")}
            await connection.send(json.dumps(resume))
        refused = await told(connection, f"r{REQUESTS_MAX}", "error")
        assert f"at most {REQUESTS_MAX}" in refused["errorText"]
        await connection.send(abort("r1"))
        await connection.send(asks("again", "c2"))
        await told(connection, "again", "start")


async def test_pages_of_others_are_shut_out(live: Live) -> None:
    async with opened(live, additional_headers={"Origin": "https://evil.example"}) as connection:
        assert await ended(connection) == close_codes.FORBIDDEN_ORIGIN.code


async def test_a_server_that_goes_away_says_so(live: Live) -> None:
    async with opened(live) as connection:
        await connection.send(asks("r1", "c1"))
        await told(connection, "r1", "start")
        live.server.should_exit = True
        assert await ended(connection) == close_codes.SHUTDOWN.code
