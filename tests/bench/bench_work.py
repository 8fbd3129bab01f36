"""What it costs to come over HTTP: an append of one chunk and of a hundred, and how soon a waiting worker has a turn.

    python tests/bench/bench_work.py

Real processes: a store and a server; one worker, on one connection. Milliseconds.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
from tests.acceptance.cluster import Cluster

ROUNDS = 300
AGENT = {"agent": "bench", "version": "1"}


class Worker:
    """One turn after the other."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.lease: dict[str, Any] = {}

    async def ask(self, method: str, path: str, body: Any) -> dict[str, Any]:
        reply = await self._client.request(method, f"/v1/work/{path}", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def take(self) -> None:
        self.lease = await self.ask("POST", "leases", {"agents": [AGENT], "wait": "30s"})

    async def write(self, verb: str, **body: Any) -> None:
        named = {"fence": self.lease["fence"], "number": self.lease["number"] + 1}
        held = await self.ask("POST", f"turns/{self.lease['turn']}/{verb}", {**body, **named})
        self.lease["number"] = held["number"]


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Cluster(Path(folder), workers=0) as cluster:
            headers = {"Authorization": f"Bearer {cluster.token('bench', can=('work', 'send', 'read'))}"}
            address = f"http://127.0.0.1:{cluster.ports[0]}"
            async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
                await measure(client)


async def measure(client: httpx2.AsyncClient) -> None:
    worker = Worker(client)
    await worker.ask("PUT", "agents/bench", {})
    taken = [await one_lease(client, worker) for _ in range(ROUNDS // 10)]
    delta = {"type": "text-delta", "id": "t", "delta": "word "}
    await worker.write("append", chunks=[{"type": "text-start", "id": "t"}], op="text:0")
    ones = [await timed(worker.write("append", chunks=[delta], op="text:0")) for _ in range(ROUNDS)]
    many = [await timed(worker.write("append", chunks=[delta] * 100, op="text:0")) for _ in range(ROUNDS)]
    finish = await timed(worker.write("finish"))
    print(f"milliseconds{'':30} median      p99")
    for name, column in (("append of 1 chunk", ones), ("append of 100 chunks", many), ("message to lease", taken)):
        ordered = sorted(column)
        print(f"{name:41} {statistics.median(ordered):6.2f}   {ordered[int(len(ordered) * 0.99)]:6.2f}")
    print(f"{'finish, after 30,300 chunks':41} {finish:6.2f}")


async def one_lease(client: httpx2.AsyncClient, worker: Worker) -> float:
    """From somebody's message to the lease in the hands of a worker that waited for it."""
    if worker.lease:
        await worker.write("finish")
    waiting = asyncio.create_task(worker.take())
    await asyncio.sleep(0.05)  # it is not measured whether it waits already
    began = time.perf_counter()
    started = await client.post("/v1/sessions", json={"agent": "bench", "message": "go"})
    assert started.status_code == 201, started.text
    await waiting
    return (time.perf_counter() - began) * 1_000


async def timed(doing: Any) -> float:
    began = time.perf_counter()
    await doing
    return (time.perf_counter() - began) * 1_000


if __name__ == "__main__":
    asyncio.run(main())
