"""The connection: one write a tick, nothing sent twice, and no reply ever given to the wrong caller."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import NoScriptError, ResponseError
from tests.waiting import wait_until

from holdfast.core.errors import Busy, OutcomeUnknown, StoreUnavailable, StoreUnusable
from holdfast.store import connection as connection_module
from holdfast.store.backoff import Backoff
from holdfast.store.connection import Connection, ConnectionInfo, Script
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.pipeline import Pipeline
from holdfast.store.wire import Address, reply_error

APPEND = Script("append", "return redis.call('RPUSH', KEYS[1], ARGV[1])")
SHORT_MS = 150


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Connection]:
    connection = Connection(url, **{"name": "test", **options})
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def stopped(store: EmbeddedStore) -> Iterator[None]:
    os.kill(store.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(store.pid, signal.SIGCONT)


def ask(store: EmbeddedStore, *command: str) -> Any:
    with Redis.from_url(store.url, decode_responses=True) as client:
        return client.execute_command(*command)


def open_files() -> int:
    gc.collect()
    return len(list(Path("/dev/fd").iterdir()))


def kill_clients(store: EmbeddedStore, name: str = "test") -> None:
    with Redis.from_url(store.url, decode_responses=True) as client:
        for other in client.client_list():
            if other["name"] == name:
                client.client_kill_filter(_id=other["id"])


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnects do not wait."""
    monkeypatch.setattr(Backoff, "next_s", lambda _: 0.0)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is really written to transports from now on."""
    written: list[bytes] = []
    send = Pipeline.send

    def noted(self: Pipeline, data: bytes) -> None:
        written.append(data)
        send(self, data)

    monkeypatch.setattr(Pipeline, "send", noted)
    return written


# Order and batching


async def test_commands_of_one_tick_share_one_write(connection: Connection, writes: list[bytes]) -> None:
    async def increment() -> int:
        return await connection.execute("INCR", "n")

    replies = await asyncio.gather(*[increment() for _ in range(100)])
    assert replies == list(range(1, 101))
    assert len(writes) == 1
    assert connection.statistics().writes == 1
    assert connection.statistics().commands == 100


async def test_the_order_of_calls_is_the_order_on_the_wire(connection: Connection) -> None:
    await connection.execute("SCRIPT", "LOAD", APPEND.text)
    replies = [connection.execute("RPUSH", "list", n) for n in range(10)]
    replies.append(connection.execute_many([("RPUSH", "list", n) for n in (10, 11)]))
    replies.append(connection.run(APPEND, ["list"], [12]))
    replies.append(connection.execute("RPUSH", "list", 13))
    await asyncio.gather(*reversed(replies))
    assert await connection.execute("LRANGE", "list", 0, -1) == [str(n).encode() for n in range(14)]


async def test_many_travel_together(connection: Connection, writes: list[bytes]) -> None:
    assert await connection.execute_many([("SET", "a", 1), ("GET", "a"), ("GET", "b")]) == [b"OK", b"1", None]
    assert await connection.execute_many([("GET", "a")]) == [b"1"]
    assert await connection.execute_many([]) == []
    assert len(writes) == 2


async def test_an_error_reply_is_of_its_command_only(connection: Connection) -> None:
    before = connection.execute("SET", "a", "text")
    wrong = connection.execute("INCR", "a")
    after = connection.execute("GET", "a")
    assert await before == b"OK"
    with pytest.raises(ResponseError, match="not an integer"):
        await wrong
    assert await after == b"text"


async def test_an_error_among_many_comes_after_all_ran(connection: Connection) -> None:
    with pytest.raises(ResponseError, match="not an integer"):
        await connection.execute_many([("SET", "a", "text"), ("INCR", "a"), ("SET", "b", 1)])
    assert await connection.execute("GET", "b") == b"1"


async def test_bytes_pass_unchanged(connection: Connection) -> None:
    for value in (b"", b"\r\n", bytes(range(256)), b"x" * 300_000):
        await connection.execute("SET", "a", value)
        assert await connection.execute("GET", "a") == value


async def test_a_cancelled_callers_reply_is_dropped(connection: Connection, store_url: str) -> None:
    async def wait_for_item() -> Any:
        return await connection.execute("BLPOP", "list", 0)

    waiting = asyncio.create_task(wait_for_item())
    await wait_until(lambda: connection.statistics().in_flight == 1, "BLPOP is in flight")
    waiting.cancel()
    later = connection.execute("GET", "list2")
    async with connected(store_url) as other:
        await other.execute("SET", "list2", "mine")
        await other.execute("RPUSH", "list", "dropped")
    assert await later == b"mine"


async def test_what_is_cancelled_before_it_is_written_never_runs(connection: Connection) -> None:
    reply = connection.execute("INCR", "n")
    reply.cancel()  # type: ignore[attr-defined]
    assert await connection.execute("GET", "n") is None


# Losses


async def test_in_flight_when_killed_is_unknown(own_store: EmbeddedStore) -> None:
    async with connected(own_store.url) as connection:
        waiting = [connection.execute("BLPOP", "list", 0), connection.execute("PING")]
        await wait_until(lambda: connection.statistics().in_flight == 2, "both are in flight")
        kill_clients(own_store)
        for reply in waiting:
            with pytest.raises(OutcomeUnknown):
                await reply
        assert await connection.execute("PING") == b"PONG"
        assert connection.statistics().outcome_unknown == 2
        assert connection.statistics().connects == 2


async def test_too_slow_is_unknown_and_never_sent_again(own_store: EmbeddedStore) -> None:
    async with connected(own_store.url, timeout_ms=SHORT_MS) as connection:
        with stopped(own_store):
            replies = [connection.execute("INCR", "n") for _ in range(3)]
            for reply in replies:
                with pytest.raises(OutcomeUnknown):
                    await reply
        await wait_until(lambda: connection.statistics().connects == 2, "connected again")
        await wait_until(lambda: ask(own_store, "GET", "n") == "3", "what was sent ran, once each")


async def test_unwritten_commands_wait_for_the_reconnect(own_store: EmbeddedStore) -> None:
    async with connected(own_store.url) as connection:
        own_store.kill()
        await wait_until(lambda: not connection.statistics().connected, "the loss was noticed")
        replies = [connection.execute("RPUSH", "list", n) for n in range(3)]
        assert connection.statistics().queued == 3
        await own_store.restart()
        assert await asyncio.gather(*replies) == [1, 2, 3]
        assert connection.statistics().outcome_unknown == 0


async def test_a_loss_before_the_write_is_no_unknown_outcome(own_store: EmbeddedStore) -> None:
    async with connected(own_store.url) as connection:
        reply = connection.execute("PING")  # of this tick: not written yet
        assert connection._pipeline is not None
        connection._pipeline.drop()
        assert await reply == b"PONG"


async def test_unwritten_commands_fail_as_not_run(own_store: EmbeddedStore) -> None:
    async with connected(own_store.url, timeout_ms=SHORT_MS) as connection:
        own_store.kill()
        await wait_until(lambda: not connection.statistics().connected, "the loss was noticed")
        with pytest.raises(StoreUnavailable):
            await connection.execute("PING")
        assert connection.statistics().expired == 1
        assert connection.statistics().queued == 0


async def test_what_is_issued_in_the_moment_of_a_loss_does_not_wait_for_ever(
    own_store: EmbeddedStore,
) -> None:
    async with connected(own_store.url, timeout_ms=SHORT_MS) as connection:
        assert connection._pipeline is not None
        own_store.kill()
        connection._pipeline.drop()
        reply = connection.execute("PING")
        with pytest.raises(StoreUnavailable):
            await reply


async def test_reconnecting_leaks_nothing(own_store: EmbeddedStore, at_once: None) -> None:
    async with connected(own_store.url) as connection:
        before = open_files()
        for reconnects in range(1, 101):
            kill_clients(own_store)
            await wait_until(lambda n=reconnects: connection.statistics().connects == n + 1, "connected again")
        assert open_files() <= before
        assert len(ask(own_store, "CLIENT", "LIST").splitlines()) == 2


async def test_a_replica_is_not_written_to(own_store: EmbeddedStore) -> None:
    async with connected(own_store.url, scripts=[APPEND]) as connection:
        # Not dropped by the store, as its clients are on a real demotion: the reply itself must do it.
        ask(own_store, "CONFIG", "SET", "min-replicas-to-write", "1")
        with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
            await connection.execute("SET", "a", 1)
        ask(own_store, "CONFIG", "SET", "min-replicas-to-write", "0")
        ask(own_store, "REPLICAOF", "127.0.0.1", "1")
        with pytest.raises((StoreUnavailable, OutcomeUnknown)):
            await connection.run(APPEND, ["list"], [1])
        await wait_until(lambda: not connection.statistics().connected, "the replica was left")
        ask(own_store, "REPLICAOF", "NO", "ONE")
        assert await connection.execute("SET", "a", 1) == b"OK"


async def test_too_many_waiting_is_busy(connection: Connection) -> None:
    connection._max_waiting = 10
    replies = [connection.execute("PING") for _ in range(10)]
    with pytest.raises(Busy):
        connection.execute("PING")
    assert await asyncio.gather(*replies) == [b"PONG"] * 10
    assert await connection.execute("PING") == b"PONG"
    assert connection.statistics().refused_busy == 1


async def test_too_many_bytes_waiting_is_busy(connection: Connection) -> None:
    connection._max_waiting_bytes = 1_000
    large = connection.execute("SET", "a", b"x" * 2_000)  # alone, anything may pass
    with pytest.raises(Busy):
        connection.execute("SET", "b", b"x" * 10)
    assert await large == b"OK"
    assert await connection.execute("SET", "b", b"x" * 10) == b"OK"


async def test_closed_is_said(store_url: str) -> None:
    connection = Connection(store_url, name="test")
    with pytest.raises(StoreUnavailable):
        connection.execute("PING")
    await connection.open()
    waiting = connection.execute("BLPOP", "list", 0)
    await wait_until(lambda: connection.statistics().in_flight == 1, "BLPOP is in flight")
    unwritten = connection.execute("PING")
    await connection.close()
    with pytest.raises(OutcomeUnknown):
        await waiting
    with pytest.raises((StoreUnavailable, OutcomeUnknown)):
        await unwritten
    with pytest.raises(StoreUnavailable):
        connection.execute("PING")
    await connection.close()


# Scripts


async def test_a_script_runs_without_having_been_loaded(connection: Connection, writes: list[bytes]) -> None:
    assert await connection.run(APPEND, ["list"], ["a"]) == 1
    assert await connection.run(APPEND, ["list"], ["b"]) == 2
    assert len(writes) == 3  # refused, loaded and sent again, run


async def test_scripts_are_loaded_on_connect(store_url: str, writes: list[bytes]) -> None:
    async with connected(store_url, scripts=[APPEND]) as connection:
        writes.clear()
        assert await connection.run(APPEND, ["list"], ["a"]) == 1
        assert len(writes) == 1


async def test_a_flush_of_scripts_reorders_nothing(own_store: EmbeddedStore) -> None:
    async with connected(own_store.url, scripts=[APPEND]) as connection:
        replies: list[Any] = []
        for n in range(200):
            if n % 50 == 10:
                ask(own_store, "SCRIPT", "FLUSH")
            replies.append(connection.run(APPEND, ["list"], [n]))
            if n % 3 == 0:
                await connection.execute("PING") if n % 2 else await asyncio.sleep(0)
        assert await asyncio.gather(*replies) == list(range(1, 201))
        assert ask(own_store, "LRANGE", "list", "0", "-1") == [str(n) for n in range(200)]


async def test_a_bounced_script_goes_before_what_is_issued_after(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusals of one write may come in two reads; what is issued between them must wait."""
    known = Script("known", "return redis.call('RPUSH', KEYS[1], 'known')")
    await connection.run(known, ["list"], [])
    later: list[Any] = []
    refused = Pipeline._refused

    def issue_between(self: Pipeline, command: Any, error: Exception) -> None:
        refused(self, command, error)
        if not later:
            later.append(connection.run(known, ["list"], []))
            connection._flush()

    monkeypatch.setattr(Pipeline, "_refused", issue_between)
    first = [connection.run(APPEND, ["list"], [n]) for n in (0, 1)]
    assert await asyncio.gather(*first) == [2, 3]
    assert await later[0] == 4


