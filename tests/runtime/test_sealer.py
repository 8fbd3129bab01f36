"""The sealer on a real store: what it seals is proven, what is tampered with is found, and the chain never forks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast import App, Turn
from holdfast.commands import auditing, deleting
from holdfast.core.chain import Anchor, ring
from holdfast.core.verifying import Verdict
from holdfast.runtime.sealer import Sealer
from holdfast.store.trail import Trail
from holdfast.testing import Harness, TestSession, harness, person, wait_for

KEY = b"k" * 32
DAY_MS = 86_400_000


@pytest.fixture
async def h(store_url: str) -> AsyncIterator[Harness]:
    app = App()

    @app.agent("asker")
    async def asker(turn: Turn) -> None:
        await turn.ask("Which one?")

    async with harness(app, url=store_url) as opened:
        yield opened


def trail_of(h: Harness) -> Trail:
    return Trail(h.connection, h.door.keys)


def sealer_of(h: Harness, **more: Any) -> Sealer:
    return Sealer(trail_of(h), [KEY], **{"anchor_ms": 0, **more})


async def a_session(h: Harness, id: str = "s1") -> TestSession:
    """Three entries: it began, it asked, it was answered."""
    session = await h.start("asker", message="go", id=id)
    await session.answer(await session.wait_interrupt(), {"text": "this"})
    await session.wait_finished()
    return session


async def verified(h: Harness, anchors: tuple[Anchor, ...] = ()) -> list[Verdict]:
    return await auditing.verify(trail_of(h), ring([KEY]), anchors)


async def the(h: Harness, session: str = "s1") -> Verdict:
    """The verdict on the session's partition. All others must be whole."""
    verdicts = await verified(h)
    [own] = [one for one in verdicts if one.partition == h.door.keys.partition(session)]
    assert [one for one in verdicts if one.finding and one is not own] == []
    return own


async def test_what_happened_is_sealed_and_proven(h: Harness) -> None:
    await a_session(h)
    verdict = await the(h)
    assert (verdict.sealed, verdict.unsealed) == (0, 3)
    assert await sealer_of(h).seal_all() == 3
    verdict = await the(h)
    assert (verdict.sealed, verdict.unsealed, verdict.finding) == (3, 0, None)


async def test_nothing_new_makes_no_seal(h: Harness) -> None:
    await a_session(h)
    sealer, partition = sealer_of(h), h.door.keys.partition("s1")
    await sealer.seal_all()
    assert await sealer.seal_all() == 0
    assert len(await trail_of(h).seals(partition)) == 1


async def test_erasing_a_session_leaves_the_trail_whole(h: Harness) -> None:
    session = await a_session(h)
    await sealer_of(h).seal_all()
    await deleting.delete(h.backend, person("alice"), session.id, "d", "test")
    await h.advance("1 h")
    assert (await h.door.read(session.id)).gone
    verdict = await the(h)
    assert (verdict.sealed, verdict.unsealed, verdict.finding) == (3, 1, None)


Tamper = Callable[[Callable[..., Awaitable[Any]], str, str], Awaitable[Any]]


