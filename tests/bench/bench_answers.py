"""How long people wait: from an answer to the other device's card, and to the agent's first word after it.

    python tests/bench/bench_answers.py

Real processes: a store, two servers, a worker. Milliseconds; the bound is a round trip on the same sockets (a ping)
plus one compare-and-set, interleaved with what is measured, because this machine is not alone.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from tests.acceptance.cluster import Cluster, Device

ROUNDS = 300


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Cluster(Path(folder), servers=2) as cluster:
            alice, bob = await cluster.device("alice", server=0), await cluster.device("bob", server=1)
            session = await alice.start("refunds")
            await bob.attach(session)
            rows = [await one_round(alice, bob, session, number) for number in range(ROUNDS)]
    names = ("ping", "card closed elsewhere", "turn resumed elsewhere", "next word elsewhere")
    print(f"{ROUNDS} answers, milliseconds{'':14} median      p99")
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        ordered = sorted(column)
        print(f"{name:38} {statistics.median(ordered):6.2f}   {ordered[int(len(ordered) * 0.99)]:6.2f}")


async def one_round(alice: Device, bob: Device, session: str, number: int) -> tuple[float, ...]:
    start = len(alice.frames) if number else 0
    if number:
        await alice.ask({"type": "send", "session": session, "message": f"round {number}"})
    shown = await alice.interrupt(start)
    await bob.event("turn.waiting", turn=shown["turn"])
    began = time.perf_counter()
    place = len(alice.frames)
    await alice.send({"type": "ping"})
    await alice.wait(lambda frame: frame["type"] == "pong", "a pong", place)
    ping = time.perf_counter() - began
    place, began = len(bob.frames), time.perf_counter()
    answering = asyncio.create_task(alice.answer(shown, {"approved": True}))
    await bob.event("interrupt.closed", place, interrupt=shown["id"])
    closed = time.perf_counter() - began
    await bob.event("turn.resumed", place, turn=shown["turn"])
    resumed = time.perf_counter() - began

    def word(frame: dict[str, object]) -> bool:
        event = frame.get("event")
        return isinstance(event, dict) and event.get("chunk", {}).get("type") == "text-delta"

    await bob.wait(word, "the next word", place)
    spoken = time.perf_counter() - began
    await answering
    await bob.event("turn.finished", place, turn=shown["turn"])
    return tuple(seconds * 1_000 for seconds in (ping, closed, resumed, spoken))


if __name__ == "__main__":
    asyncio.run(main())