async def test_a_bounced_script_survives_a_lost_connection(own_store: EmbeddedStore) -> None:
    async with connected(own_store.url) as connection:
        replies = [connection.run(APPEND, ["list"], [0]), connection.execute("BLPOP", "none", 0)]
        await wait_until(lambda: connection.statistics().in_flight == 1, "the script bounced")
        kill_clients(own_store)
        with pytest.raises(OutcomeUnknown):
            await replies[1]
        assert await replies[0] == 1


async def test_a_script_is_sent_again_only_once(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "pack", lambda _: b"*1\r\n$4\r\nPING\r\n")  # for SCRIPT LOAD
    with pytest.raises(NoScriptError):
        await connection.run(Script("never", "return 'never loaded'"), [], [])


# Connecting


async def test_the_hook_comes_before_waiting_commands(own_store: EmbeddedStore) -> None:
    seen: list[ConnectionInfo] = []

    async def hook(info: ConnectionInfo) -> None:
        seen.append(info)
        await info.direct.execute("RPUSH", "order", "hook")
        await info.direct.run(APPEND, ["order"], ["hook"])

    async with connected(own_store.url, scripts=[APPEND], on_connect=hook) as connection:
        own_store.kill()
        await wait_until(lambda: not connection.statistics().connected, "the loss was noticed")
        waiting = connection.execute("RPUSH", "order", "waiting")
        await own_store.restart()
        await waiting
        order = await connection.execute("LRANGE", "order", 0, -1)
    assert order == [b"hook", b"hook", b"hook", b"hook", b"waiting"]
    assert len({info.run_id for info in seen}) == 2
    assert (seen[0].server, seen[0].version) == (own_store.server.server, own_store.server.version)
    assert seen[0].notes == ()
    assert connection.info == seen[1]


