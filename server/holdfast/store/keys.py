"""Every key in the store: its type, its meaning, how long it lives.

All keys of a partition carry its hash tag, so that a session and all that goes with it share one slot.

    hf:config                 hash    `partitions`: fixed when the store is first used                    for ever
    hf:agents                 hash    agent@version → its manifest                                          for ever
    hf:served                 hash    agent@version → when a worker last said that it serves it (ms)      for ever
    hf:targets                hash    where notices go → when that was last said (ms), how it is shown    7 days unsaid
    hf:{people}:since         string  when the directory of people was begun (ms)                           for ever
    hf:{people}:role:ROLE     zset    subjects that were seen with it → when last (ms); at most 1,000       30 days
    hf:{people}:away          hash    subject → until when they are away, and who stands in                 while away
    hf:{people}:for:SUBJECT   hash    those for whom that person stands in → likewise                       90 days
    hf:durable                string  written before WAIT, which waits for its own connection's writes      for ever
    hf:{7}:meta               hash    epoch, run, generation; `entries`: the audit trail's last number    for ever
    hf:{7}:deadlines          zset    what acts by itself → when (ms)                                     while open
    hf:{7}:failing            hash    deadlines that could not be settled → how often                     until settled
    hf:{7}:dead               zset    those that were given up → when (ms)                                next start
    hf:{7}:jobs:AGENT@VERSION zset    turns that are ready → since when (ms); only a hint                 while ready
    hf:{7}:queues             set     names of the job sets that were ever used                           for ever
    hf:{7}:inbox              zset    open interrupts → since when (ms)                                   while open
    hf:{7}:grants             zset    standing grants → since when (ms)                                   till revoked
    hf:{7}:sessions           zset    sessions → when somebody last wrote (ms)                            the session's
    hf:{7}:turns:GROUP        zset    turns: `open`, `failed`, `ended` → when last written (ms)           the session's
    hf:{7}:of:SUBJECT         zset    sessions of one person → likewise                                   the session's
    hf:{7}:outbox             stream  notices to send, at most 100,000                                    handed on
    hf:{7}:to:TARGET          zset    lanes of notices for a target, at most 10,000 → when next (ms)      until sent
    hf:{7}:to:TARGET:LANE     list    the notices of one lane (an interrupt), in their order              until sent
    hf:{7}:tries:TARGET       hash    lane → how often its first notice was begun                         until sent
    hf:{7}:told:TARGET        zset    interrupts that it may have been told of, at most 100,000 → when    until closed
    hf:{7}:undelivered        stream  notices that were given up, about 10,000; the oldest go first       until replayed
    hf:{7}:audit              stream  the audit trail, densely numbered                                   retention
    hf:{7}:seals              stream  its seals, densely numbered: what proves it                         retention
    hf:{7}:sealer             string  who seals it, for a while                                           some seconds
    hf:{7}:s:ID               hash    the session: see below                                           a tombstone stays
    hf:{7}:s:ID:log           stream  its events; entry id = seq                                          the session's
    hf:{7}:s:ID:refs          hash    commands that were applied → their replies                          the session's
    hf:{7}:s:ID:folded        string  its state folded up to `floor`, where the log was trimmed           the session's
    hf:{7}:s:ID:devices       hash    connection → who is there, until when (ms)                          presence
    hf:{7}:s:~SCOPE-NAME      hash    a home of what is wider than a session: `std`, no `rec`              for ever
    hf:{7}:o:TURN             hash    operations of a turn: key → record                                  the session's

Fields of a session: `alive` (1; 0 is a tombstone), `seq`, `at` (of its last commit, ms), `floor` (below it the log is
trimmed), `rec` (its record), `t:TURN` and `i:INTERRUPT` (records: version, blank, JSON), `c:KIND:CALL` (the interrupt
of that kind of that tool call), `std` (a record: grants, counters of budgets, what was approved), `w:TURN` (its
worker's fence, the number of the last commit under it, and that commit's first, last, at).

A shelf of schedules (`schedules.0` to `schedules.15`, by name) is such a hash too, without a life of its own: `seq`,
`at` and `x:NAME` (records). A schedule stays until it is cancelled or done, and then a week.

Channels: `hf:{7}:s:ID` (events as they happen), `hf:{7}:wake` (workers of the partition: look).
"""

from __future__ import annotations

from holdfast.core.ids import partition_of, session_of
from holdfast.core.records import RecordKind
from holdfast.core.turns import TurnGroup

PARTITIONS = 16  # of a new store; enough for any cluster that one deployment needs

