"""Retention: a log that was trimmed tells the same past as one that was not (promise 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from tests.store import sessions
from tests.store.sessions import SESSION, appending, done, log_of, writing

from holdfast import App, Turn
from holdfast.core import turns
from holdfast.core.commit import Commit
from holdfast.core.events import decode
from holdfast.core.folding import State, fold, load
from holdfast.core.ids import session_id
from holdfast.store import retention
from holdfast.store.door import Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.log import Entry, Log
from holdfast.testing import Harness, TestSession, harness, wait_until

#: What an agent does: writes, asks, records a step, or hangs in mid-sentence until its worker is killed.
deeds = st.lists(st.sampled_from(["write", "write", "ask", "step", "hang"]), min_size=1, max_size=5)


@pytest.fixture
async def door(own_store: EmbeddedStore) -> AsyncIterator[Door]:
    async with sessions.opened(own_store) as opened:
        yield opened


async def finish(door: Door, *, number: int, fence: Any) -> None:
    turn = await sessions.turn_of(door)
    session = (await door.read(SESSION)).session
    assert session is not None
    await done(door, turns.finish(session, turn, None, "completed", by=writing(fence, number).by))  # type: ignore[arg-type]


async def test_a_log_is_trimmed_to_its_newer_half(door: Door) -> None:
    log = Log(door.connection, door.keys)
    await sessions.begin(door)
    fence = await sessions.take(door)
    await done(door, writing(fence, 1, *"abcdefgh"))
    await finish(door, number=2, fence=fence)
    assert not await retention.trim(door, log, SESSION, retain=20)
    left = await log_of(door)
    assert await retention.trim(door, log, SESSION, retain=8)
    assert await log_of(door) == left[-4:]
    page = await log.page(SESSION, 0)
    assert page.floor == left[-4] - 1
    folded = await log.folded(SESSION)
    assert folded is not None
    assert load(folded).seq == page.floor


async def test_what_can_still_change_is_not_trimmed(door: Door) -> None:
    log = Log(door.connection, door.keys)
    turn = await sessions.begin(door)
    fence = await sessions.take(door)
    await done(door, writing(fence, 1, *"abcdefgh"))
    await retention.trim(door, log, SESSION, retain=2)
    state = await folded_from_what_is_left(log, SESSION)
    assert (await log_of(door))[0] == state.turns[turn.id].first, "the turn runs: its start stays"


async def test_the_floor_may_lie_where_something_was_compacted(door: Door) -> None:
    log = Log(door.connection, door.keys)
    await sessions.begin(door)
    fence = await sessions.take(door)
    await finish(door, number=1, fence=fence)
    outcome = await done(door, appending(*"abcdefgh"))
    await done(door, Commit(SESSION, "compact", erases=[outcome.last - 2]))
    assert await retention.trim(door, log, SESSION, retain=4)
    floor = (await log.page(SESSION, 0)).floor
    assert floor == outcome.last - 2
    stored = await log.folded(SESSION)
    assert stored is not None
    assert load(stored).seq == floor, "who reads on from it asks for nothing that is gone"


async def test_two_trim_at_once_and_one_does(door: Door) -> None:
    log = Log(door.connection, door.keys)
    await sessions.begin(door)
    fence = await sessions.take(door)
    await finish(door, number=1, fence=fence)
    await done(door, appending(*"abcdefgh"))
    trims = await asyncio.gather(*(retention.trim(door, log, SESSION, retain=4) for _ in range(5)))
    assert trims.count(True) == 1


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(scripts=st.lists(deeds, min_size=1, max_size=3), retain=st.integers(2, 30))
def test_every_position_leads_to_the_same_state(store: EmbeddedStore, scripts: list[list[str]], retain: int) -> None:
    with Redis.from_url(store.url) as client:
        client.flushall()
    asyncio.run(live_and_left_agree(store.url, scripts, retain))


async def live_and_left_agree(url: str, scripts: list[list[str]], retain: int) -> None:
    """Run the turns; hear every event as it happens; compare what a reader of what is left comes to."""
    hanging: list[asyncio.Event] = []
    own_id = session_id("alice", "kept")
    async with harness(agent_app(hanging), url=url) as h, AsyncRedis.from_url(url) as client:
        heard = client.pubsub()
        await heard.subscribe(h.door.keys.channel(own_id))
        await heard.get_message(timeout=5)
        session = await h.start("scripted", message=" ".join(scripts[0]), id=own_id)
        await live_through(h, session, hanging, scripts[0])
        for script in scripts[1:]:
            await retention.trim(h.door, h.log, own_id, retain)
            await session.send(" ".join(script))
            await live_through(h, session, hanging, script)
        await retention.trim(h.door, h.log, own_id, retain)
        head = (await h.log.page(own_id, 0)).head
        live = await hear_all(heard, head)
        await heard.aclose()  # type: ignore[no-untyped-call]
        assert [entry.seq for entry in live] == list(range(1, head + 1)), "live positions are dense"
        await all_agree(h.log, own_id, live)


async def all_agree(log: Log, session: str, live: list[Entry]) -> None:
    page = await log.page(session, 0)
    left, end = page.entries, shown(folded(State(), live))
    assert shown(await folded_from_what_is_left(log, session)) == end
    for position in range(page.floor, len(live) + 1):
        at_position = folded(State(), live[:position])
        assert shown(folded(at_position, [entry for entry in left if entry.seq > position])) == end


async def live_through(h: Harness, session: TestSession, hanging: list[asyncio.Event], script: list[str]) -> None:
    """Be the people, and the accidents, that a script needs."""
    for deed in script:
        if deed == "ask":
            await session.answer(await session.wait_interrupt(), {"text": "yes"})
        elif deed == "hang":
            await wait_until(lambda: bool(hanging), "the agent hangs")
            hanging.clear()
            await h.kill_worker()
    await session.wait_finished()


def agent_app(hanging: list[asyncio.Event]) -> App:
    app, hung = App(), set[tuple[str, int]]()

    @app.agent("scripted")
    async def scripted(turn: Turn) -> None:
        assert turn.message is not None
        for place, deed in enumerate(turn.message.text.split()):
            await turn.write(f"{deed} {place}. ")
            if deed == "ask":
                await turn.ask("Go on?")
            elif deed == "step":
                await turn.step("one", lambda: 1)
            elif deed == "hang" and (turn.id, place) not in hung:
                hung.add((turn.id, place))
                forever = asyncio.Event()
                hanging.append(forever)
                await forever.wait()

    return app


async def hear_all(heard: Any, head: int) -> list[Entry]:
    entries: list[Entry] = []
    while not entries or entries[-1].seq < head:
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=5)
        assert message is not None, "an event was not published"
        header, _, body = message["data"].partition(b"\n")
        _, seq, at, *lengths = header.decode().split(" ")
        for offset, length in enumerate(map(int, lengths)):
            entries.append(Entry(int(seq) + offset, int(at), body[:length]))
            body = body[length:]
    return entries


async def folded_from_what_is_left(log: Log, session: str) -> State:
    stored = await log.folded(session)
    page = await log.page(session, 0)
    return folded(load(stored) if stored else State(), page.entries)


def folded(state: State, entries: list[Entry]) -> State:
    for entry in entries:
        fold(state, entry.seq, entry.at, decode(entry.data))
    return state


def shown(state: State) -> Any:
    return msgspec.to_builtins(state)