async def test_a_hook_that_fails_at_first_is_raised(store_url: str) -> None:
    async def hook(info: ConnectionInfo) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Connection(store_url, name="test", on_connect=hook).open()


async def test_a_hook_that_fails_later_is_tried_again(own_store: EmbeddedStore, at_once: None) -> None:
    failures = iter([None, ZeroDivisionError(), StoreUnusable(), OutcomeUnknown(), None])

    async def hook(info: ConnectionInfo) -> None:
        if (error := next(failures)) is not None:
            raise error

    async with connected(own_store.url, on_connect=hook) as connection:
        kill_clients(own_store)
        await wait_until(lambda: connection.statistics().connects == 2, "connected again")
        assert await connection.execute("PING") == b"PONG"


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=str(tmp_path)):
        await Connection(f"unix://{tmp_path}/none", name="test", timeout_ms=SHORT_MS).open()


async def test_somebody_silent_there(own_store: EmbeddedStore) -> None:
    with stopped(own_store), pytest.raises(StoreUnavailable):
        await Connection(own_store.url, name="test", timeout_ms=SHORT_MS).open()


async def test_open_waits_for_a_store_that_starts_later(own_store: EmbeddedStore) -> None:
    own_store.kill()
    await own_store.wait_exit()
    connection = Connection(own_store.url, name="test")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.open())
        await own_store.restart()
    assert await connection.execute("PING") == b"PONG"
    await connection.close()


