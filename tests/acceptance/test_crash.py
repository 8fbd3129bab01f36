"""Crashes: at every named place, and at random. The turn ends as if nothing had happened; tools ran once or are in
doubt; no event is lost or doubled (promises 3, 5, 10)."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.cluster import Cluster, Device, Process, wait_until

LEASE = {"HOLDFAST_LEASE_MS": "1200"}

#: Where a worker dies while it carries a turn of two tools and an approval. `#2` is the second time it gets there.
WORKER = [
    f"{when} {what}"
    for what in (
        "commit:take",
        "commit:begin",
        "commit:record",
        "commit:open",
        "commit:wait",
        "commit:take#2",
        "commit:begin#2",
        "commit:record#2",
        "commit:finish",
        "execute",
        "execute#2",
    )
    for when in ("before", "after")
]
SERVER = [f"{when} commit:{what}" for what in ("start", "decide") for when in ("before", "after")]


async def carried_to_its_end(cluster: Cluster, device: Device, session: str) -> dict[str, Any]:
    """Answer whatever is asked, as people do: approve what is to be approved, and say what happened if it is known.

    Always when the turn waits, so that every place is passed (test_last_two answers before it does).
    """
    answered: set[str] = set()
    while not device.events("turn.finished"):
        waits = len(device.events("turn.waiting")) > len(device.events("turn.resumed"))
        asked = [shown for shown in opened(device) if waits and shown["id"] not in answered]
        for shown in asked:
            answered.add(shown["id"])
            await device.answer(shown, payload_for(cluster, shown))
        if not asked:
            await device.wait(lambda _: True, "something happens", len(device.frames))
    return device.events("turn.finished")[0]


def opened(device: Device) -> list[dict[str, Any]]:
    shown = [event["interrupt"] for event in device.events("interrupt.opened")]
    for frame in device.frames:
        shown += (frame.get("snapshot") or {}).get("interrupts", [])
    return shown


def payload_for(cluster: Cluster, shown: dict[str, Any]) -> dict[str, Any]:
    if shown["kind"] != "in_doubt":
        return {"approved": True}
    ran = any(line[0] == shown["toolName"] for line in cluster.ran(shown["turn"]))
    return {"ran": True, "result": "it had happened"} if ran else {"ran": False}


def as_if_nothing_had_happened(cluster: Cluster, device: Device, end: dict[str, Any]) -> None:
    assert (end["status"], end["result"]) == ("completed", "done")
    turn = end["turn"]
    assert sorted(line[0] for line in cluster.ran(turn)) == ["lookup", "refund"]
    assert len(device.events("turn.started", turn=turn)) == 1
    assert len(device.events("turn.finished", turn=turn)) == 1
    assert len(device.events("interrupt.closed")) == len(device.events("interrupt.opened"))
    seqs = [frame["seq"] for frame in device.frames if frame["type"] == "event"]
    assert seqs == sorted(set(seqs))
    whole = device.events("message", turn=turn)[-1]["message"]
    text = "".join(part["text"] for part in whole["parts"] if part["type"] == "text")
    assert text == "Looking. Done."


@pytest.mark.timeout(300)
async def test_a_worker_dies_at_every_place(tmp_path: Path) -> None:
    room = asyncio.Semaphore(5)
    async with Cluster(tmp_path, workers=0, env=LEASE) as cluster:

        async def scenario(number: int, place: str) -> None:
            async with room:
                await dies_at(cluster, f"-{number}", place)

        await asyncio.gather(*(scenario(number, place) for number, place in enumerate(WORKER)))


async def dies_at(cluster: Cluster, suffix: str, place: str) -> None:
    mine = {"HOLDFAST_TEST_SUFFIX": suffix}
    victim = cluster.start_worker(env={**mine, "HOLDFAST_FAILPOINT": place})
    device = await cluster.device("alice", roles=("operator",))
    session = await device.start(f"refunds{suffix}")
    going = asyncio.create_task(carried_to_its_end(cluster, device, session))
    await wait_until(lambda: not victim.alive, f"the worker dies {place}")
    heir = cluster.start_worker(env=mine)
    try:
        as_if_nothing_had_happened(cluster, device, await asyncio.wait_for(going, 30))
    except BaseException as error:
        raise AssertionError(f"the worker died {place}\n{heir.output()[-2000:]}") from error
    heir.end()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("place", SERVER)
async def test_a_server_dies(tmp_path: Path, place: str) -> None:
    """The device repeats its command, with the same ref, on another server."""
    async with Cluster(tmp_path, servers=1, env=LEASE) as cluster:
        cluster._env = {**LEASE, "HOLDFAST_FAILPOINT": place}
        victim = await cluster.start_server()
        doomed = await cluster.device("alice", server=1)
        other = await cluster.device("alice", server=0)
        await other.start("asks")  # a worker serves
        start = {"type": "start", "agent": "refunds", "message": "go", "ref": "start-1"}
        reply = await repeated(doomed, other, victim, start)
        await other.attach(reply["session"], {"epoch": "", "seq": 0})
        shown = await other.interrupt(session=reply["session"])
        answer = {"type": "answer", "session": shown["session"], "interrupt": shown["id"], "status": "resolved"}
        answered = await repeated(doomed, other, victim, {**answer, "payload": {"approved": True}, "ref": "answer-1"})
        assert answered["outcome"] == "won"
        end = await other.event("turn.finished", turn=shown["turn"])
        assert end["result"] == "done"
        assert sorted(line[0] for line in cluster.ran(shown["turn"])) == ["lookup", "refund"]
        assert not victim.alive


async def repeated(doomed: Device, other: Device, victim: Process, frame: dict[str, Any]) -> dict[str, Any]:
    if victim.alive:
        asking = asyncio.create_task(doomed.ask(frame))
        await wait_until(lambda: asking.done() or not victim.alive, "a reply, or the server dies")
        if victim.alive:
            return await asking
        asking.cancel()
    return await other.ask(frame)


@pytest.mark.timeout(120)
async def test_a_frozen_worker_is_overtaken_and_cannot_write(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=1, env=LEASE) as cluster:
        device = await cluster.device()
        session = await device.start("slow")
        await device.wait(lambda frame: frame.get("event", {}).get("type") == "chunk", "the first words")
        frozen = cluster.workers[0]
        frozen.signal(signal.SIGSTOP)
        cluster.start_worker()
        await device.event("message.rewound")
        frozen.signal(signal.SIGCONT)
        end = await device.event("turn.finished")
        assert (end["status"], end["result"]) == ("completed", "done")
        assert len(cluster.ran()) == 1
        whole = device.events("message", turn=end["turn"])[-1]["message"]
        words = "".join(part["text"] for part in whole["parts"] if part["type"] == "text")
        assert words.split() == [str(number) for number in range(100)]
        assert session
        assert frozen.alive, "a worker that was overtaken goes on with other turns"


async def random_kills(cluster: Cluster, seed: int, kills: int) -> None:
    """Workers die at random moments while turns run side by side."""
    chance = random.Random(seed)
    device = await cluster.device("alice", roles=("operator",))
    await device.start("asks")
    for _ in range(kills):
        one = await cluster.device("alice", roles=("operator",))
        session = await one.start("refunds")
        going = asyncio.create_task(carried_to_its_end(cluster, one, session))
        await asyncio.sleep(chance.random() * 0.5)  # the moment of death, from the seed
        cluster.workers[-1].kill()
        cluster.start_worker()
        as_if_nothing_had_happened(cluster, one, await asyncio.wait_for(going, 30))


@pytest.mark.timeout(240)
async def test_workers_die_at_random(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seed = int(request.config.option.hypothesis_seed)
    async with Cluster(tmp_path, workers=1, env=LEASE) as cluster:
        await random_kills(cluster, seed, 12)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_workers_die_at_random_many_times(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seed = int(request.config.option.hypothesis_seed)
    async with Cluster(tmp_path, workers=1, env=LEASE) as cluster:
        await random_kills(cluster, seed, 200)


@pytest.mark.timeout(120)
async def test_the_store_dies(tmp_path: Path) -> None:
    """kill -9 of the store while a turn waits: a new epoch, and everything goes on."""
    async with Cluster(tmp_path, env=LEASE) as cluster:
        device = await cluster.device("alice", roles=("operator",))
        await device.start("refunds")
        shown = await device.interrupt()
        await device.event("turn.waiting")
        cluster.store.kill()
        await cluster.store.restart()
        start = len(device.frames)
        gap = await device.wait(lambda frame: frame["type"] == "gap", "a gap")
        assert gap["session"] == shown["session"]
        fresh = await device.wait(lambda frame: frame["type"] == "attached" and "snapshot" in frame, "a snapshot", 1)
        assert fresh["mode"] == "snapshot"
        answered = await device.answer(shown, {"approved": True})
        assert answered["outcome"] == "won"
        end = await device.event("turn.finished", start)
        assert end["result"] == "done"
        assert sorted(line[0] for line in cluster.ran(shown["turn"])) == ["lookup", "refund"]


@pytest.mark.timeout(120)
async def test_the_store_dies_in_mid_stream(tmp_path: Path) -> None:
    """Nothing that was acknowledged is lost with a process: the worker takes its turn again and goes on writing."""
    async with Cluster(tmp_path, env=LEASE) as cluster:
        device = await cluster.device()
        await device.start("slow")
        await device.wait(lambda frame: frame.get("event", {}).get("type") == "chunk", "the first words")
        cluster.store.kill()
        await cluster.store.restart()
        end = await device.event("turn.finished")
        assert (end["status"], end["result"]) == ("completed", "done")
        assert len(cluster.ran()) == 1
        whole = device.events("message", turn=end["turn"])[-1]["message"]
        words = "".join(part["text"] for part in whole["parts"] if part["type"] == "text")
        assert words.split() == [str(number) for number in range(100)]


@pytest.mark.timeout(120)
async def test_a_server_with_twenty_devices_dies(tmp_path: Path) -> None:
    """They come back elsewhere, from where they were, and have missed nothing."""
    async with Cluster(tmp_path, servers=2, env=LEASE) as cluster:
        watcher = await cluster.device(server=1)
        session = await watcher.start("streams", "2000 0.05")
        devices = [await cluster.device(server=0) for _ in range(20)]
        places = [await device.attach(session) for device in devices]
        await devices[0].wait(lambda frame: frame.get("event", {}).get("type") == "chunk", "the first words")
        cluster.servers[0].kill()
        assert len(places) == 20
        for device in devices:
            seqs = [
                frame["seq"] for frame in device.frames if frame.get("seq") and frame["type"] in ("event", "attached")
            ]
            back = await cluster.device(server=1)
            await back.attach(session, {"epoch": places[0]["epoch"], "seq": max(seqs)})
            await back.event("turn.finished")
            positions = [frame for frame in back.frames if frame["type"] == "event"]
            last = max(seqs)
            for frame in positions:
                assert frame.get("from", frame["seq"]) <= last + 1
                assert frame["seq"] > last
                last = frame["seq"]
