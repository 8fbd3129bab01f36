"""HOLDFAST_WAIT: a commit has its copies before anybody is told, and before an effect that cannot be repeated.

A copy is what survives the loss of the store's process and its machine's memory: the store's own append-only
file once it is fsynced, and each replica. How a store can be asked for n of them depends on what it is:

    appendfsync always                   a commit is fsynced before it is acknowledged: one copy, no wait
    WAITAOF that tells the truth         the store's own fsync and those of n - 1 replicas
    anything else                        n replicas, which have it in memory

WAITAOF tells the truth under `always`, and from Redis 8 on. Redis 7.2 and 7.4 and all of Valkey so far (9.1.2
was traced) answer it under `everysec` before the fsync (redis/redis#13793): they are asked for replicas.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from redis.exceptions import ResponseError

from holdfast.core.errors import OutcomeUnknown
from holdfast.store.connection import Connection, ConnectionInfo
from holdfast.store.keys import Keys
from holdfast.store.pipeline import Argument

WAIT_MS = 2_000  # for the copies; well below the connection's own limit, so that the answer is the store's


class Persistence(msgspec.Struct, frozen=True):
    """What a store does with what it acknowledges."""

    server: str
    version: tuple[int, ...]
    append_only: bool
    #: always, everysec, no; "" if the store does not tell.
    fsync: str


def question(store: Persistence, copies: int) -> tuple[Argument, ...]:
    """The command that waits for `copies`, without its time; empty if an acknowledged write has them all."""
    fsynced = store.append_only and store.fsync == "always"
    if fsynced and copies == 1:
        return ()
    knows_waitaof = store.server == "valkey" or store.version >= (7, 2)
    truthful = fsynced or (store.server == "redis" and store.version >= (8,))
    if store.append_only and knows_waitaof and truthful:
        return ("WAITAOF", 1, copies - 1)
    return ("WAIT", copies - 1 if fsynced else copies)


class Durability:
    """Waits for copies, on a connection of its own: WAIT holds up everything behind it. `open` before use."""

    def __init__(self, url: str, keys: Keys, copies: int, *, name: str = "holdfast-wait") -> None:
        assert copies > 0, "without copies to wait for there is nothing to do"
        self._connection = Connection(url, name=name, on_connect=self._learn)
        self._mark, self._copies = keys.durable, copies
        self._question: tuple[Argument, ...] = ()
        self._one_at_a_time = asyncio.Lock()
        self._gathering: asyncio.Task[str] | None = None
        self._rounds: set[asyncio.Task[str]] = set()

    async def open(self) -> None:
        """Connect. Raises as `Connection.open` does."""
        await self._connection.open()

    async def close(self) -> None:
        await self._connection.close()

    async def reached(self, epoch: str) -> None:
        """Return when every commit that was acknowledged before this call has its copies. Cancelling is safe.

        `epoch` is the one of the commit: copies in another run of the store say nothing of it.

        Raises:
            OutcomeUnknown: not in time, or the store is another by now. Repeat the command to learn.
        """
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._round(), name="wait for copies")
            self._rounds.add(self._gathering)
            self._gathering.add_done_callback(self._ended)
        run_id = await asyncio.shield(self._gathering)
        if epoch.partition("-")[2] != run_id[:12]:
            raise OutcomeUnknown("The store restarted or failed over before the commit was safe.")

    async def _round(self) -> str:
        """Ask once for all who have come by now; who comes meanwhile shares the next round."""
        async with self._one_at_a_time:
            self._gathering = None
            return await self._ask()

    async def _ask(self) -> str:
        """The run of the store that has the copies."""
        if self._question:
            try:
                _, found = await self._connection.execute_many([("SET", self._mark, 1), (*self._question, WAIT_MS)])
            except ResponseError as error:
                raise OutcomeUnknown(f"The store cannot tell of copies: {error}") from error
            self._check(found)
        else:
            await self._connection.execute("PING")  # still the store that acknowledged it?
        assert self._connection.info is not None
        return self._connection.info.run_id

    def _check(self, found: int | list[int]) -> None:
        wanted = self._question[1:]
        have = found if isinstance(found, list) else [found]
        if any(have_one < int(want) for have_one, want in zip(have, wanted, strict=True)):
            raise OutcomeUnknown(
                f"It is committed, but within {WAIT_MS} ms the store had not the copies that HOLDFAST_WAIT="
                f"{self._copies} asks for ({self._question[0]} wants {list(wanted)}, has {have})."
            )

    async def _learn(self, info: ConnectionInfo) -> None:
        about: bytes = await info.direct.execute("INFO", "persistence")
        settings: list[bytes] = []
        with contextlib.suppress(ResponseError):  # managed stores forbid it
            settings = await info.direct.execute("CONFIG", "GET", "appendfsync")
        store = Persistence(
            info.server,
            tuple(int(part) for part in info.version.split(".") if part.isdigit()),
            b"aof_enabled:1" in about,
            settings[1].decode() if settings else "",
        )
        self._question = question(store, self._copies)

    def _ended(self, task: asyncio.Task[str]) -> None:
        self._rounds.discard(task)
        if not task.cancelled():
            task.exception()  # seen by whoever waited, or by nobody any more
