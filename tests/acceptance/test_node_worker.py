"""An agent in Node, with the real AI SDK, that comes over HTTP: killed, frozen, cut off, and right in the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.cluster import Cluster, Device, wait_until
from tests.acceptance.test_replay import Folding

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/node-worker"
INSTALLED = ROOT / "tests/ecosystem/node_modules"
NODE = str(ROOT / ".venv/bin/node")
LEASE_MS = 2_000  # as short as a busy machine allows: each take-over waits for it
STORY = f"Once upon a time: {'on and on it went, ' * 12}and then it ended."


class NodeWorkers:
    """Worker processes of this test, of the example as it is."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.folder = cluster.folder / "node-worker"
        shutil.copytree(EXAMPLE, self.folder, ignore=shutil.ignore_patterns("node_modules"))
        (self.folder / "node_modules").symlink_to(INSTALLED)
        self.effects = cluster.folder / "refunds"
        self.effects.touch()
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    async def start(self, name: str, *, pace_ms: int = 20) -> None:
        env = {
            **os.environ,
            "HOLDFAST_URL": f"http://127.0.0.1:{self.cluster.ports[0]}",
            "HOLDFAST_TOKEN": self.cluster.token(name, can=("work",), agents=["node-support"]),
            "EFFECTS": str(self.effects),
            "PACE_MS": str(pace_ms),
        }
        self._launch(name, env)
        await self.said(name, "ready")

    def _launch(self, name: str, env: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as out:
            started = subprocess.Popen([NODE, "worker.mjs"], cwd=self.folder, env=env, stdout=out, stderr=out)
        self._children[name] = started

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    async def said(self, name: str, words: str) -> None:
        await wait_until(lambda: words in self.log(name), f"{name} says {words!r}; it said {self.log(name)!r}")

    def signal(self, name: str, number: int) -> None:
        os.kill(self._children[name].pid, number)

    def kill(self, name: str) -> None:
        """As kill -9 does."""
        child = self._children.pop(name)
        child.kill()
        child.wait()

    def refunds(self) -> list[str]:
        return [line.rpartition(" ")[0] for line in self.effects.read_text().splitlines()]

    def end(self) -> None:
        for child in self._children.values():
            child.send_signal(signal.SIGCONT)
            child.kill()
            child.wait()


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path, workers=0, env={"HOLDFAST_LEASE_MS": str(LEASE_MS)}) as made:
        yield made


@pytest.fixture
async def nodes(cluster: Cluster) -> AsyncIterator[NodeWorkers]:
    made = NodeWorkers(cluster)
    try:
        yield made
    finally:
        made.end()


async def snapshot(cluster: Cluster, session: str) -> dict[str, Any]:
    late = await cluster.device("alice", server=len(cluster.ports) - 1)
    return (await late.attach(session))["snapshot"]


async def text(cluster: Cluster, session: str) -> str:
    parts = (await snapshot(cluster, session))["messages"][-1]["parts"]
    return "".join(part.get("text", "") for part in parts)


async def asked(device: Device) -> dict[str, Any]:
    shown = await device.interrupt(kind="approval")
    await device.event("turn.waiting")
    return shown


