"""The subscription: hears what is published, and says so when it may have missed something."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError
from tests.waiting import wait_until

from holdfast.core.errors import StoreUnavailable
from holdfast.store.connection import Connection
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.subscription import BATCH, Subscription

PROBE_MS = 30


class Heard:
    """What a subscription told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.gaps = 0

    def message(self, channel: str, payload: bytes) -> None:
        self.messages.append((channel, payload))

    def gap(self) -> None:
        self.gaps += 1


@pytest.fixture
def heard() -> Heard:
    return Heard()


@asynccontextmanager
async def subscribed(url: str, heard: Heard, **options: Any) -> AsyncIterator[Subscription]:
    options = {"publish": _publish_nothing, "name": "test-subscription", **options}
    subscription = Subscription(url, heard.message, heard.gap, **options)
    await subscription.open()
    try:
        yield subscription
    finally:
        await subscription.close()


async def _publish_nothing(channel: str, payload: bytes) -> None:
    raise StoreUnavailable


def ask(url: str, *command: str | bytes) -> Any:
    with Redis.from_url(url, decode_responses=True) as client:
        return client.execute_command(*command)


class Proxy:
    """Stands between a subscription and the store, and can stop passing on while staying connected."""

    def __init__(self, target: str, path: Path) -> None:
        self.url = f"unix://{path}"
        self._target = target.removeprefix("unix://")
        self._path = path
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_unix_server(self._accept, str(self._path))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.freeze()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*[writer.wait_closed() for writer in self._writers], return_exceptions=True)

    def freeze(self) -> None:
        """What is connected now passes nothing on any more; later connections do."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        self._writers += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._tasks.append(asyncio.create_task(self._pass_on(source, sink)))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()


async def test_what_is_published_is_heard_in_order(store_url: str, heard: Heard) -> None:
    async with subscribed(store_url, heard) as subscription:
        await subscription.subscribe("a")
        await subscription.subscribe("é")
        published = [("a" if n % 2 else "é", bytes([n])) for n in range(50)]
        for channel, payload in published:
            assert ask(store_url, "PUBLISH", channel, payload) == 1
        await wait_until(lambda: len(heard.messages) == 50, "all were heard")
        assert heard.messages == published
        assert heard.gaps == 0


async def test_unsubscribed_hears_nothing(store_url: str, heard: Heard) -> None:
    async with subscribed(store_url, heard) as subscription:
        await asyncio.gather(subscription.subscribe("a"), subscription.subscribe("b"))
        ending = asyncio.create_task(subscription.unsubscribe("a"))
        await ending
        assert ask(store_url, "PUBLISH", "a", "late") == 0
        ask(store_url, "PUBLISH", "b", "heard")
        await wait_until(lambda: len(heard.messages) > 0, "a message was heard")
        assert heard.messages == [("b", b"heard")]
        await subscription.subscribe("a")
        assert ask(store_url, "PUBLISH", "a", "again") == 1
        await subscription.unsubscribe("never subscribed")


async def test_nothing_is_dispatched_after_the_call_of_unsubscribe(store_url: str, heard: Heard) -> None:
    async with subscribed(store_url, heard) as subscription:
        await subscription.subscribe("a")
        ask(store_url, "PUBLISH", "a", "under way")
        await subscription.unsubscribe("a")
        assert heard.messages == []


async def test_it_recovers_from_a_kill(own_store: EmbeddedStore, heard: Heard) -> None:
    channels = [f"channel-{n}" for n in range(2 * BATCH + 1)]
    async with subscribed(own_store.url, heard) as subscription:
        await asyncio.gather(*[subscription.subscribe(channel) for channel in channels])
        await subscription.unsubscribe(channels[0])
        ask(own_store.url, "CLIENT", "KILL", "TYPE", "pubsub")
        await wait_until(lambda: heard.gaps == 1, "the gap was told")
        with Redis.from_url(own_store.url) as client:
            receivers = [client.publish(channel, b"") for channel in channels]
        assert receivers == [0] + [1] * (len(channels) - 1)
        await wait_until(lambda: len(heard.messages) == len(channels) - 1, "all were heard")
        assert subscription.statistics().connects == 2


async def test_it_recovers_from_a_restart_of_the_store(own_store: EmbeddedStore, heard: Heard) -> None:
    async with subscribed(own_store.url, heard) as subscription:
        await subscription.subscribe("before")
        own_store.kill()
        await wait_until(lambda: not subscription.statistics().connected, "the loss was noticed")
        subscribing = asyncio.create_task(subscription.subscribe("while away"))
        await own_store.restart()
        await subscribing
        for channel in ("before", "while away"):
            assert ask(own_store.url, "PUBLISH", channel, "x") == 1
        await wait_until(lambda: len(heard.messages) == 2, "both were heard")
        assert heard.gaps == 1


async def test_a_subscribe_in_flight_at_a_loss_is_no_confirmation(
    store: EmbeddedStore, heard: Heard, tmp_path: Path
) -> None:
    async with Proxy(store.url, tmp_path / "p") as proxy, subscribed(proxy.url, heard) as subscription:
        proxy.freeze()
        subscribing = asyncio.create_task(subscription.subscribe("a"))
        await asyncio.sleep(0)
        assert subscription._feed is not None
        subscription._feed.drop()
        await subscribing
        assert ask(store.url, "PUBLISH", "a", "x") == 1


async def test_subscribing_fails_in_time_and_leaves_nothing(own_store: EmbeddedStore, heard: Heard) -> None:
    async with subscribed(own_store.url, heard, timeout_ms=100) as subscription:
        os.kill(own_store.pid, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnavailable):
                await subscription.subscribe("a")
            assert subscription.statistics().channels == 0
        finally:
            os.kill(own_store.pid, signal.SIGCONT)
        await wait_until(lambda: ask(own_store.url, "PUBLISH", "a", "x") == 0, "nobody is subscribed")


async def test_a_cancelled_subscribe_leaves_nothing(store_url: str, heard: Heard) -> None:
    async with subscribed(store_url, heard) as subscription:
        subscribing = asyncio.create_task(subscription.subscribe("a"))
        await asyncio.sleep(0)
        subscribing.cancel()
        await subscription.subscribe("b")
        assert subscription.statistics().channels == 1
        await subscription.unsubscribe("b")
        assert ask(store_url, "PUBSUB", "NUMSUB", "a") in (["a", 0], {"a": 0})


async def test_a_forbidden_channel_is_said(own_store: EmbeddedStore, heard: Heard) -> None:
    ask(own_store.url, "ACL", "SETUSER", "app", "on", ">secret", "~*", "resetchannels", "+@all")
    ask(own_store.url, "ACL", "SETUSER", "app", "&holdfast:*")
    url = own_store.url.replace("unix://", "unix://app:secret@")
    async with subscribed(url, heard) as subscription:
        with pytest.raises(ResponseError):
            await subscription.subscribe("other")
        await subscription.subscribe("holdfast:a")
        assert ask(own_store.url, "PUBLISH", "holdfast:a", "x") == 1


async def test_what_a_handler_raises_stops_nothing(store_url: str, heard: Heard) -> None:
    def fail_once(channel: str, payload: bytes) -> None:
        heard.message(channel, payload)
        if len(heard.messages) == 1:
            raise ZeroDivisionError

    subscription = Subscription(store_url, fail_once, heard.gap, publish=_publish_nothing)
    await subscription.open()
    await subscription.subscribe("a")
    for payload in ("1", "2"):
        ask(store_url, "PUBLISH", "a", payload)
    await wait_until(lambda: len(heard.messages) == 2, "the second was heard")
    assert heard.gaps == 0
    await subscription.close()


async def test_a_healthy_idle_subscription_is_left_alone(connection: Connection, store: EmbeddedStore) -> None:
    heard = Heard()

    async def publish(channel: str, payload: bytes) -> None:
        await connection.execute("PUBLISH", channel, payload)

    async with subscribed(store.url, heard, publish=publish, probe_ms=PROBE_MS) as subscription:
        await wait_until(lambda: subscription.statistics().probes == 3, "it was probed")
        statistics = subscription.statistics()
    assert (statistics.connects, statistics.probes_lost, heard.gaps) == (1, 0, 0)
    assert heard.messages == []


async def test_a_wedged_subscription_is_found(
    connection: Connection, store: EmbeddedStore, heard: Heard, tmp_path: Path
) -> None:
    async def publish(channel: str, payload: bytes) -> None:
        await connection.execute("PUBLISH", channel, payload)

    async with (
        Proxy(store.url, tmp_path / "p") as proxy,
        subscribed(proxy.url, heard, publish=publish, probe_ms=PROBE_MS) as subscription,
    ):
        await subscription.subscribe("a")
        proxy.freeze()
        ask(store.url, "PUBLISH", "a", "lost")
        await wait_until(lambda: heard.gaps == 1, "the gap was told")
        assert subscription.statistics().probes_lost == 1
        ask(store.url, "PUBLISH", "a", "heard")
        await wait_until(lambda: heard.messages == [("a", b"heard")], "what came later was heard")


async def test_a_store_that_is_away_for_all_is_no_wedged_subscription(own_store: EmbeddedStore, heard: Heard) -> None:
    probed: list[str] = []

    async def publish(channel: str, payload: bytes) -> None:
        probed.append(channel)
        raise StoreUnavailable

    async with subscribed(own_store.url, heard, publish=publish, probe_ms=PROBE_MS) as subscription:
        await wait_until(lambda: len(probed) == 3, "it tried to probe")
        assert subscription.statistics().connects == 1
        assert subscription.statistics().probes_lost == 0


async def test_closed_is_said(store_url: str, heard: Heard) -> None:
    async with subscribed(store_url, heard) as subscription:
        await subscription.subscribe("a")
    with pytest.raises(StoreUnavailable):
        await subscription.subscribe("b")
    assert ask(store_url, "PUBLISH", "a", "x") == 0
    await subscription.unsubscribe("a")


async def test_closing_ends_who_waits(own_store: EmbeddedStore, heard: Heard) -> None:
    subscription = Subscription(own_store.url, heard.message, heard.gap, publish=_publish_nothing)
    await subscription.open()
    own_store.kill()
    await wait_until(lambda: not subscription.statistics().connected, "the loss was noticed")
    waiting = asyncio.create_task(subscription.subscribe("a"))
    await asyncio.sleep(0)
    await subscription.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await waiting


async def test_nobody_there(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(StoreUnavailable):
        async with subscribed(f"unix://{tmp_path}/none", heard, timeout_ms=100):
            pass
