"""The one door for writes, and the reads that decisions are made on.

    view = await door.read(session, ...)      what is, as of one instant
    commit = core.decide(view, command)       pure
    outcome = await door.commit(commit)       Done, or why not

A guard that failed is an outcome, not an error: the caller reads again and decides again.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace
from redis.exceptions import ResponseError

from holdfast.core.commit import CommandId, Commit, Writer
from holdfast.core.documents import Document
from holdfast.core.errors import RefReused, StoreUnavailable, StoreUnusable
from holdfast.core.feedback import FeedbackBook
from holdfast.core.interrupts import InterruptRecord
from holdfast.core.operations import Operation
from holdfast.core.records import Record
from holdfast.core.schedules import ScheduleRecord
from holdfast.core.session import SessionRecord
from holdfast.core.standing import StandingRecord
from holdfast.core.turns import TurnRecord
from holdfast.store.connection import Connection, Script
from holdfast.store.durability import Durability
from holdfast.store.failpoints import reached
from holdfast.store.instructions import Instructions
from holdfast.store.keys import Keys, call_field, field
from holdfast.store.pipeline import Pipeline

R = TypeVar("R", bound=Record)


def script(name: str) -> Script:
    """One of the Lua files beside this module."""
    return Script(name, files("holdfast.store").joinpath(f"{name}.lua").read_text())


COMMIT, READ, LOG, CLAIM = script("commit"), script("read"), script("log"), script("claim")
#: What a connection loads before anything is sent.
SCRIPTS = (CLAIM, COMMIT, READ, LOG)

_records: dict[type[Record], msgspec.json.Decoder[Record]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (
        SessionRecord,
        TurnRecord,
        InterruptRecord,
        Document,
        ScheduleRecord,
        FeedbackBook,
        StandingRecord,
    )
}
_operations = msgspec.json.Decoder(Operation)


class Done(msgspec.Struct, frozen=True):
    """Applied, now or (`again`) before. Its events are `first`..`last`; none if `first` > `last`."""

    epoch: str
    first: int
    last: int
    at: int
    reply: bytes = b""
    again: bool = False


class NotDone(msgspec.Struct, frozen=True):
    """Nothing was changed.

    stale     a record is not what it was; read and decide again
    epoch     the store restarted or failed over meanwhile; likewise
    early     a deadline has not come yet
    fenced    another worker has the turn, or nobody; the writer must stop
    skipped   the writer's commit before this one never arrived; it must stop
    gone      the session was deleted          missing   there is none          exists   there is one already
    """

    why: Literal["stale", "epoch", "early", "fenced", "skipped", "gone", "missing", "exists"]
    detail: str = ""


class Written(msgspec.Struct, frozen=True):
    """A worker's last commit for a turn, as the store has it."""

    fence: str
    #: Whether that fence still stands; else it was let go, by that commit or since.
    held: bool
    #: 0: it has taken the turn, and written nothing yet.
    number: int
    done: Done


class View(msgspec.Struct):
    """What a command decides on, as of one instant."""

    now_ms: int
    epoch: str
    head: int
    floor: int
    #: None: there never was one, or it was deleted (`gone`).
    session: SessionRecord | None
    gone: bool
    turns: dict[str, TurnRecord]
    interrupts: dict[str, InterruptRecord]
    #: The command was applied before.
    again: Done | None
    #: The shared document, if it was read and there is one.
    state: Document | None = None
    #: What was said about the session, if it was read and there is any.
    feedback: FeedbackBook | None = None
    #: What stands here, where it was asked for; an empty one if nothing does.
    standing: StandingRecord | None = None


