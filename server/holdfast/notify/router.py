"""The router: hands on what commits have written to the outbox. Any number may run; each notice is handed on once."""

from __future__ import annotations

import asyncio
import random
import time

import structlog

from holdfast.core.errors import Unavailable
from holdfast.store.outbox import POST_MAX, UNSAID_MS, Outbox

ROUTE_MS = 300  # between two looks: a notice is for people who are not looking, and may take this long
DOUBT_MS = 600_000  # that a target must seem gone before it is: the store's clock may have jumped

log = structlog.get_logger("holdfast.notices")


class Router:
    """Looks again and again. Cancel `run` to end it; that is safe at any point."""

    def __init__(self, outbox: Outbox, *, route_ms: int = ROUTE_MS, doubt_ms: int = DOUBT_MS) -> None:
        self._outbox = outbox
        self._route_s, self._doubt_s = route_ms / 1_000, doubt_ms / 1_000
        self._unsaid: dict[str, float] = {}  # target → since when it seems to be gone, by our own clock

    async def run(self) -> None:
        """Hand on until cancelled. A store that is away is waited for."""
        while True:
            try:
                await self.route()
            except Unavailable as error:
                log.warning("the store is away", why=str(error))
            except Exception:  # whatever is wrong with one notice, it must not take the server with it
                log.exception("notices were not handed on")
            await asyncio.sleep(self._route_s * (0.5 + random.random() / 2))

    async def route(self) -> int:
        """Hand on all that is there now; how much that was. Without any target it is dropped: nobody wants it."""
        targets = await self._targets()
        return sum(await asyncio.gather(*(self._drain(one, targets) for one in self._outbox.partitions)))

    async def _drain(self, partition: int, targets: list[str]) -> int:
        count = 0
        while True:
            posted = await self._outbox.post(partition, targets)
            count += posted
            if posted < POST_MAX:
                return count

    async def _targets(self) -> list[str]:
        known, now_ms = await self._outbox.targets(), await self._outbox.now_ms()
        unsaid = [target for target in known if target.at <= now_ms - UNSAID_MS]
        self._unsaid = {one.id: self._unsaid.get(one.id, time.monotonic()) for one in unsaid}
        for target in unsaid:
            if time.monotonic() >= self._unsaid[target.id] + self._doubt_s:
                log.warning("a target is forgotten: nobody has served it for days", target=target.shown)
                await self._outbox.forget(target.id)
                known.remove(target)
        return [target.id for target in known]