_FIELD: dict[RecordKind, str] = {
    "session": "rec",
    "turn": "t:",
    "interrupt": "i:",
    "state": "state",
    "schedule": "x:",
    "feedback": "feedback",
    "standing": "std",
}
_ONLY_ONE: tuple[RecordKind, ...] = ("session", "state", "feedback", "standing")  # of these a session has one


class Keys:
    """The names of all keys, for a prefix and a number of partitions."""

    def __init__(self, prefix: str = "hf", partitions: int = PARTITIONS) -> None:
        self.prefix = prefix
        self.partitions = partitions
        self._tags = [f"{prefix}:{{{number}}}" for number in range(partitions)]

    @property
    def config(self) -> str:
        return f"{self.prefix}:config"

    @property
    def agents(self) -> str:
        return f"{self.prefix}:agents"

    @property
    def served(self) -> str:
        return f"{self.prefix}:served"

    # Of people: one slot, since what spans all sessions belongs to none of their partitions.

    @property
    def directory_since(self) -> str:
        return f"{self.prefix}:{{people}}:since"

    @property
    def away(self) -> str:
        return f"{self.prefix}:{{people}}:away"

    def people_of(self, role: str) -> str:
        return f"{self.prefix}:{{people}}:role:{role}"

    def deputy_of(self, deputy: str) -> str:
        return f"{self.prefix}:{{people}}:for:{deputy}"

    @property
    def targets(self) -> str:
        return f"{self.prefix}:targets"

    @property
    def durable(self) -> str:
        return f"{self.prefix}:durable"

    def tag(self, session: str) -> str:
        return self._tags[partition_of(session, self.partitions)]

    def partition(self, session: str) -> int:
        return partition_of(session, self.partitions)

    # Of a partition, by its number.

    def meta(self, partition: int) -> str:
        return f"{self._tags[partition]}:meta"

    def deadlines(self, partition: int) -> str:
        return f"{self._tags[partition]}:deadlines"

    def failing(self, partition: int) -> str:
        return f"{self._tags[partition]}:failing"

    def dead(self, partition: int) -> str:
        return f"{self._tags[partition]}:dead"

    def queues(self, partition: int) -> str:
        return f"{self._tags[partition]}:queues"

    def jobs(self, partition: int, queue: str) -> str:
        return f"{self._tags[partition]}:jobs:{queue}"

    def inbox(self, partition: int) -> str:
        return f"{self._tags[partition]}:inbox"

    def grants(self, partition: int) -> str:
        return f"{self._tags[partition]}:grants"

    def sessions(self, partition: int) -> str:
        return f"{self._tags[partition]}:sessions"

    def sessions_of(self, partition: int, subject: str) -> str:
        return f"{self._tags[partition]}:of:{subject}"

    def turns(self, partition: int, group: TurnGroup) -> str:
        return f"{self._tags[partition]}:turns:{group}"

    def outbox(self, partition: int) -> str:
        return f"{self._tags[partition]}:outbox"

    def lanes(self, partition: int, target: str) -> str:
        return f"{self._tags[partition]}:to:{target}"

    def lane(self, partition: int, target: str, lane: str) -> str:
        return f"{self.lanes(partition, target)}:{lane}"

    def tries(self, partition: int, target: str) -> str:
        return f"{self._tags[partition]}:tries:{target}"

    def told(self, partition: int, target: str) -> str:
        return f"{self._tags[partition]}:told:{target}"

    def undelivered(self, partition: int) -> str:
        return f"{self._tags[partition]}:undelivered"

    def audit(self, partition: int) -> str:
        return f"{self._tags[partition]}:audit"

    def seals(self, partition: int) -> str:
        return f"{self._tags[partition]}:seals"

    def sealer(self, partition: int) -> str:
        return f"{self._tags[partition]}:sealer"

    def wake_channel(self, partition: int) -> str:
        return f"{self._tags[partition]}:wake"

    # Of a session.

    def session(self, session: str) -> str:
        return f"{self.tag(session)}:s:{session}"

    def channel(self, session: str) -> str:
        return self.session(session)

    def log(self, session: str) -> str:
        return f"{self.session(session)}:log"

    def refs(self, session: str) -> str:
        return f"{self.session(session)}:refs"

    def folded(self, session: str) -> str:
        return f"{self.session(session)}:folded"

    def devices(self, session: str) -> str:
        return f"{self.session(session)}:devices"

    def operations(self, turn: str) -> str:
        return f"{self.tag(session_of(turn))}:o:{turn}"


def field(kind: RecordKind, own_id: str) -> str:
    """The field of its session in which a record stands."""
    return _FIELD[kind] if kind in _ONLY_ONE else _FIELD[kind] + own_id


def call_field(kind: str, call: str) -> str:
    """The field of its session that leads from a tool call to its interrupt."""
    return f"c:{kind}:{call}"