class Door:
    """Reads and commits of sessions, through one batching connection."""

    def __init__(self, connection: Connection, keys: Keys, durability: Durability | None = None) -> None:
        self.connection = connection
        self.keys = keys
        #: What a durable commit waits for before it is done. None: nothing.
        self.durability = durability
        self._epochs: dict[int, str] = {}
        #: How often a guard failed since the start: that the guards are needed can be seen.
        self.conflicts = 0

    async def claim(self, run_id: str, direct: Pipeline | None = None) -> None:
        """Learn the epoch of every partition: after each (re)connection, before anything is committed.

        `direct` is the new connection itself, where `on_connect` calls this: commands of others wait for that.
        """
        run = direct.run if direct is not None else self.connection.run
        for partition in range(self.keys.partitions):
            meta = self.keys.meta(partition)
            self._epochs[partition] = _text(await run(CLAIM, [meta], [run_id]))

    def epoch(self, session: str) -> str:
        """The epoch of the session's partition, as last learnt."""
        return self._epochs[self.keys.partition(session)]

    async def read(
        self,
        session: str,
        *,
        turns: tuple[str, ...] = (),
        interrupts: tuple[str, ...] = (),
        standing: bool = False,
        command: CommandId | None = None,
        state: bool = False,
        feedback: bool = False,
    ) -> View:
        """Read a session, some of its turns and interrupts, its document, its feedback and what stands there.

        Cancelling is safe.

        Raises:
            RefReused: `command` has the ref of another one.
            StoreUnavailable, OutcomeUnknown: try again.
        """
        keys = self.keys
        names = [
            "rec",
            *(field("turn", one) for one in turns),
            *(field("interrupt", one) for one in interrupts),
            *([field("state", session)] if state else []),
            *([field("feedback", session)] if feedback else []),
            *([field("standing", session)] if standing else ()),
        ]
        reply = await self.connection.run(
            READ,
            [keys.meta(keys.partition(session)), keys.session(session), keys.refs(session)],
            [scope(command) if command else "", *names],
        )
        now, epoch, alive, head, floor, stored, record, *values = reply
        self._epochs[keys.partition(session)] = _text(epoch)
        again = _stored(command, stored, _text(epoch)) if command and stored else None
        if again is not None and self.durability is not None:
            await self.durability.reached(again.epoch)  # it may be asked again because this was not known
        living = alive == b"1" and record is not None
        of_turns, of_interrupts = values[: len(turns)], values[len(turns) :][: len(interrupts)]
        more = iter(values[len(turns) + len(interrupts) :])  # in the order in which they were asked for
        document = next(more) if state else None
        book = next(more) if feedback else None
        standings = next(more) if standing else None
        return View(
            now_ms=int(now),
            epoch=_text(epoch),
            head=int(head),
            floor=int(floor),
            session=decode(SessionRecord, record) if living and record else None,
            gone=alive == b"0",
            turns=_decode_all(TurnRecord, turns, of_turns),
            interrupts=_decode_all(InterruptRecord, interrupts, of_interrupts),
            again=again,
            state=None if document is None else decode(Document, document),
            feedback=None if book is None else decode(FeedbackBook, book),
            standing=_standing(session, standings) if standing else None,
        )

    async def standing(self, home: str) -> StandingRecord:
        """What stands in a session, or in a wider place; an empty record if nothing does. Cancelling is safe."""
        value = await self.connection.execute("HGET", self.keys.session(home), field("standing", home))
        return _standing(home, value)

    async def written(self, session: str, turn: str) -> Written | None:
        """What the turn's worker wrote last, if one ever had it."""
        value = await self.connection.execute("HGET", self.keys.session(session), f"w:{turn}")
        if value is None:
            return None
        fence, number, first, last, at = _text(value).split(" ")
        done = Done(self.epoch(session), int(first), int(last), int(at), again=True)
        return Written(fence.removeprefix("-"), fence[0] != "-", int(number), done)

    async def interrupts_of_call(self, session: str, call: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """The interrupts of a tool call, open or closed, in the order of `kinds`. Cancelling is safe."""
        fields = [call_field(kind, call) for kind in kinds]
        found = await self.connection.execute("HMGET", self.keys.session(session), *fields)
        return tuple(_text(own_id) for own_id in found if own_id is not None)

    async def operations(self, turn: str) -> dict[str, Operation]:
        """All that a turn has recorded, by key."""
        rows: list[bytes] = await self.connection.execute("HGETALL", self.keys.operations(turn))
        return {_text(key): _operations.decode(value) for key, value in zip(rows[::2], rows[1::2], strict=True)}

    async def commit(self, commit: Commit) -> Done | NotDone:
        """Apply a commit. Cancelling leaves the outcome unknown, as OutcomeUnknown does: repeat it.

        Raises:
            OutcomeUnknown: sent, and no reply came; or it is `durable` and has not all its copies yet.
                Repeating the same commit is safe if it is named (`by`).
            StoreUnavailable: not sent.
            RefReused: its ref named another command before.
            StoreUnusable: the store refused (memory, a key of another type).
        """
        if isinstance(commit.by, Writer):
            epoch = commit.by.fence.epoch
        else:
            epoch = commit.epoch or self.epoch(commit.session)
        instructions = Instructions.of(commit, self.keys, epoch)
        reached(f"before commit:{commit.label}")
        try:
            reply = await self.connection.run(COMMIT, instructions.keys, instructions.arguments)
        except ResponseError as error:
            raise StoreUnusable(f"The store refused a write: {error}") from error
        reached(f"after commit:{commit.label}")
        outcome = self._outcome(commit, [_text(word) for word in reply])
        if isinstance(outcome, NotDone):
            self.conflicts += outcome.why == "stale"
        elif commit.durable and self.durability is not None:
            await self.durability.reached(outcome.epoch)
        return outcome

    def _outcome(self, commit: Commit, reply: list[str]) -> Done | NotDone:
        match reply:
            case ["done", epoch, first, last, at]:
                raw = bytes(commit.reply) if commit.reply is not None else b""
                return Done(epoch, int(first), int(last), int(at), raw)
            case ["again", stored]:
                first, last, at, *rest = stored.split(" ", 3)
                reply_bytes = rest[0].encode() if rest else b""
                return Done(self.epoch(commit.session), int(first), int(last), int(at), reply_bytes, again=True)
            case ["epoch", current]:
                self._epochs[self.keys.partition(commit.session)] = current
                return NotDone("epoch", current)
            case ["reused"]:
                raise RefReused
            case ["failed", detail] if "OOM" in detail:
                raise StoreUnavailable(f"The store has no memory left: {detail}", reply="OOM")
            case ["failed" | "wrong_type" as why, detail]:
                raise StoreUnusable(f"The store refused a write ({why}): {detail}")
            case [why, *detail]:
                return msgspec.convert({"why": why, "detail": " ".join(detail)}, NotDone)
            case _:
                raise StoreUnusable(f"commit.lua answered {reply!r}")


def scope(command: CommandId) -> str:
    """The name under which a command's reply is kept: a ref is its principal's own."""
    return f"{len(command.subject)}:{command.subject}:{command.ref}"


def decode(kind: type[R], value: bytes) -> R:
    """A record as stored: its version, a blank, and JSON without it."""
    version, _, body = value.partition(b" ")
    return replace(_records[kind].decode(body), version=int(version))  # type: ignore[return-value]


def _decode_all(kind: type[R], ids: tuple[str, ...], values: list[bytes | None]) -> dict[str, R]:
    pairs = zip(ids, values, strict=True)
    return {own_id: decode(kind, value) for own_id, value in pairs if value is not None}


def _standing(home: str, value: bytes | None) -> StandingRecord:
    return StandingRecord(home=home) if value is None else decode(StandingRecord, value)


def _stored(command: CommandId, stored: bytes, epoch: str) -> Done:
    digest, first, last, at, reply = stored.split(b" ", 4)
    if digest.decode() != command.digest:
        raise RefReused(ref=command.ref)
    return Done(epoch, int(first), int(last), int(at), reply, again=True)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
