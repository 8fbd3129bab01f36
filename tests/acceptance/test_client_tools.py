"""Tools that run on devices: one does the work, another takes over when it is killed; answers come from anywhere."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.cluster import Cluster, Device, wait_until

HANDLING = Path(__file__).with_name("handling.py")
IN_JAVASCRIPT = Path(__file__).with_name("handling.mjs")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path, servers=2) as running:
        yield running


class Devices:
    """Device processes of this test."""

    def __init__(self, cluster: Cluster, session: str) -> None:
        self._cluster, self._session, self.folder = cluster, session, cluster.folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    async def start(self, name: str, server: int) -> None:
        url = f"http://127.0.0.1:{self._cluster.ports[server]}"
        args = [url, self._cluster.token("alice"), self._session, name, str(self.folder)]
        self._launch(name, args)
        await wait_until(lambda: [name] in self.lines("ready"), f"{name} is attached")

    def _launch(self, name: str, args: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as out:
            self._children[name] = subprocess.Popen([sys.executable, str(HANDLING), *args], stdout=out, stderr=out)

    def lines(self, file: str) -> list[list[str]]:
        path = self.folder / file
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def kill(self, name: str) -> None:
        """As kill -9 does."""
        self._children[name].kill()
        self._children[name].wait()

    def end(self) -> None:
        for child in self._children.values():
            child.kill()
            child.wait()


async def test_another_device_takes_over_when_the_first_is_killed(cluster: Cluster) -> None:
    watching = await cluster.device()
    session = await watching.start("finds")
    shown = await watching.interrupt(kind="client_tool")
    devices = Devices(cluster, session)
    try:
        await devices.start("first", 0)
        await wait_until(lambda: len(devices.lines("begun")) == 1, "the first has begun")
        await devices.start("second", 1)
        await watching.event("interrupt.updated", changes={"progress": {"by": "first"}})
        devices.kill("first")
        await wait_until(lambda: len(devices.lines("begun")) == 2, "the second has taken over")
        (devices.folder / "go").touch()
        assert (await watching.event("turn.finished"))["result"] == "second"
        assert devices.lines("begun") == [["first", shown["toolCallId"]], ["second", shown["toolCallId"]]]
        assert devices.lines("effects") == [["second", shown["toolCallId"]]]
        assert len(watching.events("interrupt.closed")) == 1
    finally:
        devices.end()


async def test_a_server_that_is_killed_takes_no_work_from_its_device(cluster: Cluster) -> None:
    watching = await cluster.device(server=1)
    session = await watching.start("finds")
    devices = Devices(cluster, session)
    try:
        await devices.start("first", 0)
        await wait_until(lambda: len(devices.lines("begun")) == 1, "the first has begun")
        await devices.start("second", 1)
        cluster.servers[0].kill()
        (devices.folder / "go").touch()
        await cluster.start_server(cluster.ports[0])
        assert (await watching.event("turn.finished"))["result"] == "first"
        assert [name for name, _ in devices.lines("begun")] == ["first"]
        assert [name for name, _ in devices.lines("effects")] == ["first"]
    finally:
        devices.end()


async def test_a_device_in_javascript_on_a_real_server(cluster: Cluster) -> None:
    watching = await cluster.device()
    url = f"http://127.0.0.1:{cluster.ports[0]}"
    for output in ("null", "0", "false", '""', '{"lat":1.5}'):
        start = len(watching.frames)
        session = await watching.start("whatever")
        args = [url, cluster.token("alice"), session, output]
        child = await asyncio.create_subprocess_exec("node", "--experimental-websocket", str(IN_JAVASCRIPT), *args)
        try:
            end = await watching.event("turn.finished", start)
            assert json.dumps(end["result"], separators=(",", ":")) == f'["done",{output}]'
        finally:
            child.kill()
            await child.wait()


async def test_an_answer_reaches_a_server_that_has_not_heard_of_the_call(cluster: Cluster) -> None:
    """Commands read the store: that server has no device in the session, and has never seen its events."""
    here, elsewhere = await cluster.device(server=0), await cluster.device("bob", server=1)
    session = await here.start("finds")
    shown = await here.interrupt(kind="client_tool")
    for output, outcome in ((5, None), ("", "won"), ("late", "lost")):
        update = {"type": "tool-output-available", "toolCallId": shown["toolCallId"], "output": output}
        reply = await elsewhere.ask({"type": "update", "session": session, "updates": [update]})
        [result] = reply["results"]
        assert result.get("outcome") == outcome
        if outcome is not None:
            assert result["decision"]["payload"] == {"output": ""}
    assert (await here.event("turn.finished"))["result"] == ""


@pytest.mark.timeout(120)
async def test_a_mixed_batch_in_any_order_from_anywhere_across_restarts(cluster: Cluster) -> None:
    rng = random.Random(7)
    devices = [await cluster.device(f"person-{number}", server=number % 2) for number in range(4)]
    session = await devices[0].start("mixes")
    for device in devices[1:]:
        await device.attach(session)
    asked = (await devices[0].event("turn.waiting"))["open"]
    shown = {one["id"]: one for one in opened(devices[0])}
    assert sorted(shown) == sorted(asked)
    assert len(asked) == 4
    rng.shuffle(asked)
    for number, own_id in enumerate(asked):
        if number == 1:
            cluster.workers[0].kill()
            cluster.servers[0].kill()
            await cluster.start_server(cluster.ports[0])
            cluster.start_worker()
            devices[0], devices[2] = await cluster.device("person-0"), await cluster.device("person-2")
            for device in (devices[0], devices[2]):
                await device.attach(session, {"epoch": "", "seq": 0})
        replies = await asyncio.gather(*(device.answer(shown[own_id], payload(shown[own_id])) for device in devices))
        assert sorted(reply["outcome"] for reply in replies) == ["lost", "lost", "lost", "won"]
    end = await devices[1].event("turn.finished")
    assert end["result"] == ["here a", "refunded 1.0", "order A-17", "here b", "refunded 2.0"]
    turn = shown[asked[0]]["turn"]
    assert sorted(line[0] for line in cluster.ran(turn)) == ["lookup", "refund", "refund"]
    assert len(devices[1].events("turn.resumed", turn=turn)) == 1


def opened(device: Device) -> list[dict[str, Any]]:
    return [event["interrupt"] for event in device.events("interrupt.opened")]


def payload(shown: dict[str, Any]) -> dict[str, Any]:
    if shown["kind"] == "client_tool":
        return {"output": f"here {shown['input']['accuracy']}"}
    return {"approved": True}
