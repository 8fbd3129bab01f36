"""An older copy of the store put in its place: it is noticed, and nobody writes on what it has forgotten."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.store import sessions
from tests.store.sessions import SESSION, appending, done, named, why, writing

from holdfast.core import turns
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.log import Log


async def test_an_older_copy_is_noticed(tmp_path: Path, store_binary: str | None) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    store = EmbeddedStore(data, binary=store_binary)
    await store.start()
    async with sessions.opened(store) as door:
        await sessions.begin(door)
        fence = await sessions.take(door)
        await done(door, writing(fence, 1, "both have this"))
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("lock"))
        lost = await done(door, writing(fence, 2, "the copy", "has not"))
        old_epoch, old_head = door.epoch(SESSION), lost.last
        await store.stop()
        shutil.rmtree(data)
        copy.rename(data)
        await store.start()

    async with sessions.opened(store) as door:
        view = await door.read(SESSION)
        assert view.epoch != old_epoch
        assert view.head == old_head - 2, "it has forgotten what was acknowledged"
        page = await Log(door.connection, door.keys).page(SESSION, old_head)
        assert (page.epoch, page.entries) == (view.epoch, []), "the old position means nothing here"
        assert await why(door, writing(fence, 3, "x")) == "epoch", "its worker is stale"
        assert await why(door, writing(fence, 2, "x")) == "epoch", "also where the numbers would fit"
        assert await why(door, appending("x", epoch=old_epoch, by=named("r"))) == "epoch"

        # What comes next takes the forgotten positions: only the epoch tells the two apart.
        taken = await done(door, turns.release(await sessions.turn_of(door)))
        new = await done(door, appending("another past", "of the same length"))
        assert (new.last, new.epoch, taken.epoch) == (old_head, view.epoch, view.epoch)
    await store.stop()


async def test_the_same_copy_twice_is_two_epochs(tmp_path: Path) -> None:
    """A copy counts the same generations again; the run's own name keeps its epochs apart."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    store = EmbeddedStore(data)
    await store.start()
    async with sessions.opened(store) as door:
        await sessions.begin(door)
    await store.stop()
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("lock"))
    epochs = []
    for _ in range(2):
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        await store.start()
        async with sessions.opened(store) as door:
            epochs.append((await door.read(SESSION)).epoch)
        await store.stop()
    generations = {epoch.split("-")[0] for epoch in epochs}
    assert len(set(epochs)) == 2
    assert len(generations) == 1
