"""What a Commit says, in the words that commit.lua understands."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from holdfast.core.commit import CommandId, Commit, Writer
from holdfast.core.errors import LimitReached, TooLarge
from holdfast.core.events import EVENT_MAX_BYTES, encode
from holdfast.core.interrupts import Interrupt, InterruptRecord
from holdfast.core.records import Record
from holdfast.core.turns import TURN_GROUPS, TurnRecord
from holdfast.store.keys import Keys, call_field, field

ERASED_MAX = 1_000  # positions of the log that one commit may erase: more would hold up the store

_json = msgspec.json.Encoder()


class Instructions:
    """The keys and arguments of one call of commit.lua."""

    def __init__(self, keys: list[str], arguments: list[str | bytes | int]) -> None:
        self.keys = keys
        self.arguments = arguments

    def say(self, word: str, key: str, *arguments: str | bytes | int) -> None:
        """Add one instruction."""
        if key not in self.keys:
            self.keys.append(key)
        self.arguments.extend((word, self.keys.index(key) + 1, *arguments))

    @classmethod
    def of(cls, commit: Commit, keys: Keys, epoch: str) -> Instructions:
        """Translate.

        Raises:
            TooLarge: an event is over its limit. Nothing was sent.
            LimitReached: it erases more than one commit may.
        """
        session, partition = commit.session, keys.partition(commit.session)
        said = cls(
            [keys.meta(partition), keys.session(session), keys.log(session), keys.refs(session)],
            [
                epoch,
                keys.channel(session),
                keys.wake_channel(partition),
                _life(commit),
            ],
        )
        said.arguments.extend(_name(commit))
        said.arguments.append(_nudge(commit))
        _say_records(said, commit, keys)
        _say_events(said, commit, keys)
        _say_sets(said, commit, keys, partition)
        _say_entries(said, commit, keys, partition)
        return said


def _life(commit: Commit) -> str:
    """What its session must be."""
    if commit.on_shelf:
        return "any"
    return "new" if commit.creates else "alive"


def _name(commit: Commit) -> list[str | bytes | int]:
    match commit.by:
        case CommandId(subject, ref, digest):
            reply = bytes(commit.reply) if commit.reply is not None else b""
            return ["ref", f"{len(subject)}:{subject}:{ref}", digest, reply]
        case Writer(turn, fence, number):
            return ["writer", turn, str(fence), number]
        case None:
            return ["", "", "", ""]


def _nudge(commit: Commit) -> str:
    words = [f"job {job.queue} {job.turn}" for job in commit.jobs]
    return "\n".join(words + [f"look {turn}" for turn in commit.nudges])


def _say_records(said: Instructions, commit: Commit, keys: Keys) -> None:
    home = keys.session(commit.session)
    for record in (*commit.puts, *commit.guards, *commit.removes):
        said.say("version", home, field(record.kind, record.id), record.version)
    for record in commit.puts:
        said.say("set", home, field(record.kind, record.id), stored(record))
        if isinstance(record, InterruptRecord) and record.version == 0:
            _say_call(said, record.interrupt, home)
    for record in commit.removes:
        said.say("unset", home, field(record.kind, record.id))
    for turn, fence in commit.fences.items():
        if fence is None:
            said.say("let_go", home, turn)
        else:
            said.say("set", home, f"w:{turn}", f"{fence} 0 0 0 0")
    for operation in commit.operations:
        said.say("set", keys.operations(operation.turn), operation.key, _json.encode(operation))
    for operation in commit.forgets:
        said.say("unset", keys.operations(operation.turn), operation.key)


def _say_call(said: Instructions, shown: Interrupt, home: str) -> None:
    """An interrupt is found by its tool call too, also when it is closed: a late answer must meet its decision."""
    if shown.toolCallId is not None:
        said.say("set", home, call_field(shown.kind, shown.toolCallId), shown.id)


def _say_events(said: Instructions, commit: Commit, keys: Keys) -> None:
    log = keys.log(commit.session)
    for event in commit.events:
        data = encode(event)
        if len(data) > EVENT_MAX_BYTES:
            raise TooLarge(f"An event is at most {EVENT_MAX_BYTES} bytes.", size=len(data), limit=EVENT_MAX_BYTES)
        said.say("event", log, data)
    if len(commit.erases) > ERASED_MAX:
        raise LimitReached(f"A commit erases at most {ERASED_MAX} events.", limit=ERASED_MAX)
    for position in commit.erases:
        said.say("erase", log, position)
    if commit.trim is not None:
        said.say("trim", log, commit.trim.was, commit.trim.floor)
        said.say("keep", keys.folded(commit.session), commit.trim.folded)


def _say_sets(said: Instructions, commit: Commit, keys: Keys, partition: int) -> None:
    _say_deadlines(said, commit, keys.deadlines(partition))
    for job in commit.drop_jobs:
        said.say("drop", keys.jobs(partition, job.queue), job.turn)
    for job in commit.jobs:
        said.say("add", keys.queues(partition), job.queue)
        said.say("now", keys.jobs(partition, job.queue), job.turn)
    for interrupt in commit.inbox_drop:
        said.say("drop", keys.inbox(partition), interrupt)
    for interrupt in commit.inbox_add:
        said.say("now", keys.inbox(partition), interrupt)
    for grant in commit.grants_drop:
        said.say("drop", keys.grants(partition), grant)
    for grant in commit.grants_add:
        said.say("now", keys.grants(partition), grant)
    for record in commit.puts:
        if isinstance(record, TurnRecord):
            _say_turn(said, record, keys, partition)
    _say_lists(said, commit, keys, partition)


def _say_turn(said: Instructions, turn: TurnRecord, keys: Keys, partition: int) -> None:
    """The turn in the list of its group, and in no other."""
    for group in TURN_GROUPS:
        said.say("now" if group == turn.group else "drop", keys.turns(partition, group), turn.id)


def _say_deadlines(said: Instructions, commit: Commit, deadlines: str) -> None:
    for name in commit.due:
        said.say("due", deadlines, name)
    for name in commit.drop_deadlines:
        said.say("drop", deadlines, name)
    for deadline in commit.set_deadlines:
        if deadline.due_ms is None:
            said.say("later", deadlines, deadline.member, deadline.in_ms)
        else:
            said.say("at", deadlines, deadline.member, deadline.due_ms)


def _say_lists(said: Instructions, commit: Commit, keys: Keys, partition: int) -> None:
    """The session in the lists of its members and of operators; or, when it is buried, in none."""
    for subject in commit.unlist_for:
        said.say("drop", keys.sessions_of(partition, subject), commit.session)
    for subject in commit.list_for:
        said.say("now", keys.sessions_of(partition, subject), commit.session)
    if commit.list_for:
        said.say("now", keys.sessions(partition), commit.session)
    if commit.buries:
        said.say("drop", keys.sessions(partition), commit.session)
        said.say("set", keys.session(commit.session), "alive", "0")


def _say_entries(said: Instructions, commit: Commit, keys: Keys, partition: int) -> None:
    for notice in commit.notices:
        said.say("notice", keys.outbox(partition), _json.encode(notice))
    for entry in commit.audit:
        said.say("entry", keys.audit(partition), _json.encode(entry))


def stored(record: Record) -> bytes:
    """A record's bytes: the version it gets by this write, a blank, and JSON without it."""
    return b"%d %s" % (record.version + 1, _json.encode(replace(record, version=0)))
