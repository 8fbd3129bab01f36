"""Keys: each is documented, each carries its partition's tag, and none is left behind."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import Redis

from holdfast import App, Call, Turn, tool
from holdfast.core.ids import turn_id
from holdfast.store import keys as keys_module
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.erasure import erase_piece
from holdfast.store.keys import Keys, field
from holdfast.store.retention import trim
from holdfast.testing import Harness, TestSession, harness

LINE = re.compile(r"^    (hf:\S+) +(hash|zset|set|stream|string|list) +\S", re.MULTILINE)


def documented() -> dict[re.Pattern[str], str]:
    """Patterns of all documented names, and their types."""
    lines = LINE.findall(keys_module.__doc__ or "")
    return {_pattern(name): kind for name, kind in lines}


def _pattern(name: str) -> re.Pattern[str]:
    pattern = re.escape(name).replace(re.escape("{7}"), r"\{\d+\}")
    return re.compile(re.sub(r"AGENT@VERSION|SUBJECT|GROUP|ROLE|TARGET|LANE|TURN|ID", r"[^:]+", pattern))


def app() -> App:
    made = App()

    @tool(expires="1h")
    async def pay(call: Call[Any], amount: int) -> str:
        return f"paid {amount}"

    @made.agent("payer", tools=[pay])
    async def payer(turn: Turn) -> str:
        await turn.write("Paying. ")
        return (await turn.call(pay, 5)).status

    return made


@pytest.fixture
async def h(store_url: str) -> AsyncIterator[Harness]:
    async with harness(app(), url=store_url) as opened:
        yield opened


async def names(h: Harness) -> dict[str, str]:
    found = [name.decode() for name in await h.connection.execute("KEYS", "*")]
    kinds = await h.connection.execute_many([("TYPE", name) for name in found])
    return {name: _text(kind) for name, kind in zip(found, kinds, strict=True)}


def _text(kind: bytes | str) -> str:
    return kind.decode() if isinstance(kind, bytes) else kind


async def a_life(h: Harness) -> TestSession:
    """A session with all that can happen to one."""
    session = await h.start("payer", message="go", id="a-life")
    await session.approve(await session.wait_interrupt())
    await session.wait_finished()
    await session.send("once more")
    await session.wait_interrupt()
    await session.cancel()
    await session.wait_finished()
    await trim(h.door, h.log, session.id, retain=4)
    return session


async def test_every_key_is_documented_with_its_type(h: Harness) -> None:
    await a_life(h)
    patterns = documented()
    for name, kind in (await names(h)).items():
        kinds = [each for pattern, each in patterns.items() if pattern.fullmatch(name)]
        assert kind in kinds, f"{name} is a {kind}, documented: {kinds}"


async def test_after_its_life_a_session_waits_for_nothing(h: Harness) -> None:
    session = await a_life(h)
    partition, keys = h.door.keys.partition(session.id), h.door.keys
    left = await names(h)
    assert keys.inbox(partition) not in left
    assert keys.deadlines(partition) not in left
    assert keys.jobs(partition, "payer@1") not in left
    assert keys.folded(session.id) in left


async def test_of_a_deleted_session_only_the_tombstone_is_left(h: Harness) -> None:
    session = await a_life(h)
    keys = h.door.keys
    await h.connection.execute("HSET", keys.session(session.id), "alive", "0")
    while not await erase_piece(h.connection, keys, session.id):
        pass
    left = [name for name in await names(h) if session.id in name]
    assert left == [keys.session(session.id)]
    assert await h.connection.execute("HGETALL", left[0]) == [b"alive", b"0"]


def test_all_of_a_session_is_in_one_slot(store: EmbeddedStore) -> None:
    keys = Keys()
    session = "s_9f2d"
    turn = turn_id(session, "alice", "r")
    of_session = [
        keys.session(session),
        keys.log(session),
        keys.refs(session),
        keys.folded(session),
        keys.devices(session),
        keys.operations(turn),
    ]
    partition = keys.partition(session)
    of_partition = [keys.meta(partition), keys.deadlines(partition), keys.inbox(partition), keys.audit(partition)]
    with Redis.from_url(store.url) as client:
        slots = {client.execute_command("CLUSTER", "KEYSLOT", name) for name in of_session + of_partition}
    assert len(slots) == 1


def test_fields_of_records_do_not_meet() -> None:
    assert field("session", "rec") == "rec"
    assert field("turn", "x") != field("interrupt", "x")
