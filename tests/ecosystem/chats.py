"""Chats of the AI SDK, as it is published: each in a process of its own, against real servers and workers."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.acceptance.cluster import PATIENCE_S, Cluster

CHAT = Path(__file__).with_name("chat.mjs")
SHOWN_MAX = 16 * 1024 * 1024  # bytes of one line: all that a chat shows


class Chat:
    """A chat of one person's, and what it shows."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())
        self.shown: dict[str, Any] = {"status": "ready", "messages": []}

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self.shown = json.loads(line)
                self._news.notify_all()

    async def do(self, deed: str, **options: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps([deed, options])}\n".encode())
        await self._process.stdin.drain()

    async def until(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """What it shows, once it is wanted."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                await self._news.wait_for(lambda: wanted(self.shown))
        except TimeoutError:
            raise AssertionError(f"waited in vain until {what}; it shows {json.dumps(self.shown)[-3000:]}") from None
        return self.shown

    async def ready(self, state: str | None = None) -> dict[str, Any]:
        """Idle; and, where a state is given, its last call in that state."""

        def wanted(shown: dict[str, Any]) -> bool:
            last = [part["state"] for part in tools(shown)][-1:]
            return shown["status"] == "ready" and (state is None or last == [state])

        return await self.until(wanted, f"it is ready, and its call {state}")

    async def close(self) -> None:
        self._process.kill()
        await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


async def opened(script: Path, given: dict[str, Any]) -> Chat:
    """A client of somebody else's in a process of its own: told what to do, and telling what it shows."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", str(script), json.dumps(given), stdin=pipe, stdout=pipe, limit=SHOWN_MAX
    )
    return Chat(process)


class Chats:
    """Chats of one scenario, all in one session unless another is named."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.session = f"chat{secrets.token_hex(6)}"
        self.open: list[Chat] = []

    async def chat(self, agent: str, subject: str = "alice", *, server: int = 0, **more: Any) -> Chat:
        url = f"http://127.0.0.1:{self.cluster.ports[server]}/ai/chat/{agent}"
        sessions = more.pop("sessions", ["*"])
        given = {"url": url, "token": self.cluster.token(subject, sessions=sessions), "id": self.session, **more}
        self.open.append(await opened(CHAT, given))
        return self.open[-1]

    async def close(self) -> None:
        await asyncio.gather(*(chat.close() for chat in self.open))


@asynccontextmanager
async def chats(cluster: Cluster) -> AsyncIterator[Chats]:
    found = Chats(cluster)
    try:
        yield found
    finally:
        await found.close()


def tools(shown: dict[str, Any]) -> list[dict[str, Any]]:
    """All parts that are calls."""
    parts = [part for message in shown["messages"] for part in message["parts"]]
    return [part for part in parts if "toolCallId" in part]


def text(shown: dict[str, Any]) -> str:
    """What the agent said."""
    parts = [part for message in shown["messages"] if message["role"] == "assistant" for part in message["parts"]]
    return "".join(part["text"] for part in parts if part["type"] == "text")
