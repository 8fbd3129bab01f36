"""A real store as a child process, for a laptop and for tests.

There is no second, pretend store: `holdfast dev` and the tests run the same Valkey that production
may run, on a unix socket, with an append-only file in a data folder.

    async with EmbeddedStore(Path("data")) as store:
        connection = Connection(store.url, name="dev")
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from holdfast.core.errors import StoreUnusable
from holdfast.store.backoff import Backoff
from holdfast.store.embedded_binary import Binary, Server, find_binary
from holdfast.store.embedded_folder import DataFolder
from holdfast.store.embedded_process import ServerProcess

LOCK_WAIT_MS = 3_000  # the guard gives a dying server 2 s before it kills it
START_WAIT_MS = 60_000  # reading 1 GiB of append-only file takes some 15 s
STOP_WAIT_MS = 10_000  # the last fsync of a busy disk
HEALTHY_MS = 60_000  # a store that lived this long is started again without a wait
SOCKET_PATH_LIMIT = 100  # bytes; the kernel's limit is 108 on Linux and 104 on macOS

Fsync = Literal["everysec", "always"]


class EmbeddedStore:
    """One store process on one data folder. An async context manager: starts on entry, stops on exit.

    `folder` None means a temporary one that is removed at the end. `fsync` "always" survives a power cut
    after each write, "everysec" loses about a second of them; a killed process loses nothing either way.
    `manual_clock` marks a store made for tests, and its folder for good. `binary` None means the
    best one installed. Belongs to no event loop: tests may start it in one and use it in many.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        fsync: Fsync = "everysec",
        manual_clock: bool = False,
        binary: str | Path | None = None,
        lock_wait_ms: int = LOCK_WAIT_MS,
    ) -> None:
        self.manual_clock = manual_clock
        self._folder = folder
        self._fsync = fsync
        self._wanted_binary = binary
        self._lock_wait_ms = lock_wait_ms
        self._binary: Binary | None = None
        self._runtime_folder: Path | None = None
        self._process: ServerProcess | None = None
        self._stopping = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens, for `Connection`. The same after a restart."""
        return f"unix://{self._socket}"

    @property
    def server(self) -> Server:
        """Which server it is, by family and version."""
        return self._found.server

    @property
    def folder(self) -> Path:
        """Where its data is."""
        return self._folder or self._runtime / "data"

    @property
    def pid(self) -> int:
        """The server's process id, also after it died."""
        return self._running.pid

    async def start(self) -> None:
        """Start it, and return when it answers.

        Raises `StoreUnusable`, in one sentence, if there is no server, if the folder cannot be written, is in
        use or was written by a newer server, or if the server gives up. Cancelling it stops what was started.
        """
        assert self._process is None, "an embedded store starts once; afterwards it restarts"
        self._stopping = False
        self._binary = find_binary(self._wanted_binary)
        self._runtime_folder = _make_runtime_folder()
        try:
            await self._launch()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop it, with everything on disk, and remove what is temporary. Does nothing if it is stopped.

        Cancelling it kills the server instead of waiting for its last fsync.
        """
        self._stopping = True
        try:
            await self._end_process()
        finally:
            if self._runtime_folder is not None:
                shutil.rmtree(self._runtime_folder, ignore_errors=True)
                self._runtime_folder = None

    def kill(self) -> None:
        """SIGKILL, for tests; returns at once. `restart` brings it back."""
        self._running.signal(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop it if it runs, and start it on the same folder and socket. Raises as `start` does."""
        await self._end_process()
        await self._launch()

    async def wait_exit(self) -> int:
        """Wait until the server ends; its exit code, or minus the signal that ended it. Safe to cancel."""
        return await self._running.wait()

    async def keep_running(self, told: Callable[[str], None]) -> None:
        """Restart the server whenever it ends, until `stop` is called; `told` gets a sentence each time.

        Whoever runs this must not call `restart` meanwhile. Never raises `StoreUnusable`: it tells, waits
        and tries again. Cancelling it leaves the server as it is.
        """
        backoff = Backoff(limit_ms=5_000)
        while not self._stopping:
            started = time.monotonic()
            ended = await self.wait_exit() if self._process is not None else None
            if self._stopping:
                return
            if (time.monotonic() - started) * 1000 > HEALTHY_MS:
                backoff.reset()
            if ended is not None:
                told(f"The embedded store ended ({_described(ended)}); starting it again.")
            await asyncio.sleep(backoff.next_s())
            try:
                await self.restart()
                told("The embedded store runs again.")
            except StoreUnusable as error:
                told(f"The embedded store does not start: {error.message}")

    async def _launch(self) -> None:
        folder = DataFolder(self.folder)
        folder.prepare()
        lock = await folder.lock(self._lock_wait_ms)
        try:
            folder.check(self.server, manual_clock=self.manual_clock)
        except BaseException:
            os.close(lock)
            raise
        self._process = ServerProcess(self._command(), runtime_folder=self._runtime, log=folder.log, lock=lock)
        try:
            await self._wait_answer(folder)
            folder.record(self.server, manual_clock=self.manual_clock)
        except BaseException:
            await self._end_process(patient=False)
            raise

    async def _wait_answer(self, folder: DataFolder) -> None:
        started = time.monotonic()
        while not await _answers(self._socket):
            waited_ms = (time.monotonic() - started) * 1000
            if not self._running.running:
                how = _described(self._running.reap())
                raise StoreUnusable(f"{self.server} did not start in {folder.path} ({how}): {folder.last_words()}")
            if waited_ms > START_WAIT_MS:
                raise StoreUnusable(f"{self.server} did not answer within {START_WAIT_MS / 1000:.0f} s.")
            # A start takes 5 to 40 ms; only the reading of a large file is worth a longer wait.
            await asyncio.sleep(0.001 if waited_ms < 200 else 0.02)

    async def _end_process(self, *, patient: bool = True) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if patient:
                process.signal(signal.SIGTERM)
                async with asyncio.timeout(STOP_WAIT_MS / 1000):
                    # The signal alone waits for the server's next tick, up to 100 ms.
                    await _say(self._socket, b"SHUTDOWN NOSAVE\r\n")
                    await process.wait()
        except TimeoutError:
            pass
        finally:
            # Also when cancelled: the caller must be able to count on the server's end.
            process.signal(signal.SIGKILL)
            process.reap()
            process.release()

    def _command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": self._socket,
            "unixsocketperm": "700",
            "dir": str(self.folder.absolute()),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [self._found.path, *options]

    @property
    def _socket(self) -> str:
        return str(self._runtime / "s")

    @property
    def _runtime(self) -> Path:
        assert self._runtime_folder is not None, "the embedded store is not started"
        return self._runtime_folder

    @property
    def _found(self) -> Binary:
        assert self._binary is not None, "the embedded store is not started"
        return self._binary

    @property
    def _running(self) -> ServerProcess:
        assert self._process is not None, "the embedded store is not started"
        return self._process


def _make_runtime_folder() -> Path:
    """A new folder, readable by this user only, whose path leaves room for a socket's name."""
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        with contextlib.suppress(OSError):
            if parent and len(os.fsencode(parent)) + len("/hf-12345678/s") <= SOCKET_PATH_LIMIT:
                return Path(tempfile.mkdtemp(prefix="hf-", dir=parent))
    raise StoreUnusable("No folder was found for the store's socket: set XDG_RUNTIME_DIR to a short, writable path.")


async def _answers(socket_path: str) -> bool:
    """Whether the server is there and has read its file (before, it answers LOADING)."""
    return await _say(socket_path, b"PING\r\n") == b"+PONG\r\n"


async def _say(socket_path: str, line: bytes) -> bytes:
    """The first line of the server's answer; empty if there is none."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path)
    except OSError:
        return b""
    try:
        writer.write(line)
        return await reader.readline()
    except OSError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _described(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