async def _rewritten(command: Any, stream: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """Write the stream anew, as an administrator of the store could."""
    rows = [[row[0], *row[1]] for row in await command("XRANGE", stream, "-", "+")]
    await command("DEL", stream)
    for row in change(rows):
        await command("XADD", stream, *row)


async def change(command: Any, audit: str, seals: str) -> None:
    await _rewritten(
        command, audit, lambda rows: [[*row[:2], row[2].replace(b"alice", b"mallo"), *row[3:]] for row in rows]
    )


async def later(command: Any, audit: str, seals: str) -> None:
    await _rewritten(command, audit, lambda rows: [rows[0], [*rows[1][:4], b"1"], rows[2]])


async def drop(command: Any, audit: str, seals: str) -> None:
    await command("XDEL", audit, "2-0")


async def drop_the_last(command: Any, audit: str, seals: str) -> None:
    await command("XDEL", audit, "3-0")


async def insert(command: Any, audit: str, seals: str) -> None:
    await _rewritten(command, audit, lambda rows: [*rows[:2], [b"2-1", *rows[1][1:]], rows[2]])


async def insert_at_the_end(command: Any, audit: str, seals: str) -> None:
    await command("XADD", audit, "4-0", "e", "{}", "t", "1")


async def reorder(command: Any, audit: str, seals: str) -> None:
    await _rewritten(
        command, audit, lambda rows: [[rows[1][0], *rows[2][1:]] if row is rows[1] else row for row in rows]
    )


async def drop_seals(command: Any, audit: str, seals: str) -> None:
    await command("DEL", seals)
    await command("DEL", audit)


async def drop_a_seal(command: Any, audit: str, seals: str) -> None:
    await command("XDEL", seals, "1-0")


async def forge_a_seal(command: Any, audit: str, seals: str) -> None:
    await _rewritten(command, seals, lambda rows: [[*rows[0][:2], rows[0][2].replace(b'"to":3', b'"to":2')]])


@pytest.mark.parametrize(
    ("tamper", "entry"),
    [
        (change, 1), (later, 2), (drop, 2), (drop_the_last, 3), (insert, 2), (insert_at_the_end, 4), (reorder, 2),
        (drop_seals, 1), (drop_a_seal, None), (forge_a_seal, None),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)  # fmt: skip
async def test_whatever_is_tampered_with_is_found(h: Harness, tamper: Tamper, entry: int | None) -> None:
    await a_session(h)
    await sealer_of(h).seal_all()
    partition = h.door.keys.partition("s1")
    await tamper(h.connection.execute, h.door.keys.audit(partition), h.door.keys.seals(partition))
    finding = (await the(h)).finding
    assert finding is not None
    assert finding.entry == entry


@pytest.mark.parametrize("tamper", [drop, drop_a_seal, forge_a_seal])
async def test_nothing_is_sealed_over_what_is_broken(h: Harness, tamper: Tamper) -> None:
    await a_session(h)
    await sealer_of(h).seal_all()
    partition = h.door.keys.partition("s1")
    if tamper is drop:  # among what is not sealed yet
        await a_session(h, _same(h, partition))
        await h.connection.execute("XDEL", h.door.keys.audit(partition), "5-0")
    else:
        await tamper(h.connection.execute, h.door.keys.audit(partition), h.door.keys.seals(partition))
    before = (await the(h)).finding
    await sealer_of(h, lease_ms=1).seal_all()
    assert before is not None
    assert (await the(h)).finding == before


def _same(h: Harness, partition: int) -> str:
    """Another session of that partition."""
    return next(name for n in range(1_000) if h.door.keys.partition(name := f"other-{n}") == partition)


async def test_one_has_the_lease_and_another_takes_over_when_it_is_gone(h: Harness) -> None:
    await a_session(h)
    partition = h.door.keys.partition("s1")
    first, second = sealer_of(h, lease_ms=300), sealer_of(h, lease_ms=300)
    assert await first.seal_partition(partition) == 3
    await a_session(h, _same(h, partition))
    assert await second.seal_partition(partition) == 0, "the first has the lease"

    async def taken_over() -> int | None:
        return await second.seal_partition(partition) or None

    assert await wait_for(taken_over, "the lease of the killed one has run out") == 3
    assert [seal.number for seal in await trail_of(h).seals(partition)] == [1, 2]
    assert (await the(h)).sealed == 6


async def test_two_that_both_think_they_have_it_do_not_fork_the_chain(h: Harness) -> None:
    sealers = [sealer_of(h, lease_ms=1) for _ in range(4)]  # a lease that is never kept is as good as none
    for number in range(6):
        await a_session(h, f"s{number % 2}-{number}")
        await asyncio.gather(*(sealer.seal_all() for sealer in sealers for _ in range(3)))

    async def all_sealed() -> bool | None:
        await asyncio.gather(*(sealer.seal_all() for sealer in sealers))
        return all(one.unsealed == 0 for one in await verified(h)) or None

    await wait_for(all_sealed, "everything is sealed")
    verdicts = await verified(h)
    assert [one.finding for one in verdicts if one.finding] == []
    assert sum(one.sealed for one in verdicts) == 18


async def test_a_store_that_was_put_back_is_found_by_its_anchors(h: Harness, tmp_path: Path) -> None:
    await a_session(h)
    partition, keys = h.door.keys.partition("s1"), h.door.keys
    names = (keys.audit(partition), keys.seals(partition))
    kept = tmp_path / "anchors"
    sealer = sealer_of(h, anchors=str(kept))
    await sealer.seal_all()
    copies = [await h.connection.execute("DUMP", name) for name in names]
    given = await h.connection.execute("HGET", keys.meta(partition), "entries")
    await a_session(h, _same(h, partition))
    await sealer.seal_all()
    anchors = tuple(msgspec.json.decode(line, type=Anchor) for line in kept.read_bytes().splitlines())
    assert [anchor.number for anchor in anchors if anchor.partition == partition] == [1, 2]
    assert all(one.finding is None for one in await verified(h, anchors))
    for name, copy in zip(names, copies, strict=True):
        await h.connection.execute("RESTORE", name, "0", copy, "REPLACE")
    await h.connection.execute("HSET", keys.meta(partition), "entries", given)
    assert all(one.finding is None for one in await verified(h)), "without anchors nobody can tell"
    [finding] = [one.finding for one in await verified(h, anchors) if one.finding]
    assert "seal 2 is missing" in finding.what


async def test_what_is_old_is_let_go_and_what_is_left_is_proven(h: Harness) -> None:
    await a_session(h)
    partition = h.door.keys.partition("s1")
    sealer = sealer_of(h, retain_ms=DAY_MS)
    await sealer.seal_all()
    await h.advance("2 days")
    await a_session(h, _same(h, partition))
    await sealer.seal_all()
    rows = await h.connection.execute("XRANGE", h.door.keys.audit(partition), "-", "+")
    assert [row[0] for row in rows] == [b"4-0", b"5-0", b"6-0"]
    verdict = await the(h)
    assert (verdict.sealed, verdict.floor, verdict.finding) == (3, 3, None)
    await h.advance("2 days")
    await sealer.seal_all()
    assert (await the(h)).floor == 6, "also where nothing new happens"
    assert await h.connection.execute("XLEN", h.door.keys.audit(partition)) == 0
    assert (await the(h)).finding is None


async def test_what_is_not_sealed_is_not_let_go(h: Harness) -> None:
    await a_session(h)
    await h.advance("2 days")
    await sealer_of(h, retain_ms=DAY_MS).seal_all()
    verdict = await the(h)
    assert (verdict.sealed, verdict.floor) == (3, 0)


async def test_another_key_goes_on_and_the_retired_one_still_proves(h: Harness) -> None:
    await a_session(h)
    await sealer_of(h, lease_ms=1).seal_all()
    partition = h.door.keys.partition("s1")
    await a_session(h, _same(h, partition))
    newer = Sealer(trail_of(h), [b"n" * 32, KEY])

    async def all_sealed() -> bool | None:
        await newer.seal_all()
        return (await auditing.verify(trail_of(h), ring([b"n" * 32, KEY])))[partition].sealed == 6 or None

    await wait_for(all_sealed, "the new key seals")
    verdicts = await auditing.verify(trail_of(h), ring([b"n" * 32, KEY]))
    assert [one.finding for one in verdicts if one.finding] == []
    assert (await the(h)).finding is not None, "the new key was not given"
