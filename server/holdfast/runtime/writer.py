"""A turn's writer: the only way in which its worker writes. Everything carries the fence (promise 10).

One commit is under way at a time. What is streamed meanwhile is gathered and goes with the next one, so that a fast
agent costs few commits and a slow one is shown at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

from msgspec.structs import replace

from holdfast.core import escalation, turns
from holdfast.core.commit import Commit, Fence, Writer
from holdfast.core.documents import Document
from holdfast.core.errors import Busy, HoldfastError, TooLarge, Unavailable
from holdfast.core.events import EVENT_MAX_BYTES, Event, MessageWritten, decode, encode
from holdfast.core.feedback import FeedbackBook
from holdfast.core.interrupts import Interrupt
from holdfast.core.messages import Message
from holdfast.core.people import People
from holdfast.core.turns import LEASE_MS, TurnRecord
from holdfast.runtime.history import events_since
from holdfast.runtime.journal import Journal
from holdfast.runtime.transcript import Transcript
from holdfast.store.backoff import Backoff
from holdfast.store.directory import Directory
from holdfast.store.door import Done, Door, NotDone, View, Written
from holdfast.store.instructions import ERASED_MAX
from holdfast.store.log import Log

T = TypeVar("T")

EVENTS_MAX = 200  # of one commit: a burst is written in several
BUFFER_MAX = 1_000  # events waiting to be written; an agent that is faster waits
ATTEMPTS = 20  # at a commit whose guard fails or whose outcome is unknown

#: Makes the commit of the turn as it stands now; called again when a guard failed, so it may have to read afresh.
Build = Callable[[TurnRecord, Writer], "Commit | Awaitable[Commit]"]


class LeaseLost(Exception):
    """The turn is not this worker's any more. It must stop, and write nothing."""


