"""The one connection of a process to the store: batching, reconnecting, and honest about losses.

Commands issued in one tick of the event loop share one write, in the order of the calls. Nothing is
ever sent twice (see `pipeline.py`). While the store is away, commands wait for it, bounded in number,
bytes and time:

    lost before it was written    waits for the reconnect, then `StoreUnavailable`: it did not run
    lost after it was written     `OutcomeUnknown` at once: repeat it under the same commit id to learn
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from holdfast.core.errors import Busy, StoreUnavailable, StoreUnusable
from holdfast.store.keeper import Keeper, silent
from holdfast.store.pipeline import Argument, Command, Pipeline, pack, pack_script
from holdfast.store.script import Script
from holdfast.store.wire import Address

__all__ = ["Connection", "ConnectionInfo", "ConnectionStatistics", "Script"]

TIMEOUT_MS = 5_000
MAX_WAITING = 10_000  # commands; at 60,000 a second, what a healthy store does in a sixth of one
MAX_WAITING_BYTES = 64 * 1024 * 1024
OLDEST_VERSION = (6, 2)  # what our Lua keeps to; Valkey says 7.2 here, whatever its own number


class ConnectionInfo(msgspec.Struct, frozen=True):
    """What is on the other side. Another `run_id` means another process: restarted or failed over."""

    run_id: str
    server: str
    version: str
    notes: tuple[str, ...]
    #: This connection before anybody else may use it, for the `on_connect` hook's own commands.
    direct: Pipeline


class ConnectionStatistics(msgspec.Struct, frozen=True):
    """Counts since the start, and what waits now."""

    connected: bool
    connects: int
    commands: int
    writes: int
    queued: int
    in_flight: int
    outcome_unknown: int
    expired: int
    refused_busy: int


OnConnect = Callable[[ConnectionInfo], Awaitable[None]]


class Connection:
    """A connection that comes back. `open` before use, `close` at the end.

    `name` is what the store's CLIENT LIST shows. `timeout_ms` bounds a reply, a connect, and the wait
    of a command for the reconnect. `on_connect` is called after each connect and before any
    waiting command is written; commands of its own go through `info.direct`. If it raises,
    the connection is dropped and tried again (from `open`, an error that is not `Unavailable` is raised).
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        timeout_ms: int = TIMEOUT_MS,
        scripts: Sequence[Script] = (),
        on_connect: OnConnect | None = None,
        max_waiting: int = MAX_WAITING,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._address = Address(url)
        self._name = name
        self._timeout_s = timeout_ms / 1000
        self._scripts = {script.sha: script for script in scripts}
        self._on_connect = on_connect
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._keeper = Keeper(
            self._live, name=f"store connection {name}", timeout_s=self._timeout_s, silence=self._silent
        )
        self._pipeline: Pipeline | None = None
        self._queue: list[Command] = []
        self._queued_bytes = 0
        self._flushing = False
        self._expiry: asyncio.TimerHandle | None = None
        self._closed = True
        self._info: ConnectionInfo | None = None
        self._connects = self._commands = self._writes = self._unknown = self._expired = self._busy = 0

    @property
    def info(self) -> ConnectionInfo | None:
        """The latest connection's; None before the first."""
        return self._info

    async def open(self) -> None:
        """Connect, and go on doing so until `close`.

        Raises `StoreUnavailable` if nobody answers within the timeout, `StoreUnusable` if the store is too
        old, may evict keys, or refuses us. After an error, or if cancelled, it is closed.
        """
        self._loop = asyncio.get_running_loop()
        self._closed = False
        try:
            await self._keeper.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close. Await your commands before: what is in flight fails with `OutcomeUnknown`."""
        self._closed = True
        await self._keeper.close()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        for command in self._queue:
            command.fail(StoreUnavailable("The connection to the store was closed."))
        self._queue.clear()
        self._queued_bytes = 0

    def execute(self, *args: Argument) -> Awaitable[Any]:
        """One command; its reply as bytes, int, list or None.

        Its place in the order is taken by the call, not by the await. Safe to cancel: the command may run,
        its reply is dropped. Raises, when called, `Busy` if too much waits and `StoreUnavailable`
        after `close`; when awaited `ResponseError`, `StoreUnavailable` (it did not run) or `OutcomeUnknown`.
        """
        return self._enqueue(Command(pack(args), self._new_reply()))

    def execute_many(self, commands: Sequence[Sequence[Argument]]) -> Awaitable[list[Any]]:
        """Commands that travel together; the list of their replies. Not atomic.

        An error reply of one is raised when all have been answered: the others ran. Else as `execute`.
        """
        packed = b"".join([pack(tuple(args)) for args in commands])
        reply = self._new_reply()
        if not commands:
            reply.set_result([])
            return reply
        if len(commands) > 1:
            return self._enqueue(Command(packed, reply, count=len(commands)))
        return self._one_as_list(self._enqueue(Command(packed, reply)))

    def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Awaitable[Any]:
        """A script by its digest; loaded, and sent again, if the store does not know it. Else as `execute`.

        After a flush of the store's scripts all keep their order among each other. One that is first seen
        here may run after what was issued in the same tick: name it in `scripts` if that matters.
        """
        self._scripts.setdefault(script.sha, script)
        return self._enqueue(Command(pack_script(script, keys, args), self._new_reply(), script=script))

    def statistics(self) -> ConnectionStatistics:
        pipeline = self._pipeline
        return ConnectionStatistics(
            connected=pipeline is not None and pipeline.open,
            connects=self._connects,
            commands=self._commands,
            writes=self._writes,
            queued=len(self._queue),
            in_flight=0 if pipeline is None else len(pipeline),
            outcome_unknown=self._unknown,
            expired=self._expired,
            refused_busy=self._busy,
        )

    # Commands: queued by the call, written at the end of the tick.

    def _enqueue(self, command: Command) -> asyncio.Future[Any]:
        self._check_room(command)
        command.at_s = self._loop.time()
        self._queue.append(command)
        self._queued_bytes += len(command.packed)
        if self._pipeline is None:
            self._watch_queue()
        elif not self._flushing:
            self._flush_soon()
        return command.reply

    def _check_room(self, command: Command) -> None:
        waiting, size = len(self._queue), self._queued_bytes
        if self._pipeline is not None:
            waiting += len(self._pipeline)
            size += self._pipeline.bytes_in_flight
        if waiting >= self._max_waiting or (size and size + len(command.packed) > self._max_waiting_bytes):
            self._busy += 1
            raise Busy(f"{waiting} commands ({size} bytes) wait for the store; try again.")

    def _flush_soon(self) -> None:
        self._flushing = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        pipeline = self._pipeline
        if pipeline is None or not pipeline.writable or not self._queue:
            return
        commands = [command for command in self._queue if not command.reply.cancelled()]
        self._queue.clear()
        self._queued_bytes = 0
        if commands:
            self._commands += sum([command.count for command in commands])
            self._writes += 1
            pipeline.write(commands)

    def _put_back(self, bounced: list[Command]) -> None:
        """Scripts that the store has forgotten go first, behind a reload; they did not run."""
        if self._closed:
            for command in bounced:
                command.fail(StoreUnavailable())
            return
        loads = [Command(pack(("SCRIPT", "LOAD", s.text)), self._ignored()) for s in self._scripts.values()]
        self._queue[:0] = [*loads, *bounced]
        self._queued_bytes = sum([len(command.packed) for command in self._queue])
        if not self._flushing:
            self._flush_soon()

    def _watch_queue(self) -> None:
        if self._queue and self._expiry is None:
            due_s = self._queue[0].at_s + self._timeout_s
            self._expiry = self._loop.call_at(due_s, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        if self._pipeline is not None:
            return
        now_s = self._loop.time()
        while self._queue and self._queue[0].at_s + self._timeout_s <= now_s:
            command = self._queue.pop(0)
            self._queued_bytes -= len(command.packed)
            self._expired += 1
            command.fail(self._silent())
        self._watch_queue()

    # One life of the connection, which the keeper begins again.

    async def _live(self, up: Callable[[], None]) -> None:
        pipeline = Pipeline(timeout_s=self._timeout_s, bounced=self._put_back)
        try:
            await self._connect(pipeline)
            up()
            await pipeline.lost.wait()
        finally:
            self._pipeline = None
            await pipeline.end()
            self._unknown += pipeline.unknown
            self._watch_queue()

    async def _connect(self, pipeline: Pipeline) -> None:
        await self._address.dial(pipeline, name=self._name, timeout_s=self._timeout_s)
        self._info = await self._greet(pipeline)
        if self._on_connect is not None:
            await self._on_connect(self._info)
        self._connects += 1
        self._pipeline = pipeline
        self._flush()

    async def _greet(self, pipeline: Pipeline) -> ConnectionInfo:
        """Load the scripts and learn who is there, in one round trip."""
        loads = [pipeline.execute("SCRIPT", "LOAD", script.text) for script in self._scripts.values()]
        about = pipeline.execute("INFO")
        policy = pipeline.execute("CONFIG", "GET", "maxmemory-policy")
        replies: list[Any] = await asyncio.gather(about, *loads, policy, return_exceptions=True)
        for error in replies[:-1]:
            if isinstance(error, ResponseError):
                raise StoreUnusable(f"The store does not permit what Holdfast needs: {error}.") from error
            if isinstance(error, BaseException):
                raise error
        facts = _facts(replies[0])
        notes = _check_usable(facts, _policy(replies[-1]))
        server = facts.get("server_name", "redis")
        version = facts.get(f"{server}_version", facts["redis_version"])
        return ConnectionInfo(facts["run_id"], server, version, notes, pipeline)

    # Small things.

    def _new_reply(self) -> asyncio.Future[Any]:
        if self._closed:
            raise StoreUnavailable("The connection to the store is closed.")
        return self._loop.create_future()

    def _ignored(self) -> asyncio.Future[Any]:
        reply = self._new_reply()
        reply.add_done_callback(lambda done: done.cancelled() or done.exception())
        return reply

    async def _one_as_list(self, reply: Awaitable[Any]) -> list[Any]:
        return [await reply]

    def _silent(self) -> StoreUnavailable:
        return silent(self._address, self._timeout_s)


def _policy(reply: Any) -> str | None:
    """The eviction policy; None where the store does not tell, as managed ones forbid CONFIG."""
    return None if isinstance(reply, Exception) or not reply else reply[1].decode()


def _check_usable(facts: dict[str, str], policy: str | None) -> tuple[str, ...]:
    """Notes for the operator. Raises `StoreUnusable`, or `StoreUnavailable` for a replica."""
    version = facts.get("redis_version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_VERSION:
        raise StoreUnusable(f"The store is Redis {version or 'of no version'}; 6.2 or newer is needed, or Valkey.")
    if not facts.get("run_id"):
        raise StoreUnusable("The store does not tell its run id, so a fail-over could not be noticed.")
    if facts.get("role", "master") != "master":
        raise StoreUnavailable("The store is a replica, or is becoming one.")
    if policy is None:
        return ("The store does not tell its maxmemory-policy; make sure that it is noeviction.",)
    if policy != "noeviction":
        raise StoreUnusable(f"The store may evict keys (maxmemory-policy {policy}); set it to noeviction.")
    return ()


def _facts(info: bytes) -> dict[str, str]:
    """The `name:value` lines of INFO."""
    lines = (line.partition(":") for line in info.decode().splitlines())
    return {name: value for name, colon, value in lines if colon}
