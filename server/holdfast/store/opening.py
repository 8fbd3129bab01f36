"""Opening a store: connected, with its partitions known, its epoch claimed, and proven to take a commit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import msgspec
from redis.exceptions import ResponseError

from holdfast.core.commit import Commit
from holdfast.core.errors import StoreUnavailable, StoreUnusable
from holdfast.store.connection import TIMEOUT_MS, Connection, ConnectionInfo
from holdfast.store.directory import SEEN
from holdfast.store.door import CLAIM, COMMIT, LOG, READ, Done, Door
from holdfast.store.durability import Durability
from holdfast.store.keys import PARTITIONS, Keys
from holdfast.store.log import Log
from holdfast.store.manifests import SERVED, Manifests
from holdfast.store.outbox import POST, REPLAY, SETTLE, TAKE
from holdfast.store.subscription import OnGap, OnMessage, Subscription
from holdfast.store.trail import SEAL, TRAIL

SCRIPTS = (COMMIT, READ, LOG, CLAIM, SERVED, TRAIL, SEAL, POST, TAKE, SETTLE, REPLAY, SEEN)
PROBE = "_probe"  # a session that is none: it has no record, so nobody can see it


class OpenStore(msgspec.Struct, frozen=True):
    """A store that is ready for use."""

    url: str
    connection: Connection
    keys: Keys
    door: Door
    log: Log
    manifests: Manifests

    def subscription(self, on_message: OnMessage, on_gap: OnGap, *, name: str = "holdfast-sub") -> Subscription:
        """A subscription to the same store, to be opened. Its probe goes through the connection."""

        async def publish(channel: str, data: bytes) -> None:
            await self.connection.execute("PUBLISH", channel, data)

        return Subscription(self.url, on_message, on_gap, publish=publish, name=name)


@asynccontextmanager
async def open_store(
    url: str,
    *,
    name: str,
    prefix: str = "hf",
    partitions: int = PARTITIONS,
    wait: int = 0,
    timeout_ms: int = TIMEOUT_MS,
) -> AsyncGenerator[OpenStore]:
    """A store while it is used. `partitions` counts for a new store; a used one keeps its own number.

    `wait` is how many copies durable commits wait for.

    Raises:
        StoreUnavailable: nobody answers there.
        StoreUnusable: too old, may evict keys, or refuses what we need; in one sentence.
    """
    doors: list[Door] = []

    async def connected(info: ConnectionInfo) -> None:
        with _writable():
            if not doors:
                doors.append(Door(connection, Keys(prefix, await _partitions(info, prefix, partitions))))
            await doors[0].claim(info.run_id, info.direct)

    connection = Connection(url, name=name, timeout_ms=timeout_ms, scripts=SCRIPTS, on_connect=connected)
    await connection.open()
    stack = AsyncExitStack()
    try:
        door = doors[0]
        await _probe(door)
        await _wait_for_copies(stack, door, url, wait, name)
        log, manifests = Log(connection, door.keys), Manifests(connection, door.keys)
        yield OpenStore(url, connection, door.keys, door, log, manifests)
    finally:
        await stack.aclose()
        await connection.close()


async def _wait_for_copies(stack: AsyncExitStack, door: Door, url: str, copies: int, name: str) -> None:
    if copies:
        door.durability = Durability(url, door.keys, copies, name=f"{name}-wait")
        await door.durability.open()
        stack.push_async_callback(door.durability.close)


async def _partitions(info: ConnectionInfo, prefix: str, wanted: int) -> int:
    """How many partitions this store was begun with; now, if it is new."""
    config = Keys(prefix, 1).config
    await info.direct.execute("HSETNX", config, "partitions", wanted)
    return int(await info.direct.execute("HGET", config, "partitions"))


async def _probe(door: Door) -> None:
    """Make a commit: a store that refuses writes is found now, and not by the first user."""
    with _writable():
        outcome = await door.commit(Commit(PROBE, "probe"))
        if not isinstance(outcome, Done):
            outcome = await door.commit(Commit(PROBE, "probe", creates=True))
    if not isinstance(outcome, Done) and outcome.why != "exists":
        raise StoreUnusable(f"The store does not take a commit: {outcome.why} {outcome.detail}".rstrip())


@contextmanager
def _writable() -> Generator[None]:
    """A store that refuses a write, out of memory or by its rules, is one for an operator."""
    try:
        yield
    except ResponseError as error:
        raise StoreUnusable(f"The store does not take writes: {error}") from None
    except StoreUnavailable as error:
        if error.details.get("reply") != "OOM":
            raise
        raise StoreUnusable(f"The store does not take writes: {error.message}") from None
