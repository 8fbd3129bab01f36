"""A gate outlives whoever asked for it: killed while it waits and started again, the script gets the one decision."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.acceptance.cluster import Cluster, wait_until

SCRIPT = Path(__file__).with_name("gate_requester.py")


class Requester:
    """The script, as a process of its own."""

    def __init__(self, cluster: Cluster, server: int, name: str) -> None:
        self._output = cluster.folder / f"{name}.log"
        url = f"http://127.0.0.1:{cluster.ports[server]}"
        with self._output.open("wb") as out:
            self._child = subprocess.Popen(
                [sys.executable, str(SCRIPT), url, cluster.token("ci", sessions=["mine"])], stdout=out, stderr=out
            )

    def said(self, word: str) -> list[str]:
        lines = [line.split(" ") for line in self._output.read_text(errors="replace").splitlines()]
        return next((line[1:] for line in lines if line[0] == word), [])

    async def wait(self, word: str) -> list[str]:
        await wait_until(lambda: bool(self.said(word)) or self._child.poll() is not None, f"the script has {word}")
        assert self.said(word), self._output.read_text(errors="replace")
        return self.said(word)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """As kill -9 does."""
        self._child.kill()
        self._child.wait()


async def test_killed_while_it_waits_and_started_again(tmp_path: Path) -> None:
    async with Cluster(tmp_path, servers=2, workers=0) as cluster:
        witness = await cluster.device("root", server=1)
        with Requester(cluster, 0, "first") as first:
            [asked] = await first.wait("asked")
            shown = {"id": asked, "session": asked.partition(".")[2]}
            await witness.attach(shown["session"], {"epoch": "", "seq": 0})
            await witness.wait(
                lambda frame: frame["type"] == "presence" and any(one["subject"] == "ci" for one in frame["devices"]),
                "the script waits",
            )
        olga = await cluster.device("olga", server=0, roles=("ops",))
        otto = await cluster.device("otto", server=1, roles=("ops",))
        answers = await asyncio.gather(olga.answer(shown, {"approved": True}), otto.answer(shown, {"approved": True}))
        assert sorted(answer["outcome"] for answer in answers) == ["lost", "won"]
        decision = answers[0]["decision"]
        assert decision == answers[1]["decision"]
        with Requester(cluster, 1, "again") as again:
            assert await again.wait("asked") == [asked]
            assert await again.wait("decided") == ["True", decision["by"]["id"], str(decision["at"])]
        finished = await witness.event("turn.finished")
        assert finished["result"] == decision
        assert len(witness.events("interrupt.closed")) == 1


async def test_decided_while_it_waits(tmp_path: Path) -> None:
    async with Cluster(tmp_path, workers=0) as cluster:
        with Requester(cluster, 0, "script") as script:
            [asked] = await script.wait("asked")
            olga = await cluster.device("olga", roles=("ops",))
            await olga.answer({"id": asked, "session": asked.partition(".")[2]}, {"approved": False})
            assert (await script.wait("decided"))[:2] == ["False", "olga"]
