"""A turn's writer: one commit at a time, each known by its number; renewed after a restart, or stopped."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.store import sessions
from tests.store.sessions import SESSION, chunk, done, log_of

from holdfast.core import turns
from holdfast.core.commit import Commit, Fence
from holdfast.core.errors import OutcomeUnknown
from holdfast.core.turns import TurnRecord
from holdfast.runtime.transcript import Transcript
from holdfast.runtime.writer import LeaseLost, TurnWriter
from holdfast.store.door import Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.log import Log


@asynccontextmanager
async def writing(door: Door) -> AsyncIterator[TurnWriter]:
    """A writer that has taken the first turn."""
    await sessions.begin(door)
    fence = await sessions.take(door)
    yield _writer(door, await sessions.turn_of(door), fence)


def _writer(door: Door, turn: TurnRecord, fence: Fence) -> TurnWriter:
    return TurnWriter(door, Log(door.connection, door.keys), turn, fence, Transcript(turn.id, turn.message))


async def say(writer: TurnWriter, text: str) -> None:
    await writer.write(chunk(text, writer.turn.id, writer.turn.message))
    await writer.flush()


async def test_it_goes_on_after_a_restart_that_lost_nothing(own_store: EmbeddedStore) -> None:
    async with sessions.opened(own_store) as door, writing(door) as writer:
        await say(writer, "before")
        old = writer.fence
        await own_store.restart()
        await say(writer, "after")
        await writer.heartbeat()
        assert writer.fence.epoch != old.epoch
        assert writer.fence.number == old.number + 1
        assert await log_of(door) == list(range(1, (await door.read(SESSION)).head + 1))
        assert await sessions.why(door, sessions.writing(old, 2, "x")) == "epoch"


async def test_it_stops_when_the_store_came_back_without_what_it_wrote(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    store = EmbeddedStore(data)
    await store.start()
    async with sessions.opened(store) as door, writing(door) as writer:
        await say(writer, "both have this")
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("lock"))
        await say(writer, "the copy has not")
        store.kill()
        await store.wait_exit()
        for file in (data / "appendonlydir").iterdir():
            shutil.copy(copy / "appendonlydir" / file.name, file)
        await store.restart()
        before = await log_of(door)
        with pytest.raises(LeaseLost, match="without what this worker wrote"):
            await say(writer, "x")
        assert await log_of(door) == before
    await store.stop()


async def test_it_stops_when_another_took_the_turn_after_the_restart(own_store: EmbeddedStore) -> None:
    async with sessions.opened(own_store) as door, writing(door) as writer:
        await say(writer, "before")
        await own_store.restart()
        await done(door, turns.release(await sessions.turn_of(door)))
        await sessions.take(door)
        with pytest.raises(LeaseLost):
            await say(writer, "x")


class LosesOneReply:
    """A door whose next commit is applied, and whose store then restarts before the reply arrives."""

    def __init__(self, door: Door, store: EmbeddedStore) -> None:
        self._door, self._store = door, store
        self.losing = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._door, name)

    async def commit(self, commit: Commit) -> object:
        outcome = await self._door.commit(commit)
        if not self.losing:
            return outcome
        self.losing = False
        await self._store.restart()
        raise OutcomeUnknown


async def test_a_commit_whose_reply_was_lost_in_the_restart_is_not_made_twice(own_store: EmbeddedStore) -> None:
    async with sessions.opened(own_store) as door, writing(door) as started:
        losing = LosesOneReply(door, own_store)
        writer = _writer(losing, started.turn, started.fence)  # type: ignore[arg-type]
        await say(writer, "before")
        losing.losing = True
        await say(writer, "once")
        await say(writer, "after")
        page = await Log(door.connection, door.keys).page(SESSION, 0)
        texts = [word for word in (b"before", b"once", b"after") for e in page.entries if word in e.data]
        assert texts == [b"before", b"once", b"after"]
        assert writer.fence.epoch == door.epoch(SESSION)


async def test_a_turn_let_go_by_a_commit_whose_reply_was_lost_is_let_go(own_store: EmbeddedStore) -> None:
    async with sessions.opened(own_store) as door, writing(door) as started:
        losing = LosesOneReply(door, own_store)
        writer = _writer(losing, started.turn, started.fence)  # type: ignore[arg-type]
        losing.losing = True
        await writer.commit(lambda turn, by: turns.release(turn, by))
        assert (await sessions.turn_of(door)).status == "ready"
        with pytest.raises(LeaseLost):
            await say(writer, "x")
