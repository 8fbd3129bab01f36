"""The last two: two devices answer a turn's last two interrupts at the same moment, and an answer meets the worker's
"now waiting". Always exactly one continuation (promise 4, rule a)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.acceptance.cluster import Cluster, Device

ROUNDS = 1_000
LANES = 20  # sessions side by side


@pytest.mark.timeout(240)
async def test_exactly_one_continuation(tmp_path: Path) -> None:
    async with Cluster(tmp_path, servers=2, workers=2) as cluster:
        await asyncio.gather(*(lane(cluster, number, ROUNDS // LANES) for number in range(LANES)))


async def lane(cluster: Cluster, number: int, rounds: int) -> None:
    alice = await cluster.device("alice", server=number % 2)
    bob = await cluster.device("bob", server=(number + 1) % 2)
    session = await alice.start("pairs", "round 0")
    await bob.attach(session)
    for count in range(rounds):
        await one_round(alice, bob, session, count)


async def one_round(alice: Device, bob: Device, session: str, count: int) -> None:
    start = len(alice.frames) if count else 0
    if count:
        await alice.ask({"type": "send", "session": session, "message": f"round {count}"})
    first = await alice.interrupt(start, input={"order_id": "A-1", "amount": 1.0})
    turn = first["turn"]
    second = await alice.interrupt(start, turn=turn, input={"order_id": "B-2", "amount": 2.0})
    if count % 2:
        # Both at once, most often before the worker has said that it waits.
        outcomes = await asyncio.gather(
            alice.answer(first, {"approved": True}), bob.answer(second, {"approved": False})
        )
    else:
        await alice.event("turn.waiting", start, turn=turn)
        outcomes = await asyncio.gather(
            alice.answer(first, {"approved": True}), bob.answer(second, {"approved": False})
        )
    assert [one["outcome"] for one in outcomes] == ["won", "won"]
    end = await alice.event("turn.finished", start, turn=turn)
    assert end["result"] == ["done", "denied"]
    assert len(alice.events("turn.resumed", turn=turn)) == 1
