"""Real processes for acceptance tests: a store, servers and workers, as an operator runs them; devices on sockets.

Everything that is started here is ended here, and nothing else is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from holdfast.gateways.minting import mint_token
from holdfast.store.embedded import EmbeddedStore

SECRET = "a secret for tests, of more than 32 bytes"
AGENTS = Path(__file__).with_name("agents.py")
PATIENCE_S = 20.0  # for a condition, before a test fails


class Process:
    """One child process of this test: a `holdfast` command."""

    def __init__(self, name: str, *args: str, env: dict[str, str], log: Path) -> None:
        self.name = name
        self._args, self._env, self._log = args, env, log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as out:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "holdfast", *self._args], env=self._env, stdout=out, stderr=out
            )

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As kill -9 does."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    async def wait_exit(self) -> int:
        await wait_until(lambda: not self.alive, f"{self.name} has ended")
        assert self._child is not None
        return self._child.returncode

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def ask_to_end(self) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)

    def end(self) -> None:
        if self._child is None:
            return
        self.ask_to_end()
        try:
            self._child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.kill()


class Cluster:
    """One store, some servers, some workers."""

    def __init__(self, folder: Path, *, servers: int = 1, workers: int = 1, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._wanted = (servers, workers)
        self._env = env or {}
        self.effects = folder / "effects.log"
        self.effects.touch()
        self.servers: list[Process] = []
        self.ports: list[int] = []
        self.workers: list[Process] = []
        self.devices: list[Device] = []
        self._made = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.store = await self._stack.enter_async_context(EmbeddedStore(self.folder / "store"))
        for _ in range(self._wanted[1]):
            self.start_worker()
        for _ in range(self._wanted[0]):
            await self.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(device.close() for device in self.devices))
        for process in (*self.workers, *self.servers):
            process.ask_to_end()
        for process in (*self.workers, *self.servers):
            process.end()
        await self._stack.aclose()

    async def start_server(self, port: int | None = None, *, env: dict[str, str] | None = None) -> Process:
        port = port or free_port()
        process = self._process(f"server-{port}", "serve", "--port", str(port), env=env)
        self.servers.append(process)
        self.ports.append(port)
        process.start()
        await wait_until(lambda: listening(port), f"a server listens on {port}\n{process.output()}")
        return process

    def start_worker(self, *, app: Path = AGENTS, env: dict[str, str] | None = None) -> Process:
        process = self._process("worker", "worker", f"{app}:app", env=env)
        self.workers.append(process)
        process.start()
        return process

    def _process(self, name: str, *args: str, env: dict[str, str] | None = None) -> Process:
        self._made += 1
        settings = {
            **os.environ,
            "HOLDFAST_REDIS": self.store.url,
            "HOLDFAST_SECRET": SECRET,
            "HOLDFAST_HOST": "127.0.0.1",
            "HOLDFAST_TEST_EFFECTS": str(self.effects),
            **self._env,
            **(env or {}),
        }
        return Process(name, *args, env=settings, log=self.folder / f"{self._made}-{name}.log")

    def ran(self, turn: str | None = None) -> list[list[str]]:
        """What tools did: lines of tool, turn, key."""
        lines = [line.split(" ") for line in self.effects.read_text().splitlines()]
        return [line for line in lines if turn is None or line[1] == turn]

    def token(self, subject: str = "alice", roles: tuple[str, ...] = (), **claims: Any) -> str:
        return mint_token(subject, roles=list(roles), sessions=claims.pop("sessions", ["*"]), secret=SECRET, **claims)

    async def device(self, subject: str = "alice", *, server: int = 0, roles: tuple[str, ...] = ()) -> Device:
        """A device of this person, connected to that server."""
        device = Device(self.ports[server], self.token(subject, roles))
        await device.connect()
        self.devices.append(device)
        return device


class Device:
    """A socket that speaks the native protocol, and keeps every frame that it was sent."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self.frames: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self._socket = await connect(
            f"ws://127.0.0.1:{self._port}/v1/ws",
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,
            max_size=None,
        )
        self._reading = asyncio.create_task(self._read(self._socket))
        await self.wait(lambda frame: frame["type"] == "welcome", "welcome")

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for data in socket:
                frame = json.loads(data)
                async with self._news:
                    self.frames.append(frame)
                    self._news.notify_all()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def drop(self) -> None:
        """Break off, as a phone in a tunnel does."""
        assert self._socket is not None
        self._socket.transport.abort()

    async def send(self, frame: dict[str, Any]) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))

    async def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Send a command and wait for its reply."""
        frame = {"ref": secrets.token_hex(8), **frame}
        start = len(self.frames)
        await self.send(frame)
        return await self.wait(lambda one: one.get("ref") == frame["ref"], f"a reply to {frame}", start)

    async def wait(self, wanted: Callable[[dict[str, Any]], bool], what: str, start: int = 0) -> dict[str, Any]:
        """The first frame from `start` on that is wanted."""
        place = start
        async with self._news:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        for frame in self.frames[place:]:
                            if wanted(frame):
                                return frame
                        place = len(self.frames)
                        await self._news.wait()
            except TimeoutError:
                raise AssertionError(f"waited in vain for {what}; the last frames: {self.frames[-5:]}") from None

    async def event(self, kind: str, start: int = 0, **fields: Any) -> dict[str, Any]:
        """The first event of this type, with these fields."""

        def wanted(frame: dict[str, Any]) -> bool:
            event = frame.get("event", {})
            return event.get("type") == kind and all(event.get(name) == value for name, value in fields.items())

        return (await self.wait(wanted, f"{kind} {fields}", start))["event"]

    def events(self, kind: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        found = [frame["event"] for frame in self.frames if frame["type"] == "event"]
        return [
            event
            for event in found
            if (kind is None or event["type"] == kind)
            and all(event.get(name) == value for name, value in fields.items())
        ]

    async def start(self, agent: str, message: Any = "go", **more: Any) -> str:
        """Start a session, once a worker serves the agent, and see all of it from its beginning."""
        frame = {"type": "start", "agent": agent, "message": message, **more}
        async with asyncio.timeout(PATIENCE_S):
            while (reply := await self.ask(frame))["type"] != "ok":
                assert reply["code"] == "unknown_agent", reply
                await asyncio.sleep(0.05)
        await self.attach(reply["session"], {"epoch": "", "seq": 0})
        return reply["session"]

    async def attach(self, session: str, since: dict[str, Any] | None = None) -> dict[str, Any]:
        frame: dict[str, Any] = {"type": "attach", "session": session}
        reply = await self.ask(frame if since is None else {**frame, "since": since})
        assert reply["type"] == "attached", reply
        return reply

    async def interrupt(self, start: int = 0, **fields: Any) -> dict[str, Any]:
        """The next interrupt that opens, from frame `start` on, or that is open in the snapshot."""
        for frame in self.frames[start:]:
            for shown in (frame.get("snapshot") or {}).get("interrupts", []):
                if "decision" not in shown and all(shown.get(name) == value for name, value in fields.items()):
                    return shown

        def wanted(frame: dict[str, Any]) -> bool:
            shown = frame.get("event", {}).get("interrupt")
            return isinstance(shown, dict) and all(shown.get(name) == value for name, value in fields.items())

        return (await self.wait(wanted, f"an interrupt {fields}", start))["event"]["interrupt"]

    async def answer(self, shown: dict[str, Any], payload: Any, ref: str | None = None) -> dict[str, Any]:
        frame = {"type": "answer", "session": shown["session"], "interrupt": shown["id"], "status": "resolved"}
        return await self.ask({**frame, "payload": payload, **({"ref": ref} if ref else {})})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def wait_until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None
