"""The folder an embedded store keeps its data in: one server at a time, and never an older one."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from pathlib import Path

import msgspec

from holdfast.core.errors import StoreUnusable
from holdfast.store.embedded_binary import Server, can_read

LOCK_POLL_S = 0.01
LOG_LIMIT_BYTES = 1_048_576  # about 10,000 starts
LOWEST_DESCRIPTOR = 10  # a shell can only name 0 to 9 in a redirection, and must not hit ours by it


class Written(msgspec.Struct, frozen=True):
    """`server.json`: who wrote this folder. `manual_clock` marks a store made for tests."""

    server: str
    version: str
    manual_clock: bool = False


class DataFolder:
    """A folder with the append-only file, a lock, a log and the record of who wrote it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "server.log"
        self._record = path / "server.json"

    def prepare(self) -> None:
        """Make the folder. Raises `StoreUnusable` if it cannot be made or written."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
                self.log.unlink()
            self.log.touch()
        except OSError as error:
            raise self._unwritable(error) from error

    async def lock(self, wait_ms: int) -> int:
        """The descriptor of the folder's lock, which holds for as long as any copy of it is open.

        It is handed to the server, so that the lock goes with the server and not with the process that
        started it: a server that is still dying still writes. Hence the wait, of at most `wait_ms`.
        Raises `StoreUnusable` if another store has the folder. Safe to cancel.
        """
        descriptor = self._open_lock()
        try:
            end = time.monotonic() + wait_ms / 1000
            while not _try_lock(descriptor):
                if time.monotonic() >= end:
                    raise StoreUnusable(f"The data folder {self.path} is in use by another store.")
                await asyncio.sleep(LOCK_POLL_S)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def check(self, found: Server, *, manual_clock: bool) -> None:
        """Raises `StoreUnusable` if `found` is older than who wrote this folder, or of another clock."""
        written = self._written()
        if written is None:
            return
        before = Server(written.server, written.version)
        if not can_read(before, found):
            raise StoreUnusable(
                f"The data folder {self.path} was written by {before}, and {found} cannot read that: "
                f"use {before} or newer."
            )
        if written.manual_clock != manual_clock:
            kind = "a manual" if written.manual_clock else "the real"
            raise StoreUnusable(f"The data folder {self.path} was written under {kind} clock, and keeps it.")

    def record(self, server: Server, *, manual_clock: bool) -> None:
        """Write down who writes here from now on."""
        written = Written(server.server, server.version, manual_clock)
        draft = self._record.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(written) + b"\n")
        draft.replace(self._record)

    def last_words(self) -> str:
        """The last line that the server wrote to its log."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace").strip().splitlines()
            return lines[-1] if lines else "nothing in its log"
        return "no log"

    def _open_lock(self) -> int:
        try:
            low = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        return lift(low)

    def _written(self) -> Written | None:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=Written)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StoreUnusable(f"{self._record} cannot be read: {error}.") from error

    def _unwritable(self, error: OSError) -> StoreUnusable:
        return StoreUnusable(f"The data folder {self.path} cannot be written: {error.strerror}.")


def lift(descriptor: int) -> int:
    """The same open file under a number above what a shell's redirections use."""
    lifted = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR)
    os.close(descriptor)
    return lifted


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
