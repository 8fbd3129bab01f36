"""Replay: a device that breaks off and comes back, again and again, has every character once (promise 9)."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.acceptance.cluster import Cluster, Device

from holdfast.core.events import decode
from holdfast.core.folding import State, dump, fold, from_snapshot

CHUNKS = 5_000
RETURNS = 100


class Folding:
    """A device's state over all its connections: what it folds must follow on what it has."""

    def __init__(self) -> None:
        self.state = State()
        self.snapshots = 0

    @property
    def position(self) -> dict[str, Any]:
        return {"epoch": self.state.epoch, "seq": self.state.seq}

    def take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "attached" and frame["mode"] == "snapshot":
            self.snapshots += 1
            self.state = from_snapshot(frame["snapshot"], frame["epoch"], frame["seq"])
        elif frame["type"] == "attached":
            assert frame["seq"] == self.state.seq
            self.state.epoch = frame["epoch"]
        elif frame["type"] == "event":
            assert frame["seq"] > self.state.seq, "sent twice"
            assert frame.get("from", frame["seq"]) <= self.state.seq + 1, "a hole"
            fold(self.state, frame["seq"], frame["at"], decode(msgspec.json.encode(frame["event"])))

    def text(self) -> str:
        return "".join(one.message.text for one in self.state.ordered if one.message.role == "assistant")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("pause", ["0.03", ""], ids=["stream", "burst"])
async def test_killed_and_back_a_hundred_times(tmp_path: Path, request: pytest.FixtureRequest, pause: str) -> None:
    chance = random.Random(int(request.config.option.hypothesis_seed))
    async with Cluster(tmp_path, servers=2) as cluster:
        witness = await cluster.device()
        session = await witness.start("streams", f"{CHUNKS} {pause}".strip())
        folding = Folding()
        for number in range(RETURNS):
            device = await cluster.device(server=number % 2)
            await device.attach(session, folding.position)
            frames = chance.randrange(1, 2 * CHUNKS // RETURNS) if number < RETURNS - 1 else None
            await taken(device, folding, frames)
            device.drop()
        assert folding.text() == "".join(f"{number} " for number in range(CHUNKS))
        assert folding.snapshots == 0, "its place was never lost"
        await witness.event("turn.finished")
        whole = Folding()
        for frame in witness.frames:
            whole.take(frame)
        assert dump(folding.state) == dump(whole.state)


async def taken(device: Device, folding: Folding, frames: int | None) -> None:
    """Fold so many frames, or all until the turn has ended."""
    place = next(n for n, frame in enumerate(device.frames) if frame["type"] == "attached")

    def ended() -> bool:
        return any(turn.status == "finished" for turn in folding.state.turns.values())

    count = 0
    while not (ended() if frames is None else ended() or count >= frames):
        await device.wait(lambda _: True, "another frame", place)
        folding.take(device.frames[place])
        place, count = place + 1, count + 1


async def test_positions_that_cannot_be_replayed(tmp_path: Path) -> None:
    """Another epoch and the future get a gap and a snapshot; what is malformed gets a clear error."""
    async with Cluster(tmp_path) as cluster:
        device = await cluster.device()
        session = await device.start("streams", "10")
        await device.event("turn.finished")
        here = (await device.attach(session))["epoch"]
        for since in ({"epoch": "9-other", "seq": 3}, {"epoch": here, "seq": 10_000}):
            start = len(device.frames)
            attached = await device.attach(session, since)
            assert attached["mode"] == "snapshot"
            gap = await device.wait(lambda frame: frame["type"] == "gap", "a gap", start)
            assert gap["requested"] == since
        for wrong in ({"epoch": here, "seq": -1}, {"epoch": here, "seq": "3"}, {"seq": 3}, "3"):
            reply = await device.ask({"type": "attach", "session": session, "since": wrong})
            assert (reply["type"], reply["code"]) == ("error", "bad_request"), reply
        await asyncio.sleep(0)
