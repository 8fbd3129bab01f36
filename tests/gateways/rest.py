"""A server as `wiring` makes it, on the real store, and clients that speak HTTP to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from tests.commands.scene import Scene

from holdfast import wiring
from holdfast.core.identity import Right
from holdfast.core.manifests import AgentManifest
from holdfast.gateways.minting import mint_token
from holdfast.settings import Settings
from holdfast.store.opening import open_store

SECRET = "a secret of more than thirty-two bytes"


class Web:
    """The server, and a client for each person."""

    def __init__(self, server: wiring.Server) -> None:
        self.server = server
        self.backend = server.backend
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=server.application), base_url="http://test"
        )

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: str | None = "alice", **more: Any
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token(by)}"} if by else {}
        headers |= more.pop("headers", {})
        given = {"json": body} if body is not None else {}
        return await self._client.request(method, path, headers=headers, **given, **more)

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        return await self.ask("POST", path, body, **more)

    async def scene(self) -> Scene:
        """A session of Alice's with a running turn."""
        return await Scene.begin(self.backend)


def token(sub: str, *, can: tuple[Right, ...] = ("read", "send", "answer", "cancel"), **more: Any) -> str:
    return mint_token(sub, can=can, secret=SECRET, **more)


@asynccontextmanager
async def web(url: str, **settings: Any) -> AsyncGenerator[Web]:
    chosen = Settings(redis=url, secret=SECRET, **settings)
    async with open_store(url, name="test") as store, wiring.serving(chosen, store) as server:
        await store.manifests.register(AgentManifest("support", "1"))
        yield Web(server)
