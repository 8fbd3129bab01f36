"""HOLDFAST_WAIT: nobody is told of a decision before it has its copies."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis
from tests.store import sessions
from tests.store.sessions import SESSION, appending, done, named
from tests.waiting import wait_until

from holdfast.core.errors import OutcomeUnknown
from holdfast.store import durability
from holdfast.store.door import Door
from holdfast.store.durability import Durability, Persistence, question
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.keys import Keys
from holdfast.store.opening import open_store


@asynccontextmanager
async def waiting(store: EmbeddedStore, copies: int) -> AsyncIterator[Door]:
    """A door that waits for so many copies."""
    waits = Durability(store.url, Keys(partitions=1), copies)
    await waits.open()
    async with sessions.opened(store) as opened:
        opened.durability = waits
        await sessions.begin(opened)
        yield opened
    await waits.close()


@asynccontextmanager
async def replica_of(store: EmbeddedStore, binary: str | None) -> AsyncIterator[EmbeddedStore]:
    """Another process of the same kind, which has what the first one has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Redis.from_url(store.url) as first:
        first.config_set("port", port)
        first.config_set("repl-diskless-sync-delay", 0)
        first.config_set("shutdown-timeout", 0)  # its end need not wait for the replica
        async with EmbeddedStore(binary=binary) as second:
            with Redis.from_url(second.url) as client:
                client.config_set("appendonly", "no")  # while it writes its first one, it would not end
                client.execute_command("REPLICAOF", "127.0.0.1", port)
                await wait_until(lambda: client.info("replication")["master_link_status"] == "up", "it follows")
                yield second


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability, "WAIT_MS", 100)


REDIS_7, REDIS_8, VALKEY = ("redis", (7, 2, 5)), ("redis", (8, 0, 0)), ("valkey", (9, 1, 2))


@pytest.mark.parametrize(
    ("store", "append_only", "fsync", "copies", "expected"),
    [
        (VALKEY, True, "always", 1, ()),
        (("redis", (7, 0, 15)), True, "always", 1, ()),
        (VALKEY, True, "always", 2, ("WAITAOF", 1, 1)),
        (REDIS_8, True, "everysec", 1, ("WAITAOF", 1, 0)),
        (REDIS_8, True, "", 2, ("WAITAOF", 1, 1)),
        # Theirs answers before the fsync.
        (VALKEY, True, "everysec", 1, ("WAIT", 1)),
        (REDIS_7, True, "everysec", 2, ("WAIT", 2)),
        # It has no such command.
        (("redis", (6, 2, 0)), True, "always", 2, ("WAIT", 1)),
        (REDIS_8, False, "everysec", 1, ("WAIT", 1)),
        (REDIS_8, False, "always", 1, ("WAIT", 1)),
    ],
)
def test_how_a_store_is_asked(
    store: tuple[str, tuple[int, ...]], append_only: bool, fsync: str, copies: int, expected: object
) -> None:
    assert question(Persistence(*store, append_only, fsync), copies) == expected


async def test_a_replica_that_has_it_lets_it_be_told(own_store: EmbeddedStore, store_binary: str | None) -> None:
    async with replica_of(own_store, store_binary) as replica, waiting(own_store, 1) as door:
        await done(door, appending("x", by=named("r"), durable=True))
        with Redis.from_url(replica.url) as client:
            assert client.hexists(door.keys.refs(SESSION), "5:alice:r")


async def test_without_its_copies_the_outcome_is_unknown_until_they_are_there(
    own_store: EmbeddedStore, store_binary: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replica_of(own_store, store_binary) as replica, waiting(own_store, 1) as door:
        await done(door, appending("before", by=named("q"), durable=True))
        os.kill(replica.pid, signal.SIGSTOP)
        monkeypatch.setattr(durability, "WAIT_MS", 100)
        try:
            decision = appending("x", by=named("r"), durable=True)
            with pytest.raises(OutcomeUnknown, match="HOLDFAST_WAIT=1"):
                await door.commit(decision)
            with pytest.raises(OutcomeUnknown):
                await door.commit(decision)
            with pytest.raises(OutcomeUnknown):
                await door.read(SESSION, command=named("r"))
            await done(door, appending("others go on", by=named("s")))
        finally:
            os.kill(replica.pid, signal.SIGCONT)
        monkeypatch.undo()
        assert (await done(door, decision)).again


async def test_many_decisions_share_a_wait(
    own_store: EmbeddedStore, store_binary: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replica_of(own_store, store_binary), waiting(own_store, 1) as door:
        waits = door.durability
        assert waits is not None
        asked: list[None] = []
        ask = waits._ask

        async def counted() -> str:
            asked.append(None)
            return await ask()

        monkeypatch.setattr(waits, "_ask", counted)
        await asyncio.gather(*(done(door, appending("x", by=named(str(n)), durable=True)) for n in range(100)))
        assert len(asked) < 20


async def test_copies_in_another_run_of_the_store_say_nothing(own_store: EmbeddedStore) -> None:
    with Redis.from_url(own_store.url) as client:
        client.config_set("appendfsync", "always")
    async with waiting(own_store, 1) as door:
        await done(door, appending("x", by=named("r"), durable=True))
        assert door.durability is not None
        with pytest.raises(OutcomeUnknown, match="restarted"):
            await door.durability.reached("1-another-run-")


async def test_waitaof_is_understood(tmp_path: Path, impatient: None) -> None:
    """Under `always` the embedded store is asked by WAITAOF for its own fsync and a replica's."""
    async with EmbeddedStore(tmp_path / "data", fsync="always") as store, waiting(store, 2) as door:
        with pytest.raises(OutcomeUnknown, match="WAITAOF"):
            await door.commit(appending("x", by=named("r"), durable=True))


async def test_an_opened_store_waits_as_it_is_told(own_store: EmbeddedStore, impatient: None) -> None:
    async with open_store(own_store.url, name="test", partitions=1, wait=1) as store:
        await sessions.begin(store.door)
        with pytest.raises(OutcomeUnknown):
            await store.door.commit(appending("x", by=named("r"), durable=True))
