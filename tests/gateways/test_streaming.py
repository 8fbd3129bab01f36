"""Events over SSE: what was missed, what happens, and where to go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest
import uvicorn
from tests.commands.scene import ALICE
from tests.gateways.rest import Web, token, web
from tests.gateways.server import Quiet
from tests.waiting import wait_until

from holdfast.commands import deleting, membership, sending
from holdfast.hub.hub import Hub
from holdfast.hub.subscriber import Subscriber
from holdfast.protocol.close_codes import SHUTDOWN
from holdfast.protocol.frames import Send


class Live:
    """A server that listens, and readers of its streams."""

    def __init__(self, served: Web, server: Quiet) -> None:
        self.web = served
        self.server = server

    @asynccontextmanager
    async def reading(self, path: str, *, by: str = "alice", **headers: str) -> AsyncGenerator[Reader]:
        port = self.server.servers[0].sockets[0].getsockname()[1]
        given = {"Accept": "text/event-stream", "Authorization": f"Bearer {token(by)}", **headers}
        async with (
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
            client.stream("GET", path, headers=given) as response,
        ):
            yield Reader(response)


class Reader:
    """What comes, one event after the other."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines: AsyncIterator[str] = response.aiter_lines()

    async def next(self, kind: str) -> dict[str, Any]:
        """The next event of this type: its id, and its data."""
        event: dict[str, Any] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if line:
                event[name] = value
            elif event.get("event") == kind:
                return {"id": event.get("id"), **msgspec.json.decode(event["data"])}
            else:
                event = {}
        raise EOFError(kind)

    async def until(self, seq: int) -> list[int]:
        """The positions that come, up to this one."""
        seen = [0]
        while seen[-1] < seq:
            seen.append((await self.next("event"))["seq"])
        return seen[1:]

    async def ended(self) -> None:
        async for _ in self._lines:
            pass


@pytest.fixture
async def live(store_url: str) -> AsyncGenerator[Live]:
    async with web(store_url) as served:
        config = uvicorn.Config(
            served.server.application, host="127.0.0.1", port=0, log_level="warning", lifespan="off"
        )
        server = Quiet(config, served.server.drain)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve())
            await wait_until(lambda: server.started or serving.done(), "the server has started")
            try:
                yield Live(served, server)
            finally:
                server.should_exit = True


async def test_what_was_missed_and_then_what_happens(live: Live) -> None:
    scene = await live.web.scene()
    async with live.reading(f"/v1/sessions/{scene.session}/events?since=0") as reader:
        assert reader.response.headers["content-type"].startswith("text/event-stream")
        head = (await scene.backend.door.read(scene.session)).head
        assert await reader.until(head) == list(range(1, head + 1))
        await sending.send(scene.backend, ALICE, Send("s1", scene.session, "live"), "test")
        event = await reader.next("event")
        epoch = (await scene.backend.door.read(scene.session)).epoch
        assert (event["seq"], event["id"]) == (head + 1, f"{epoch}:{head + 1}")
        assert event["event"]["message"]["parts"][0]["text"] == "live"


async def test_a_reader_that_comes_back_goes_on_where_it_was(live: Live) -> None:
    scene = await live.web.scene()
    path = f"/v1/sessions/{scene.session}/events?since=0"
    async with live.reading(path) as reader:
        last = (await reader.next("event"))["id"]
    async with live.reading(path, **{"Last-Event-ID": last}) as reader:
        assert await reader.until(3) == [2, 3]


async def test_a_position_of_another_epoch_is_a_gap_and_a_snapshot(live: Live) -> None:
    scene = await live.web.scene()
    async with live.reading(f"/v1/sessions/{scene.session}/events?since=other:2") as reader:
        assert (await reader.next("gap"))["requested"] == {"epoch": "other", "seq": 2}
        assert (await reader.next("attached"))["mode"] == "snapshot"


async def test_a_refusal_comes_before_the_stream(live: Live) -> None:
    scene = await live.web.scene()
    async with live.reading(f"/v1/sessions/{scene.session}/events", by="mallory") as reader:
        assert reader.response.status_code == 404
        assert reader.response.headers["content-type"] == "application/problem+json"


async def test_who_is_taken_out_hears_no_more(live: Live) -> None:
    scene = await live.web.scene()
    await membership.put_member(scene.backend, ALICE, scene.session, "bob", "m1")
    async with live.reading(f"/v1/sessions/{scene.session}/events?since=0", by="bob") as reader:
        await reader.until((await scene.backend.door.read(scene.session)).head)
        await membership.remove_member(scene.backend, ALICE, scene.session, "bob", "m2")
        assert (await reader.next("error"))["code"] == "not_found"
        await reader.ended()


async def test_a_deleted_session_says_so(live: Live) -> None:
    scene = await live.web.scene()
    async with live.reading(f"/v1/sessions/{scene.session}/events?since=0") as reader:
        await reader.until((await scene.backend.door.read(scene.session)).head)
        await deleting.delete(scene.backend, ALICE, scene.session, "d1", "test")
        assert (await reader.next("event"))["event"]["type"] == "session.deleted"


async def test_a_drain_tells_readers_when_to_come_back_and_ends_them(live: Live) -> None:
    scene = await live.web.scene()
    async with live.reading(f"/v1/sessions/{scene.session}/events?since=0") as reader:
        await reader.until((await scene.backend.door.read(scene.session)).head)
        assert len(live.web.server.drain) == 1
        live.server.should_exit = True
        live.web.server.drain.hurry()
        assert (await reader.next("closing"))["code"] == SHUTDOWN.code
        await reader.ended()


@pytest.mark.parametrize("wire", ["events", "copilotkit", "ai"])
async def test_who_hangs_up_before_the_first_event_is_let_go(
    store_url: str, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seated: list[tuple[Hub, Subscriber]] = []
    attach = Hub.attach

    async def recorded(hub: Hub, subscriber: Subscriber, *given: Any, **more: Any) -> None:
        await attach(hub, subscriber, *given, **more)
        seated.append((hub, subscriber))

    monkeypatch.setattr(Hub, "attach", recorded)
    async with web(store_url) as served:
        session = (await served.scene()).session
        run = {"threadId": session, "runId": "r1", "messages": [], "state": {}, "tools": [], "context": []}
        method, path, body = {
            "events": ("GET", f"/v1/sessions/{session}/events", None),
            "copilotkit": ("POST", "/copilotkit/agent/support/connect", {**run, "forwardedProps": {}}),
            "ai": ("GET", f"/ai/chat/support/{session}/stream", None),
        }[wire]
        await hung_up(served, method, path, b"" if body is None else msgspec.json.encode(body))
        [(hub, subscriber)] = seated
        assert not hub.attached(subscriber, session)


async def hung_up(served: Web, method: str, path: str, body: bytes) -> None:
    """Ask, and be gone when the answer comes, where a middleware of the host lets others run as it sends."""
    headers = [
        (b"authorization", f"Bearer {token('alice')}".encode()),
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream"),
        (b"x-ai-sdk-version", b"7"),
    ]
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1"}
    scope |= {"method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    said = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return said.pop() if said else {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        await asyncio.sleep(0)

    await served.server.application({**scope, "scheme": "http", "server": ("test", 80)}, receive, send)
