"""What workers say of the agents that they can run, so that servers need no user code (rule m)."""

from __future__ import annotations

import re
import time

import msgspec

from holdfast.core.errors import UnknownAgent
from holdfast.core.manifests import AgentManifest
from holdfast.store.connection import Connection
from holdfast.store.door import script
from holdfast.store.keys import Keys

CACHE_S = 1.0  # how long a server may not know of a new agent or version
SERVED_MS = 30_000  # a version whose workers have been silent for so long is not chosen if there is another
HEARTBEAT_S = 5.0  # how often a worker calls `serve`

SERVED = script("served")

_decoder = msgspec.json.Decoder(AgentManifest)


class Registry(msgspec.Struct, frozen=True):
    """All that workers ever said, as of one instant."""

    now_ms: int
    #: By queue: agent@version.
    manifests: dict[str, AgentManifest]
    served_ms: dict[str, int]

    def versions(self, agent: str) -> list[AgentManifest]:
        """What is known of an agent: what is served before what is not, and then the newest first."""
        known = [one for one in self.manifests.values() if one.agent == agent]
        return sorted(known, key=lambda one: (self.is_served(one.queue), natural(one.version)), reverse=True)

    def is_served(self, queue: str) -> bool:
        return self.now_ms - self.served_ms.get(queue, 0) < SERVED_MS


class Manifests:
    """Reads and writes the registry. Cancelling any method is safe."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._cached: Registry | None = None
        self._cached_at_s = 0.0

    async def register(self, manifest: AgentManifest) -> None:
        """Say what an agent is, in one version; and that it is served."""
        data = msgspec.json.encode(manifest)
        await self._connection.execute("HSET", self._keys.agents, manifest.queue, data)
        await self.serve([manifest.queue])

    async def serve(self, queues: list[str]) -> None:
        """Say that a worker is there for these queues: a heartbeat, every 5 s."""
        await self._connection.run(SERVED, [self._keys.served], queues)
        self._cached = None

    async def get(self, agent: str) -> AgentManifest:
        """The version of an agent that new turns get: the newest that is served.

        Raises:
            UnknownAgent: no worker has ever registered it; with the names of those that are known.
        """
        versions = (await self._registry()).versions(agent)
        if not versions:
            # A worker may have come just now; a wrong name costs one read more.
            versions = (await self._registry(fresh=True)).versions(agent)
        if not versions:
            raise await self._unknown(agent)
        return versions[0]

    async def of(self, queue: str) -> AgentManifest | None:
        """What is registered under this agent@version."""
        known = (await self._registry()).manifests.get(queue)
        return known or (await self._registry(fresh=True)).manifests.get(queue)

    async def all(self) -> list[AgentManifest]:
        """Each agent, in the version that `get` gives."""
        registry = await self._registry()
        names = sorted({one.agent for one in registry.manifests.values()})
        return [registry.versions(name)[0] for name in names]

    async def last_served_ms(self, queue: str) -> int | None:
        """When a worker last said that it serves this queue, by the store's clock; None: never."""
        return (await self._registry()).served_ms.get(queue)

    async def is_served(self, queue: str) -> bool:
        """Whether a worker for this queue has been heard of lately."""
        return (await self._registry()).is_served(queue)

    async def _unknown(self, agent: str) -> UnknownAgent:
        known = [one.agent for one in await self.all()]
        told = f"known are {', '.join(known)}" if known else "no worker has registered any"
        return UnknownAgent(f"There is no agent {agent[:100]!r}: {told}.", known=known)

    async def _registry(self, *, fresh: bool = False) -> Registry:
        now_s = time.monotonic()
        if self._cached is None or fresh or now_s - self._cached_at_s > CACHE_S:
            self._cached = await self._read()
            self._cached_at_s = now_s
        return self._cached

    async def _read(self) -> Registry:
        # Two keys of two slots: two reads. Both only grow.
        rows = await self._connection.execute("HGETALL", self._keys.agents)
        now, *served = await self._connection.run(SERVED, [self._keys.served], [])
        return Registry(
            now_ms=int(now),
            manifests={queue.decode(): _decoder.decode(data) for queue, data in _pairs(rows)},
            served_ms={queue.decode(): int(at) for queue, at in _pairs(served)},
        )


def _pairs(rows: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(rows[::2], rows[1::2], strict=True))


def natural(version: str) -> list[tuple[int, int, str]]:
    """Numbers in a version are compared as numbers: 10 comes after 9."""
    parts = re.findall(r"\d+|\D+", version)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