async def test_a_store_that_evicts_is_refused(own_store: EmbeddedStore) -> None:
    ask(own_store, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(StoreUnusable, match="allkeys-lru"):
        await Connection(own_store.url, name="test").open()


async def test_a_store_that_hides_its_settings_is_noted(own_store: EmbeddedStore) -> None:
    ask(own_store, "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-config")
    url = own_store.url.replace("unix://", "unix://app:secret@")
    async with connected(url) as connection:
        assert connection.info is not None
        assert ["noeviction" in note for note in connection.info.notes] == [True]


async def test_a_wrong_password_is_refused_and_not_repeated(own_store: EmbeddedStore) -> None:
    url = own_store.url.replace("unix://", "unix://app:secret@")
    with pytest.raises(StoreUnusable) as caught:
        await Connection(url, name="test").open()
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("url", ["", "http://localhost", "redis://host:port", "redis://h/0?socket_read_size=x"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(StoreUnusable):
        Connection(url, name="test")


def test_an_address_shows_no_secret() -> None:
    shown = {
        "redis://user:secret@host:6380/2?ssl_keyfile=secret": "redis://host:6380/2",
        "rediss://:secret@host": "rediss://host",
        "unix://user:secret@/run/s?password=secret": "unix:///run/s",
    }
    for url, text in shown.items():
        assert str(Address(url)) == text


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"redis_version": "6.0.16", "run_id": "a"}, StoreUnusable),
        ({"redis_version": "", "run_id": "a"}, StoreUnusable),
        ({"run_id": "a"}, StoreUnusable),
        ({"redis_version": "7.0.0"}, StoreUnusable),
        ({"redis_version": "7.0.0", "run_id": "a", "role": "slave"}, StoreUnavailable),
    ],
)
def test_what_cannot_be_used(facts: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        connection_module._check_usable(facts, "noeviction")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ERR no", ResponseError),
        ("NOSCRIPT No matching script", NoScriptError),
        ("LOADING Redis is loading the dataset in memory", StoreUnavailable),
        ("BUSY Redis is busy running a script", StoreUnavailable),
        ("READONLY You can't write against a read only replica.", StoreUnavailable),
        (
            "ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write",
            StoreUnavailable,
        ),
        ("OOM command not allowed when used memory > 'maxmemory'.", StoreUnavailable),
    ],
)
def test_what_an_error_reply_becomes(text: str, kind: type[Exception]) -> None:
    assert isinstance(reply_error(text), kind)