async def test_two_devices_and_one_yes(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1")
    await cluster.start_server()
    alice, bob = await cluster.device(), await cluster.device("bob", server=1)
    session = await alice.start("node-support", "Please refund A-17, 200.")
    await bob.attach(session)
    shown = await asked(alice)
    assert (shown["toolName"], shown["input"]) == ("refund", {"order": "A-17", "amount": 200})
    first = await bob.answer(shown, {"approved": True, "input": {"order": "A-17", "amount": 150}})
    late = await alice.answer(shown, {"approved": True})
    assert (first["outcome"], late["outcome"]) == ("won", "lost")
    assert late["decision"] == first["decision"]
    for device in (alice, bob):
        assert (await device.event("turn.finished"))["status"] == "completed"
    assert nodes.refunds() == ["A-17 150"]
    assert await text(cluster, session) == "Let me see to that. Refunded 150."
    parts = (await snapshot(cluster, session))["messages"][-1]["parts"]
    assert [part["state"] for part in parts if part["type"] == "tool-refund"] == ["output-available"]


async def test_a_denial_reaches_the_model_word_for_word(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1")
    alice = await cluster.device()
    session = await alice.start("node-support", "Please refund A-17, 200.")
    await alice.answer(await asked(alice), {"approved": False, "reason": "Not without the parcel."})
    await alice.event("turn.finished", status="completed")
    assert nodes.refunds() == []
    assert await text(cluster, session) == "Let me see to that. Not refunded: Not without the parcel."


async def test_several_at_once_each_with_its_own_answer(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1")
    alice = await cluster.device()
    session = await alice.start("node-support", "Please refund A-17, 200 and refund B-2, 30.")
    first = await alice.interrupt(input={"order": "A-17", "amount": 200})
    second = await alice.interrupt(input={"order": "B-2", "amount": 30})
    await alice.event("turn.waiting")
    await alice.answer(second, {"approved": True})
    nodes.kill("node-1")
    await nodes.start("node-2")
    await alice.answer(first, {"approved": False, "reason": "Too much."})
    await alice.event("turn.finished", status="completed")
    assert nodes.refunds() == ["B-2 30"]
    assert await text(cluster, session) == "Let me see to that. Not refunded: Too much. Refunded 30."


async def test_killed_in_mid_turn_and_another_goes_on(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1", pace_ms=60)
    alice = await cluster.device()
    session = await alice.start("node-support", "Tell me a story.")
    await alice.wait(lambda frame: "went," in json.dumps(frame.get("event", {})), "it streams")
    nodes.kill("node-1")
    await nodes.start("node-2", pace_ms=5)
    await alice.event("message.rewound")
    assert (await alice.event("turn.finished"))["status"] == "completed"
    assert await text(cluster, session) == STORY
    assert "leased" in nodes.log("node-2")


async def test_killed_while_it_waits_and_the_model_is_not_asked_again(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1")
    alice = await cluster.device()
    session = await alice.start("node-support", "Please refund A-17, 200.")
    shown = await asked(alice)
    nodes.kill("node-1")
    await alice.answer(shown, {"approved": True})
    await nodes.start("node-2")
    await alice.event("turn.finished", status="completed")
    assert nodes.refunds() == ["A-17 200"]
    said = [event["chunk"] for event in alice.events("chunk") if event["chunk"]["type"] == "text-delta"]
    assert "".join(chunk["delta"] for chunk in said) == "Let me see to that. Refunded 200."
    assert await text(cluster, session) == "Let me see to that. Refunded 200."


async def test_server_and_worker_are_killed_while_it_waits(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1")
    alice = await cluster.device()
    session = await alice.start("node-support", "Please refund A-17, 200.")
    shown = await asked(alice)
    nodes.kill("node-1")
    cluster.servers[0].kill()
    await cluster.start_server(cluster.ports[0])
    bob = await cluster.device("bob")
    await bob.attach(session)
    assert (await bob.answer(shown, {"approved": True}))["outcome"] == "won"
    await nodes.start("node-2")
    await bob.event("turn.finished", status="completed")
    assert nodes.refunds() == ["A-17 200"]
    assert await text(cluster, session) == "Let me see to that. Refunded 200."


async def test_a_device_that_drops_in_mid_stream_misses_nothing(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1", pace_ms=40)
    alice = await cluster.device()
    session = await alice.start("node-support", "Tell me a story.")
    await alice.wait(lambda frame: "went," in json.dumps(frame.get("event", {})), "it streams")
    alice.drop()
    device = Folding()
    for frame in list(alice.frames):
        device.take(frame)
    again = await cluster.device()
    await again.attach(session, device.position)
    await again.event("turn.finished", status="completed")
    for frame in again.frames:
        device.take(frame)
    assert (device.text(), device.snapshots) == (STORY, 0)
    assert await text(cluster, session) == STORY


async def test_a_worker_that_was_frozen_writes_nothing_more(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1", pace_ms=60)
    alice = await cluster.device()
    session = await alice.start("node-support", "Tell me a story.")
    await alice.wait(lambda frame: "went," in json.dumps(frame.get("event", {})), "it streams")
    nodes.signal("node-1", signal.SIGSTOP)
    await nodes.start("node-2", pace_ms=5)
    await alice.event("turn.finished", status="completed")
    before = len(alice.events())
    nodes.signal("node-1", signal.SIGCONT)
    await nodes.said("node-1", "lost")
    assert await text(cluster, session) == STORY
    assert len(alice.events()) == before


async def test_its_server_is_killed_and_started_again(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1", pace_ms=60)
    await cluster.start_server()
    alice = await cluster.device(server=1)
    session = await alice.start("node-support", "Please refund A-17, 200.")
    shown = await asked(alice)
    cluster.servers[0].kill()
    await alice.answer(shown, {"approved": True})
    await cluster.start_server(cluster.ports[0])
    await alice.event("turn.finished", status="completed")
    assert nodes.refunds() == ["A-17 200"]
    start = len(alice.frames)
    await alice.ask({"type": "send", "session": session, "message": "Now a story."})
    await alice.wait(lambda frame: "went," in json.dumps(frame.get("event", {})), "it streams", start)
    cluster.servers[0].kill()
    await cluster.start_server(cluster.ports[0])
    ended = await alice.wait(
        lambda frame: frame.get("event", {}).get("type") == "turn.finished", "the story ends", start
    )
    assert ended["event"]["status"] == "completed"
    assert await text(cluster, session) == STORY


async def test_the_store_is_killed_in_mid_turn(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1", pace_ms=60)
    alice = await cluster.device()
    session = await alice.start("node-support", "Tell me a story.")
    await alice.wait(lambda frame: "went," in json.dumps(frame.get("event", {})), "it streams")
    cluster.store.kill()
    await cluster.store.restart()
    await alice.event("turn.finished", status="completed")
    assert await text(cluster, session) == STORY


async def test_cancelling_ends_the_stream_and_keeps_what_was_said(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1", pace_ms=60)
    alice = await cluster.device()
    session = await alice.start("node-support", "Tell me a story.")
    await alice.wait(lambda frame: "went," in json.dumps(frame.get("event", {})), "it streams")
    await alice.ask({"type": "cancel", "session": session})
    assert (await alice.event("turn.finished"))["status"] == "cancelled"
    told = await text(cluster, session)
    assert told.startswith("Once upon a time: on")
    assert told != STORY


async def test_a_worker_that_died_while_it_waited_gets_no_turn(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0, env={"HOLDFAST_LEASE_MS": "600000"}) as cluster:
        nodes = NodeWorkers(cluster)
        try:
            await nodes.start("node-1")
            await nodes.start("node-2")
            nodes.kill("node-1")  # all its places are before those of the other
            alice = await cluster.device()
            await alice.start("node-support", "Please refund A-17, 200.")
            await asked(alice)
            assert "leased" in nodes.log("node-2")
        finally:
            nodes.end()


async def test_asked_to_end_it_hands_its_turn_on_at_once(cluster: Cluster, nodes: NodeWorkers) -> None:
    await nodes.start("node-1", pace_ms=60)
    alice = await cluster.device()
    session = await alice.start("node-support", "Tell me a story.")
    await alice.wait(lambda frame: "went," in json.dumps(frame.get("event", {})), "it streams")
    nodes.signal("node-1", signal.SIGTERM)
    await nodes.said("node-1", "lost")
    await nodes.start("node-2", pace_ms=5)
    await alice.event("turn.finished", status="completed")
    assert await text(cluster, session) == STORY
