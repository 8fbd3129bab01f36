"""The sealer: chains what commits have written to the audit trail, a partition at a time.

Any number may run. One has the lease of a partition and does the work; if it is gone, another takes over when the lease
has run out, and goes on from the last seal. Two that both think that they have it cannot fork the chain: a seal's
number is given once.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import msgspec
import structlog

from holdfast.core.chain import Anchor, Link, Seal, seal
from holdfast.core.errors import Unavailable
from holdfast.store.trail import BEGINNING, PAGE, Trail, TrailPage

SEAL_MS = 2_000  # between two looks: how long an entry may stand there unproven
LEASE_MS = 10_000  # five looks; a sealer that is gone is replaced after that
ANCHOR_MS = 60_000  # between two anchors of a partition: what a store that is put back can hide at most
OLD_SEALS = 20  # that are looked at in one round for what to let go of: at most 10,000 entries at once

log = structlog.get_logger("holdfast.sealer")


class Sealer:
    """Looks again and again. Cancel `run` to end it; that is safe at any point."""

    def __init__(
        self,
        trail: Trail,
        keys: Sequence[bytes],
        *,
        anchors: str | None = None,
        retain_ms: int = 0,
        seal_ms: int = SEAL_MS,
        lease_ms: int = LEASE_MS,
        anchor_ms: int = ANCHOR_MS,
    ) -> None:
        """Seal with the first of `keys`; with none, do nothing.

        Args:
            anchors: a file to add anchors to; they are logged in any case.
            retain_ms: entries that were sealed longer ago than this are let go; 0: never.
        """
        self._trail = trail
        self._key = keys[0] if keys else None
        self._anchors = Path(anchors) if anchors else None
        self._retain_ms, self._seal_s = retain_ms, seal_ms / 1_000
        self._lease_ms, self._anchor_ms = lease_ms, anchor_ms
        self._who = secrets.token_hex(8)
        self._anchored: dict[int, tuple[int, int]] = {}  # partition → number of the seal, when (ms)
        self._swept: dict[int, int] = {}  # partition → the floor up to which it is swept
        self._broken: set[int] = set()  # said once, and not every two seconds

    async def run(self) -> None:
        """Seal until cancelled. A store that is away is waited for."""
        if self._key is None:
            log.warning("the audit trail is not sealed: set HOLDFAST_AUDIT_KEY")
            return
        while True:
            try:
                await self.seal_all()
            except Unavailable as error:
                log.warning("the store is away", why=str(error))
            except Exception:
                # Whatever is wrong with the trail, it must not take the server with it.
                log.exception("sealing failed")
            await asyncio.sleep(self._seal_s * (0.5 + random.random() / 2))

    async def seal_all(self) -> int:
        """Seal what is there in every partition that is this sealer's; how many entries that were."""
        return sum(await asyncio.gather(*(self.seal_partition(one) for one in self._trail.partitions)))

    async def seal_partition(self, partition: int) -> int:
        """Seal what is there in one partition, and let go of what is old; how many entries were sealed."""
        count = 0
        while await self._trail.lease(partition, self._who, self._lease_ms):
            sealed = await self._round(partition)
            count += sealed
            if sealed < PAGE:
                break
        return count

    async def _round(self, partition: int) -> int:
        """One seal, of at most a page."""
        page = await self._trail.page(partition, limit=0)
        last = page.last_seal
        page = await self._trail.page(partition, f"{last.last}-0" if last else BEGINNING)
        if self._is_broken(partition, page, last):
            return 0
        links = dense(page.links, last.last + 1 if last else 1)
        if len(links) < len(page.links):
            self._tell_broken(partition, f"entry {(last.last if last else 0) + len(links) + 1} is not as it must be")
        floor = await self._floor(page)
        if links or (last is not None and floor > last.floor):
            assert self._key is not None
            made = seal(self._key, partition, last, links, page.now_ms, floor=floor)
            if await self._trail.put(self._who, made, self._lease_ms) != "done":
                return 0  # another was first: the next look begins with what it has sealed
            last = made
        if last is not None:
            if last.floor != self._swept.get(partition, 0):
                await self._trail.sweep(last)
                self._swept[partition] = last.floor
            await self._anchor(last)
        return len(links)

    def _is_broken(self, partition: int, page: TrailPage, last: Seal | None) -> bool:
        """Whether seals are missing: then going on would cover it up."""
        number = last.number if last else 0
        if page.head.seals != number and page.last_seal == last:
            self._tell_broken(partition, f"seal {page.head.seals} is missing")
            return True
        if last is not None and not last.mac:
            self._tell_broken(partition, f"seal {last.number} cannot be read")
            return True
        return False

    def _tell_broken(self, partition: int, what: str) -> None:
        if partition not in self._broken:
            self._broken.add(partition)
            log.error("the audit trail is broken; run holdfast audit verify", partition=partition, what=what)

    async def _floor(self, page: TrailPage) -> int:
        """Up to where entries may be let go now: always to the end of a seal, and never past the last."""
        last = page.last_seal
        if last is None or not self._retain_ms:
            return last.floor if last else 0
        oldest = await self._trail.seals(page.head.partition, limit=OLD_SEALS)
        old = takewhile(lambda one: one.at <= page.now_ms - self._retain_ms, oldest)
        return max([last.floor, *(one.last for one in old)])

    async def _anchor(self, made: Seal) -> None:
        """Tell those outside of the store how far it goes."""
        number, at = self._anchored.get(made.partition, (0, -self._anchor_ms))
        if made.number == number or made.at < at + self._anchor_ms:
            return
        self._anchored[made.partition] = (made.number, made.at)
        anchor = Anchor.of(made)
        log.info("audit anchor", **msgspec.to_builtins(anchor))
        if self._anchors is not None:
            try:
                await asyncio.to_thread(_add_line, self._anchors, msgspec.json.encode(anchor))
            except OSError as error:
                log.error("an anchor could not be written", path=str(self._anchors), why=str(error))


def dense(links: Sequence[Link], first: int) -> list[Link]:
    """As many as are as a commit writes them: numbered one after the other from `first`."""
    numbered = takewhile(lambda pair: (pair[1].number, pair[1].extra) == (pair[0], 0), enumerate(links, first))
    return [link for _, link in numbered]


def _add_line(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line + b"\n")
