"""The sender: takes what waits for one target, and delivers it. Any number may run, in any processes.

    take (a lease) ──▶ is there still a reason? ──▶ note that it may be told ──▶ deliver ──▶ done
                                 └── no: done                                      └── later, or given up

One target is one sender's alone, so that a slow one delays no other. A sender that dies between delivering and
noting it leaves the lease to run out: the notice is delivered again, under the same id.
"""

from __future__ import annotations

import asyncio
import random

import structlog

from holdfast.core import notices
from holdfast.core.errors import HoldfastError, Unavailable
from holdfast.core.interrupts import InterruptRecord
from holdfast.notify.target import NotDelivered, Target
from holdfast.store.door import Door
from holdfast.store.failpoints import reached
from holdfast.store.outbox import Outbox, Taken

SEND_MS = 400  # between two looks
DELIVER_MS = 30_000  # for one delivery, whatever it does
LEASE_MS = 60_000  # two deliveries: one that still goes on has not lost its lane
SLOTS = 8  # deliveries at once to one target, by one process
SAY_S = 60.0  # how often it is said that the target is there
WHY_MAX = 300  # characters that are kept of a failure

log = structlog.get_logger("holdfast.notices")


class Sender:
    """Delivers to one target. Cancel `run` to end it: what was under way is delivered again, by whoever is there."""

    def __init__(
        self,
        outbox: Outbox,
        door: Door,
        target: Target,
        *,
        send_ms: int = SEND_MS,
        deliver_ms: int = DELIVER_MS,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._outbox, self._door, self._target = outbox, door, target
        self._send_s, self._deliver_s, self._lease_ms = send_ms / 1_000, deliver_ms / 1_000, lease_ms
        self._busy = 0
        self._free = asyncio.Event()
        #: Set when the store knows the target: what is written from then on reaches it.
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled. A store that is away is waited for."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._say())
            while True:
                try:
                    took = await self.send(tasks)
                except Unavailable as error:
                    log.warning("the store is away", why=str(error))
                    took = 0
                except Exception:  # or nobody would be told of anything any more
                    log.exception("notices were not sent", target=self._target.shown)
                    took = 0
                if not took:
                    await asyncio.sleep(self._send_s * (0.5 + random.random() / 2))

    async def announce(self) -> None:
        """Have the store know the target."""
        await self._outbox.say(self._target.id, self._target.shown)
        self.ready.set()

    async def _say(self) -> None:
        while True:
            try:
                await self.announce()
            except HoldfastError as error:
                log.warning("the store is away", why=str(error))
            await asyncio.sleep(SAY_S if self.ready.is_set() else self._send_s)

    async def send(self, tasks: asyncio.TaskGroup) -> int:
        """Begin what is due, a lane of each partition in turn, while there is a slot; how many were begun."""
        partitions, took = list(self._outbox.partitions), 0
        random.shuffle(partitions)
        for partition in partitions:
            await self._wait_free()
            for taken in await self._outbox.take(partition, self._target.id, 1, self._lease_ms):
                self._busy += 1
                took += 1
                tasks.create_task(self._carry(taken))
        return took

    async def _wait_free(self) -> None:
        """A lane is taken only when it can be begun: its lease must not run out in a queue."""
        while self._busy >= SLOTS:
            self._free.clear()
            await self._free.wait()

    async def _carry(self, taken: Taken) -> None:
        try:
            await self.deliver(taken)
        except Unavailable as error:
            log.warning("the store is away", why=str(error))  # it is taken again when its lease has run out
        except Exception:
            log.exception("a notice was not sent", target=self._target.shown)
        finally:
            self._busy -= 1
            self._free.set()

    async def deliver(self, taken: Taken) -> None:
        """One notice, from its reason to its outcome."""
        notice, target = taken.notice, self._target.id
        closing = notice.kind == notices.CLOSED
        told = closing and await self._outbox.was_told(target, taken)
        record = await self._record(taken)
        if not notices.is_due(notice, record, told=told):
            await self._outbox.settle(target, taken, "done")
            return
        if notice.interrupt and not closing:
            # Before it is delivered: if this process dies in between, the target may know of it.
            await self._outbox.tell(target, taken)
        try:
            async with asyncio.timeout(self._deliver_s):
                await self._target.deliver(notices.shown(notice, taken.at, record))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a hook may raise anything: that is its outcome
            await self._failed(taken, error)
            return
        reached("after deliver")
        await self._outbox.settle(target, taken, "closed" if closing else "done")

    async def _record(self, taken: Taken) -> InterruptRecord | None:
        if not taken.notice.interrupt:
            return None
        view = await self._door.read(taken.notice.session, interrupts=(taken.notice.interrupt,))
        return None if view.gone else view.interrupts.get(taken.notice.interrupt)

    async def _failed(self, taken: Taken, error: BaseException) -> None:
        why = _why(error)[:WHY_MAX]
        final = isinstance(error, NotDelivered) and error.final
        if final or taken.attempts >= notices.ATTEMPTS_MAX:
            log.error("notice given up", target=self._target.shown, why=why, attempts=taken.attempts)
            await self._outbox.settle(self._target.id, taken, "given_up", why=why)
            return
        log.warning("notice not delivered", target=self._target.shown, why=why, attempts=taken.attempts)
        wished_ms = error.after_ms if isinstance(error, NotDelivered) else 0
        wait_ms = notices.wait_ms(taken.attempts, random.random(), wished_ms)
        await self._outbox.settle(self._target.id, taken, "later", wait_ms=wait_ms)


def _why(error: BaseException) -> str:
    if isinstance(error, NotDelivered):
        return str(error)
    if isinstance(error, TimeoutError):
        return "it took too long"
    return f"{type(error).__name__}: {error}"
