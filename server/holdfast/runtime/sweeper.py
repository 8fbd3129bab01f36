"""The sweeper: settles what is due. Any number may run: each deadline is settled once, by whoever is first.

Expiry, reminders and hand-overs, what is seen anew because somebody went away, leases that ran out, sleeps that are
over, schedules to fire, deleted sessions to be erased, turns that nobody can run.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import Literal

import structlog

from holdfast.commands.backend import Backend
from holdfast.commands.deleting import erase_piece
from holdfast.commands.firing import fire
from holdfast.commands.rerouting import look_again
from holdfast.core import claiming, deadlines, decisions, escalation, turns
from holdfast.core.asking import timer_name
from holdfast.core.commit import Commit
from holdfast.core.errors import BadRequest, Unavailable
from holdfast.core.ids import session_of
from holdfast.store.deadlines import Deadlines
from holdfast.store.door import Done, NotDone
from holdfast.store.jobs import Jobs
from holdfast.store.manifests import SERVED_MS

SWEEP_MS = 400  # an expiry acts at most a second late
SOON_MS = 40  # after a sweep that found something: there may be more than one sweep takes
LANES = 50  # sessions whose deadlines are settled at the same time
UNSERVED_EVERY = 10  # sweeps between two looks for turns that no worker can run

log = structlog.get_logger("holdfast.sweeper")


class Sweeper:
    """Looks again and again. Cancel `run` to end it; that is safe at any point."""

    def __init__(self, backend: Backend, *, sweep_ms: int = SWEEP_MS) -> None:
        self._backend = backend
        self._deadlines = Deadlines(backend.door.connection, backend.door.keys)
        self._jobs = Jobs(backend.door.connection, backend.door.keys)
        self._sweep_s = sweep_ms / 1_000

    async def run(self) -> None:
        """Sweep until cancelled. A store that is away is waited for.

        What was given up is tried again first: a new start is most often a new version.
        """
        await self._revive()
        rounds = 0
        while True:
            settled = 0
            try:
                settled = await self.sweep()
                if rounds % UNSERVED_EVERY == 0:
                    await self.block_unserved()
            except Unavailable as error:
                log.warning("the store is away", why=str(error))
            except Exception:  # without it nothing expires, and no turn is taken over
                log.exception("sweep failed")
            rounds += 1
            # Half of it at random, so that many sweepers do not all come at the same moment.
            await asyncio.sleep((SOON_MS / 1_000 if settled else self._sweep_s) * (0.5 + random.random() / 2))

    async def _revive(self) -> None:
        for partition in range(self._backend.door.keys.partitions):
            try:
                revived = await self._deadlines.revive(partition)
            except Unavailable as error:
                log.warning("the store is away", why=str(error))
                return
            if revived:
                log.warning("deadlines that were given up are tried again", deadlines=revived)

    async def sweep(self) -> int:
        """Settle everything that is due now; how much that was."""
        partitions = list(range(self._backend.door.keys.partitions))
        random.shuffle(partitions)
        found = await asyncio.gather(*(self._deadlines.due(partition) for partition in partitions))
        busy = [partition for partition, (_, names) in zip(partitions, found, strict=True) if names]
        return sum([await self._sweep(partition) for partition in busy])

    async def _sweep(self, partition: int) -> int:
        """Settle what is due in a partition; asked for just before, since other sweepers are at work too."""
        now_ms, names = await self._deadlines.due(partition)
        lanes: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            lanes[_lane(name)].append(name)
        left, settled = iter(lanes.values()), list[str]()

        async def work() -> None:
            for lane in left:
                for name in lane:
                    became = await self._settle(partition, name, now_ms)
                    if became == "settled":
                        settled.append(name)
                    if became == "overtaken":  # another sweeper is in this session: the rest is its to do
                        break

        ended = await asyncio.gather(*(work() for _ in range(min(LANES, len(lanes)))), return_exceptions=True)
        if settled:
            await self._deadlines.settled(partition, *settled)
        if failed := next((each for each in ended if each is not None), None):
            raise failed
        return len(names)

    async def _settle(self, partition: int, name: str, now_ms: int) -> Literal["settled", "overtaken", "failed"]:
        """What became of one deadline. If it fails it comes back later, and does not hold up the others."""
        try:
            return "settled" if await self._handle(name) else "overtaken"
        except Unavailable:
            raise
        except Exception as error:
            log.exception("deadline failed", deadline=name)
            if not await self._deadlines.put_back(partition, name, now_ms):
                log.error("deadline given up", deadline=name, error=repr(error))
            return "failed"

    async def _handle(self, name: str) -> bool:
        """Whether it is done; else another sweeper, or somebody's command, was first."""
        match deadlines.parse(name):
            case ("expire", interrupt, _):
                return await self._expire(interrupt, name)
            case ("claim", interrupt, _):
                return await self._free(interrupt, name)
            case ("rung", interrupt, _):
                return await self._climb(interrupt, name)
            case ("lease", turn, _):
                return await self._lapse(turn, name)
            case ("timer", turn, operation):
                return await self._ring(turn, operation, name)
            case ("schedule", schedule, _):
                return await fire(self._backend, schedule)
            case ("absence", home, at):
                return await look_again(self._backend, home, at)
            case ("erase", session, _):
                return await erase_piece(self._backend, session)
            case _:
                raise BadRequest(f"{name!r}: there is no deadline of this kind.")

    async def _expire(self, interrupt: str, name: str) -> bool:
        session = session_of(interrupt)
        view = await self._backend.door.read(session, interrupts=(interrupt,))
        record = view.interrupts.get(interrupt)
        if view.session is None or record is None or record.decision is not None:
            return await self._drop(session, name)
        turn = record.interrupt.turn
        view = await self._backend.door.read(session, turns=(turn,), interrupts=(interrupt,))
        record = view.interrupts.get(interrupt)
        if view.session is None or record is None or not record.overdue(view.now_ms):
            return True  # it was settled or put off meanwhile
        expiry = decisions.expire(view.session, view.turns[turn], record, view.now_ms)
        return await self._commit(expiry, view.epoch)

    async def _free(self, interrupt: str, name: str) -> bool:
        """A device's claim is over: whoever waits for it is told."""
        session = session_of(interrupt)
        view = await self._backend.door.read(session, interrupts=(interrupt,))
        record = view.interrupts.get(interrupt)
        if record is None or record.decision is not None or record.interrupt.claim is None:
            return await self._drop(session, name)
        return await self._commit(claiming.lapse(record), view.epoch)

    async def _climb(self, interrupt: str, name: str) -> bool:
        session = session_of(interrupt)
        view = await self._backend.door.read(session, interrupts=(interrupt,))
        record = view.interrupts.get(interrupt)
        if view.session is None or record is None or record.decision is not None:
            return await self._drop(session, name)
        roles, subjects = escalation.who_may_be_asked(record.interrupt, view.session.members)
        people = await self._backend.directory.people(roles, subjects, view.now_ms)
        return await self._commit(escalation.climb(view.session, record, people, view.now_ms), view.epoch)

    async def _lapse(self, turn: str, name: str) -> bool:
        view = await self._backend.door.read(session_of(turn), turns=(turn,))
        record = view.turns.get(turn)
        if record is None or record.status != "running":
            return await self._drop(session_of(turn), name)
        log.warning("a worker is gone", turn=turn)
        operations = await self._backend.door.operations(turn)
        done = sum(operation.status == "done" for operation in operations.values())
        return await self._commit(turns.lapse(record, done), view.epoch)

    async def _ring(self, turn: str, operation: str, name: str) -> bool:
        view = await self._backend.door.read(session_of(turn), turns=(turn,))
        record = view.turns.get(turn)
        if record is None or timer_name(operation) not in record.open:
            return await self._drop(session_of(turn), name)
        return await self._commit(turns.ring(record, operation, timer_name(operation)), view.epoch)

    async def _drop(self, session: str, name: str) -> bool:
        """It has nothing to settle any more."""
        outcome = await self._backend.door.commit(Commit(session, "drop", due=[name], drop_deadlines=[name]))
        if isinstance(outcome, NotDone) and outcome.why in ("gone", "missing"):
            await self._deadlines.forget(self._backend.door.keys.partition(session), name)
        return True

    async def _commit(self, commit: Commit, epoch: str | None = None) -> bool:
        """Whether it was applied. Else somebody else was first, or things have changed: the next sweep sees."""
        commit.epoch = epoch
        return isinstance(await self._backend.door.commit(commit), Done)

    async def block_unserved(self) -> None:
        """Turns that are ready while no worker has their version: say so (rule m)."""
        for partition in range(self._backend.door.keys.partitions):
            now_ms, _ = await self._deadlines.due(partition)
            old = await self._jobs.older_than(partition, now_ms - SERVED_MS)
            for queue, waiting in old.items():
                if not await self._backend.manifests.is_served(queue):
                    await asyncio.gather(*(self._block(turn, queue) for turn in waiting))

    async def _block(self, turn: str, queue: str) -> None:
        view = await self._backend.door.read(session_of(turn), turns=(turn,))
        record = view.turns.get(turn)
        if record is not None and record.status == "ready":
            message = f"No worker serves {queue}. Start one that has this version, or cancel the turn."
            await self._commit(turns.block(record, "no_worker", message), view.epoch)
            log.error("no worker", turn=turn, queue=queue)


def _lane(name: str) -> str:
    """The session of a deadline. Those of one guard the same records: at once, all but one of them would be in vain."""
    own_id = name.split(" ")[1] if " " in name else name
    return own_id.partition(".")[2] or own_id
