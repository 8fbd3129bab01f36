"""How many acknowledged commits a power cut takes, for each way of running the store. Measured, not promised.

    python tests/chaos/loss_window.py [rounds]

Killing a process does not lose the page cache, so the power cut is made by hand: the store is frozen and killed while
it is committed to, its append-only file is cut back to what was fsynced, it is started again, and what was acknowledged
is looked for. What was fsynced is seen from outside, by `strace`: WAITAOF cannot be asked, for some stores answer it
before the fsync (see store/durability.py).

    everysec        acknowledged when committed
    always          likewise; the store fsyncs before it answers
    HOLDFAST_WAIT=1 acknowledged when a replica has it, which is there after the power cut
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from redis import Redis

from holdfast.core.commit import CommandId, Commit
from holdfast.core.errors import Unavailable
from holdfast.core.events import TurnProgress
from holdfast.store.connection import Connection
from holdfast.store.door import SCRIPTS, Done, Door
from holdfast.store.durability import Durability
from holdfast.store.embedded import EmbeddedStore, Fsync
from holdfast.store.keys import Keys
from holdfast.testing import wait_until

SESSION, WRITERS = "loss", 8
RUN_S = (1.5, 3.5)  # before the power cut: at any point of a second
_CALL = re.compile(r"^\d+ +([\d.]+) (write|fdatasync|fsync)\((\d+)<([^>]*)>.*?(?:= (-?\d+))?$")
_UNFINISHED = re.compile(r"^(\d+) +([\d.]+) (fdatasync|fsync)\((\d+)<([^>]*)> <unfinished")
_RESUMED = re.compile(r"^(\d+) +([\d.]+) <\.\.\. (fdatasync|fsync) resumed>.*= 0")


class Round(msgspec.Struct, frozen=True):
    """One power cut."""

    acknowledged: int
    lost: int
    #: From the first lost acknowledgement to the cut.
    window_ms: float


class Acknowledged(msgspec.Struct):
    """What was told to be done, and when."""

    refs: dict[str, float] = msgspec.field(default_factory=dict[str, float])


async def measure(fsync: Fsync, rounds: int, *, wait: int = 0) -> list[Round]:
    return [await power_cut(fsync, wait) for _ in range(rounds)]


async def power_cut(fsync: Fsync, wait: int) -> Round:
    """Commit, cut the power, start again, count."""
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        store = EmbeddedStore(Path(folder) / "data", fsync=fsync)
        await store.start()
        try:
            async with replicas(store, wait) as survivors, traced(store, Path(folder) / "trace"):
                told, cut_at = await commit_until_cut(store, wait)
            if survivors:
                url = survivors[0].url
            else:
                cut_back(store.folder, Path(folder) / "trace")
                await store.restart()
                url = store.url
            return judge(url, told, cut_at)
        finally:
            for each in survivors:
                await each.stop()
            await store.stop()


async def commit_until_cut(store: EmbeddedStore, wait: int) -> tuple[Acknowledged, float]:
    told = Acknowledged()
    connection = Connection(
        store.url,
        name="loss",
        scripts=SCRIPTS,
        on_connect=lambda info: door.claim(info.run_id, info.direct),
    )
    durability = Durability(store.url, Keys(), wait) if wait else None
    door = Door(connection, Keys(), durability)
    await connection.open()
    if durability:
        await durability.open()
    await door.commit(Commit(SESSION, "start", creates=True))
    writers = [asyncio.create_task(committing(door, told, str(n))) for n in range(WRITERS)]
    await asyncio.sleep(random.uniform(*RUN_S))
    os.kill(store.pid, signal.SIGSTOP)
    cut_at = time.monotonic()
    await asyncio.sleep(0.05)  # what it has answered may still be on its way to us
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    store.kill()
    await store.wait_exit()
    await connection.close()
    if durability:
        await durability.close()
    return told, cut_at


async def committing(door: Door, told: Acknowledged, who: str) -> None:
    number = 0
    while True:
        number += 1
        ref = f"{who}-{number}"
        commit = Commit(SESSION, "x", by=CommandId("loss", ref, "d"), durable=True)
        commit.events.append(TurnProgress("t", ref))
        try:
            if isinstance(await door.commit(commit), Done):
                told.refs[ref] = time.monotonic()
        except Unavailable:
            return


def judge(url: str, told: Acknowledged, cut_at: float) -> Round:
    with Redis.from_url(url) as client:
        kept = {name.decode().rpartition(":")[2] for name in client.hkeys(Keys().refs(SESSION))}
    lost = [at for ref, at in told.refs.items() if ref not in kept]
    return Round(len(told.refs), len(lost), (cut_at - min(lost)) * 1_000 if lost else 0.0)


# The power cut.


@asynccontextmanager
async def traced(store: EmbeddedStore, trace: Path) -> AsyncIterator[None]:
    """Note each write to the append-only file, and each fsync of it."""
    calls = "trace=write,fdatasync,fsync"
    command = ["strace", "-f", "-ttt", "-y", "-s", "0", "-e", calls, "-o", str(trace), "-p", str(store.pid)]
    tracer = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert tracer.stderr is not None
    await tracer.stderr.readline()  # it has attached
    yield
    await tracer.wait()


def cut_back(data: Path, trace: Path) -> None:
    """Cut the append-only file back to what a finished fsync had found written when it began."""
    (file,) = (data / "appendonlydir").glob("*.incr.aof")
    written, synced, begun, before = 0, 0, dict[str, int](), 0
    for line in trace.read_text().splitlines():
        if match := _UNFINISHED.match(line):
            if match[5].endswith(file.name):
                begun[match[1]] = written
        elif match := _RESUMED.match(line):
            synced = max(synced, begun.pop(match[1], 0))
        elif (match := _CALL.match(line)) and match[4].endswith(file.name) and match[5]:
            if match[2] == "write":
                written += max(0, int(match[5]))
            else:
                synced = written
    before = file.stat().st_size - written  # what was there when the tracer came
    os.truncate(file, before + synced)


@asynccontextmanager
async def replicas(store: EmbeddedStore, count: int) -> AsyncIterator[list[EmbeddedStore]]:
    """Followers of the store. They outlive it, and this."""
    followers: list[EmbeddedStore] = []
    with Redis.from_url(store.url) as first:
        if count:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            first.config_set("port", port)
            first.config_set("repl-diskless-sync-delay", 0)
        for _ in range(count):
            follower = EmbeddedStore()
            await follower.start()
            followers.append(follower)
            with Redis.from_url(follower.url) as client:
                client.config_set("appendonly", "no")
                client.execute_command("REPLICAOF", "127.0.0.1", port)
                await wait_until(lambda: client.info("replication")["master_link_status"] == "up", "it follows")
    yield followers


async def main(rounds: int) -> None:
    if shutil.which("strace") is None:
        sys.exit("This needs strace, to see what is fsynced.")
    sys.stdout.write(f"{'':24} rounds  acknowledged  lost: median   most   window, most (ms)\n")
    ways: list[tuple[str, Fsync, int]] = [
        ("everysec", "everysec", 0),
        ("always", "always", 0),
        ("everysec, HOLDFAST_WAIT=1", "everysec", 1),
    ]
    for name, fsync, wait in ways:
        found = await measure(fsync, rounds, wait=wait)
        told, lost = sum(one.acknowledged for one in found), [one.lost for one in found]
        window = max(one.window_ms for one in found)
        sys.stdout.write(f"{name:26}{rounds:5}{told:14}{statistics.median(lost):14.0f}{max(lost):7}{window:15.0f}\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
