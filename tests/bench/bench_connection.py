"""What a command costs: redis.asyncio one by one, and our connection with 1 and with 100 tasks.

    python tests/bench/bench_connection.py

Prints microseconds of this process's CPU, and of wall time, per EVALSHA; medians of interleaved runs.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import redis.asyncio

from holdfast.store.connection import Connection, Script
from holdfast.store.embedded import EmbeddedStore

ROUNDS = 7
COMMANDS = 5_000
# Compare and set, the shape of a small commit.
SCRIPT = Script(
    "bench",
    "local v = redis.call('HGET', KEYS[1], 'v') redis.call('HSET', KEYS[1], 'v', ARGV[1]) return v or ''",
)
VALUE = b"x" * 200

Call = Callable[[], Awaitable[object]]


async def main() -> None:
    async with EmbeddedStore() as store:
        client = redis.asyncio.Redis.from_url(store.url)
        connection = Connection(store.url, name="bench", scripts=[SCRIPT])
        await connection.open()

        async def theirs() -> object:
            return await client.evalsha(SCRIPT.sha, 1, "k", VALUE)

        async def ours() -> object:
            return await connection.run(SCRIPT, ["k"], [VALUE])

        cases: list[tuple[str, Call, int]] = [
            ("redis.asyncio, 1 task", theirs, 1),
            ("redis.asyncio, 100 tasks", theirs, 100),
            ("holdfast, 1 task", ours, 1),
            ("holdfast, 100 tasks", ours, 100),
        ]
        await compare(cases)
        await connection.close()
        await client.aclose()


async def compare(cases: list[tuple[str, Call, int]]) -> None:
    cpu: dict[str, list[float]] = {name: [] for name, _, _ in cases}
    wall: dict[str, list[float]] = {name: [] for name, _, _ in cases}
    for _ in range(ROUNDS):
        for name, call, tasks in cases:
            cpu_s, wall_s = await measure(call, tasks)
            cpu[name].append(cpu_s)
            wall[name].append(wall_s)
    print(f"µs a command, median of {ROUNDS} [least, most]")
    for name, _, _ in cases:
        print(f"{name:26} cpu {spread(cpu[name])}   wall {spread(wall[name])}")


async def measure(call: Call, tasks: int) -> tuple[float, float]:
    async def many() -> None:
        for _ in range(COMMANDS // tasks):
            await call()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*[many() for _ in range(tasks)])
    return (time.process_time() - cpu) / COMMANDS, (time.perf_counter() - wall) / COMMANDS


def spread(seconds: list[float]) -> str:
    micros = sorted(value * 1e6 for value in seconds)
    return f"{statistics.median(micros):6.1f} [{micros[0]:.1f}, {micros[-1]:.1f}]"


if __name__ == "__main__":
    if "--asyncio" in sys.argv:
        asyncio.run(main())
    else:
        import uvloop

        uvloop.run(main())