class TurnWriter:
    """Writes for one turn, under one fence."""

    def __init__(
        self,
        door: Door,
        log: Log,
        turn: TurnRecord,
        fence: Fence,
        transcript: Transcript,
        lease_ms: int = LEASE_MS,
        number: int = 0,
    ) -> None:
        """Write for `turn` under `fence`, after so many commits under it."""
        self.turn = turn
        self.transcript = transcript
        #: The run is left: an unknown outcome stays unknown.
        self.given_up = False
        self._door, self._log = door, log
        self._fence, self._number = fence, number
        self._lease_ms = lease_ms
        self._lock = asyncio.Lock()
        self._sending: set[asyncio.Task[Done]] = set()
        self._buffer: list[Event] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._seen = 0
        self._foreign = False
        self._clock_ms, self._clock_at = 0, time.monotonic()
        self.renewed()

    @property
    def fence(self) -> Fence:
        return self._fence

    @property
    def number(self) -> int:
        """Of the last commit under the fence; 0: there was none yet."""
        return self._number

    def now_ms(self) -> int:
        """The store's clock, as far as it is known here."""
        return self._clock_ms + int((time.monotonic() - self._clock_at) * 1_000)

    def set_clock(self, now_ms: int) -> None:
        self._clock_ms, self._clock_at = now_ms, time.monotonic()

    # The lease.

    def renewed(self) -> None:
        self._lease_until = time.monotonic() + self._lease_ms / 1_000

    def check_lease(self) -> None:
        """Just before an effect: is the turn still ours, by our own clock?

        Raises:
            LeaseLost: it may be somebody else's by now.
        """
        if time.monotonic() >= self._lease_until:
            raise LeaseLost(self.turn.id)

    async def heartbeat(self) -> None:
        """Keep the lease. Raises LeaseLost when it is another's."""
        sent_at = time.monotonic()
        await self.commit(lambda turn, writer: turns.heartbeat(turn, writer, self._lease_ms))
        self._lease_until = sent_at + self._lease_ms / 1_000

    # Streaming.

    async def write(self, *events: Event) -> None:
        """Stream events: written soon, in order, together with whatever comes next. Cancelling is safe."""
        for event in events:
            if (size := len(encode(event))) > EVENT_MAX_BYTES:  # or it would end the stream, and every one after it
                raise TooLarge(f"An event is at most {EVENT_MAX_BYTES} bytes.", size=size, limit=EVENT_MAX_BYTES)
        self._buffer.extend(events)
        self._news.set()
        if len(self._buffer) > BUFFER_MAX:
            self._room.clear()
        await self._room.wait()

    async def run(self) -> None:
        """Write what is streamed, until cancelled."""
        while True:
            await self._news.wait()
            await self.flush()

    async def flush(self) -> None:
        """Have everything that was streamed committed."""
        while self._buffer:
            await self.commit(lambda turn, writer: Commit(turn.session, "append", by=writer))
        self._news.clear()

    # Commits.

    def discard(self) -> None:
        """Forget what is streamed and not written."""
        self._buffer.clear()
        self._room.set()

    async def commit(self, build: Build, journal: Journal | None = None) -> Done:
        """Apply what `build` makes of the turn as it is now, with all that was streamed before it.

        Raises:
            LeaseLost: the turn is another's.     Busy: guards kept failing.
        """
        return await self._whole(self._locked(build, journal))

    async def close(self, build: Build, *, ended: bool, journal: Journal | None = None) -> Done:
        """A commit after which the message stands still: one event stands for all of it from then on."""
        return await self._whole(self._close(build, ended, journal))

    async def settled(self) -> None:
        """Return when no commit is under way."""
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _whole(self, committing: Coroutine[Any, Any, Done]) -> Done:
        """A commit that was begun is carried through, though whoever asked for it is cancelled.

        Otherwise its number would be used without our knowing, and the next commit be taken for its repetition.
        """
        sending = asyncio.create_task(committing, name=f"commit {self.turn.id}")
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        return await asyncio.shield(sending)

    def _sent(self, sending: asyncio.Task[Done]) -> None:
        self._sending.discard(sending)
        if not sending.cancelled():
            sending.exception()  # seen by whoever waited, or by nobody any more

    async def _locked(self, build: Build, journal: Journal | None) -> Done:
        async with self._lock:
            return await self._commit(build, journal)

    async def _close(self, build: Build, ended: bool, journal: Journal | None) -> Done:
        left: list[int] = []

        async def closing(turn: TurnRecord, writer: Writer) -> Commit:
            commit = await _made(build(turn, writer))
            left[:] = self.transcript.stand_for_all(commit, ended=ended)
            return commit

        async with self._lock:
            while self._buffer:
                await self._commit(lambda turn, writer: Commit(turn.session, "append", by=writer), None)
            done = await self._commit(closing, journal, whole=True)
        await self._erase(left, done.epoch)
        return done

    async def _commit(self, build: Build, journal: Journal | None, *, whole: bool = False) -> Done:
        for _ in range(ATTEMPTS):
            if whole and self._foreign:
                await self._catch_up()
            streamed = self._buffer[:EVENTS_MAX]
            commit = await _made(build(self.turn, Writer(self.turn.id, self._fence, self._number + 1)))
            commit.events[:0] = streamed
            if journal is not None:
                commit.operations.extend(journal.recorded.observed)
                commit.operations = [journal.recorded.timed(one, self.now_ms()) for one in commit.operations]
            done = await self._settle(commit, await self._send(commit))
            if done is not None:
                if journal is not None:
                    journal.recorded.take_observed()
                self._streamed(len(streamed))
                return done
        raise Busy

    async def _send(self, commit: Commit) -> Done | NotDone:
        """Send until the outcome is known: the commit is numbered, so repeating it is asking, not doing."""
        return await self._until_known(lambda: self._door.commit(commit))

    async def _until_known(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What the store says, once it says something. Only for what may be asked again."""
        backoff = Backoff()
        while True:
            try:
                return await ask()
            except Unavailable as error:
                if self.given_up:
                    raise LeaseLost(f"{self.turn.id}: {error}") from error
                await asyncio.sleep(backoff.next_s())

    async def _settle(self, commit: Commit, outcome: Done | NotDone) -> Done | None:
        """What the outcome means for this writer. None: it was not applied, and is to be made anew.

        Raises:
            LeaseLost: the turn is another's.
        """
        if isinstance(outcome, Done):
            self._applied(commit, outcome)
            return outcome
        if outcome.why == "stale":
            await self.look()
            return None
        if outcome.why != "epoch":
            raise LeaseLost(f"{self.turn.id}: {outcome.why}")
        written = await self._after_restart()
        done = written.done if written.number > self._number else None  # its reply was lost, it was not
        if done is not None:
            self._applied(commit, done)
        if done is None or written.held:
            await self._renew()
        return done

    def _applied(self, commit: Commit, done: Done) -> None:
        self._number += 1
        self.set_clock(done.at)
        for record in commit.puts:
            if isinstance(record, TurnRecord) and record.id == self.turn.id:
                self.turn = _written(record)
        if done.first > self._seen + 1:
            self._foreign = True  # others wrote in between: perhaps a decision's chunks
        for seq, event in enumerate(commit.events, start=done.first):
            self.transcript.add(seq, event)
        self._seen = max(self._seen, done.last)

    def _streamed(self, count: int) -> None:
        del self._buffer[:count]
        if len(self._buffer) <= BUFFER_MAX // 2:
            self._room.set()

    async def look(self) -> TurnRecord:
        """Read the turn again: somebody else has changed it."""
        view = await self._until_known(lambda: self._door.read(self.turn.session, turns=(self.turn.id,)))
        self.set_clock(view.now_ms)
        current = view.turns.get(self.turn.id)
        if current is None or current.status != "running" or current.takes != self.turn.takes:
            raise LeaseLost(self.turn.id)
        if current.version != self.turn.version:
            self.turn, self._foreign = current, True
        return current

    async def read(self, interrupts: tuple[str, ...]) -> View:
        """These interrupts of the turn as they are now."""
        return await self._until_known(lambda: self._door.read(self.turn.session, interrupts=interrupts))

    async def people(self, shown: Interrupt, members: Collection[str]) -> People:
        """What is known of those whom an interrupt asks, or may come to ask."""
        roles, subjects = escalation.who_may_be_asked(shown, members)
        directory = Directory(self._door.connection, self._door.keys)
        return await self._until_known(lambda: directory.people(roles, subjects, self.now_ms()))

    async def said(self, wanted: Collection[str]) -> dict[str, Message]:
        """These messages of people, by id: those that came since the turn began."""
        events, _ = await events_since(self._log, self.turn.session, self.turn.begins or 1)
        written = (event.message for _, event in events if isinstance(event, MessageWritten))
        return {message.id: message for message in written if message.id in wanted}

    async def document(self) -> Document:
        """The session's shared document as it stands."""
        session = self.turn.session
        view = await self._until_known(lambda: self._door.read(session, state=True))
        return view.state or Document(session=session)

    async def feedback(self) -> FeedbackBook:
        """What was said about the session."""
        session = self.turn.session
        view = await self._until_known(lambda: self._door.read(session, feedback=True))
        return view.feedback or FeedbackBook(session=session)

    def loaded(self, head: int) -> None:
        """The transcript is that of the log up to `head`."""
        self._seen, self._foreign = head, False

    async def _catch_up(self) -> None:
        """Fold in what commands wrote into the message: decisions."""
        transcript = Transcript(self.turn.id, self.turn.message)
        after = (self.transcript.first or 1) - 1
        while True:
            page = await self._log.page(self.turn.session, after)
            for entry in page.entries:
                transcript.add(entry.seq, decode(entry.data))
                after = entry.seq
            if not page.entries or after >= page.head:
                break
        self.transcript.message, self.transcript.positions = transcript.message, transcript.positions
        self.transcript.first = transcript.first if self.transcript.first is None else self.transcript.first
        self._foreign = False

    async def _after_restart(self) -> Written:
        """What the store that came back has of this worker.

        Raises:
            LeaseLost: less than it acknowledged, so it is an older copy; or another has had the turn since.
        """
        written = await self._until_known(lambda: self._door.written(self.turn.session, self.turn.id))
        if written is None or written.fence != str(self._fence) or written.number < self._number:
            raise LeaseLost(f"{self.turn.id}: the store came back without what this worker wrote")
        return written

    async def _renew(self) -> None:
        """Nothing of ours was lost: take the turn again, under the new epoch.

        Raises:
            LeaseLost: another has the turn.
        """
        view = await self._until_known(lambda: self._door.read(self.turn.session, turns=(self.turn.id,)))
        current = view.turns.get(self.turn.id)
        if current is None or current.status != "running" or current.takes != self.turn.takes:
            raise LeaseLost(self.turn.id)
        commit, fence = turns.renew(current, view.epoch, self._lease_ms)
        outcome = await self._send(commit)
        if isinstance(outcome, NotDone):
            raise LeaseLost(f"{self.turn.id}: {outcome.why}")
        self.turn, self._fence, self._number = _written(commit.puts[0]), fence, 0
        self._seen, self._foreign = max(self._seen, view.head), True
        self.renewed()

    async def _erase(self, positions: list[int], epoch: str) -> None:
        for start in range(0, len(positions), ERASED_MAX):
            erases = positions[start : start + ERASED_MAX]
            try:
                await self._door.commit(Commit(self.turn.session, "compact", erases=erases, epoch=epoch))
            except HoldfastError:
                return  # they only take room: a later compaction stands for them too


async def _made(commit: Commit | Awaitable[Commit]) -> Commit:
    return commit if isinstance(commit, Commit) else await commit


def _written(record: object) -> TurnRecord:
    assert isinstance(record, TurnRecord)
    return replace(record, version=record.version + 1)
