"""What a delivery costs a server: one agent streams to many devices of one session.

    python tests/bench/bench_fanout.py

Deliveries per second of the server's CPU, and microseconds of it per delivery; and the worker's CPU per chunk. The
devices are plain sockets that read and count, so that they do not set the pace. Medians of a few rounds.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
from pathlib import Path

from tests.acceptance.cluster import Cluster, Process, wait_until

CHUNKS = 5_000
ROUNDS = 3
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(process: Process) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Counting(asyncio.Protocol):
    """A WebSocket client that only counts bytes after its attach."""

    def __init__(self, port: int, token: str, session: str) -> None:
        self._port, self._token, self._session = port, token, session
        self.received, self._open = 0, False
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        head = (
            f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {self._token}\r\n\r\n"
        )
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._open = True
            attach = json.dumps({"type": "attach", "ref": "1", "session": self._session}).encode()
            # Masked with zeros: a client must mask, and a mask of zeros changes nothing.
            self._transport.write(bytes([0x81, 0x80 | 126]) + len(attach).to_bytes(2, "big") + b"\0\0\0\0" + attach)
        self.received += data.count(b'"text-delta"')
        if b'"turn.finished"' in data:
            self.ended.set()


async def one_round(cluster: Cluster, devices: int) -> tuple[float, float]:
    server, worker = cluster.servers[0], cluster.workers[0]
    starter = await cluster.device()
    session = await starter.start("streams", "0")
    await starter.event("turn.finished")
    loop, token = asyncio.get_running_loop(), cluster.token()
    counting = [Counting(cluster.ports[0], token, session) for _ in range(devices)]
    for one in counting:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", cluster.ports[0])
    await wait_until(lambda: all(one._open for one in counting), "all are attached")
    await asyncio.sleep(0.3)
    for one in counting:
        one.ended.clear()
        one.received = 0
    before = cpu_s(server), cpu_s(worker)
    await starter.ask({"type": "send", "session": session, "message": f"{CHUNKS} 0.01"})
    await asyncio.gather(*(asyncio.wait_for(one.ended.wait(), 60) for one in counting))
    spent = cpu_s(server) - before[0], cpu_s(worker) - before[1]
    for one in counting:
        one._transport.abort()
    await starter.close()
    # A few are torn between two reads, and so not counted.
    assert all(one.received >= CHUNKS * 0.98 for one in counting), min(one.received for one in counting)
    return spent


async def main() -> None:
    print(f"{CHUNKS} chunks, medians of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as folder:
        async with Cluster(Path(folder)) as cluster:
            for devices in (1, 10, 100):
                rows = [await one_round(cluster, devices) for _ in range(ROUNDS)]
                server, worker = (statistics.median(column) for column in zip(*rows, strict=True))
                deliveries = devices * CHUNKS
                print(
                    f"{devices:4} devices: {deliveries / server:9.0f} deliveries per CPU second, "
                    f"{server / deliveries * 1e6:7.2f} µs each; worker {worker / CHUNKS * 1e6:6.1f} µs a chunk"
                )


if __name__ == "__main__":
    asyncio.run(main())
