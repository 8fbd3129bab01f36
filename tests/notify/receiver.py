"""A real HTTP server that takes webhooks: it answers as it is told to, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from tests.waiting import wait_until

KEY = "whsec_" + "c2VjcmV0IG9mIG1vcmUgdGhhbiB0aGlydHktdHdvIGJ5dGVz"


class Request:
    """One request, as it came."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body
        self.json: dict[str, Any] = json.loads(body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def kind(self) -> str:
        return self.json["type"]

    @property
    def about(self) -> str:
        return self.json["data"]["interrupt"]["id"]


class Receiver:
    """The target of webhooks. `status` is what it answers; None: nothing, for as long as it is so."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.status: int | None = 204
        self.headers: dict[str, str] = {}
        #: Requests that were begun and not answered yet.
        self.held = 0
        self._changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Receiver]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self.answer_with(204)

    async def answer_with(self, status: int | None) -> None:
        async with self._changed:
            self.status = status
            self._changed.notify_all()

    async def wait_requests(self, count: int) -> list[Request]:
        await wait_until(lambda: len(self.requests) >= count, f"{count} requests; there are {self.kinds()}")
        return self.requests

    def kinds(self) -> list[str]:
        return [request.kind for request in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                self.held += 1
                async with self._changed:
                    await self._changed.wait_for(lambda: self.status is not None)
                self.held -= 1
                extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                writer.write(f"HTTP/1.1 {self.status} Said\r\ncontent-length: 0\r\n{extra}\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    first = await reader.readline()
    if not first:
        return None
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(first.decode().split(" ")[1], headers, body)
