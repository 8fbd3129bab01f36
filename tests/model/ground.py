"""The ground on which all stand: the real store and the one in Python, and how something is decided and committed.

Whoever does something reads, decides and commits in separate steps, so that decisions are made on old views.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, ClassVar, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from tests.model.in_memory import InMemory

from holdfast.core import conversation, ending
from holdfast.core.commit import CommandId, Commit, Fence, Writer
from holdfast.core.conversation import Sent
from holdfast.core.errors import RefReused
from holdfast.core.events import TurnResumed, TurnWaiting, decode
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Decision, InterruptRecord
from holdfast.core.messages import Message
from holdfast.core.session import SessionInfo
from holdfast.core.turns import TurnRecord
from holdfast.store.connection import Connection
from holdfast.store.door import Done, Door

EXPIRES_MS = 60_000
SESSION = "model"
DEVICES = ("alice", "bob", "carol")
WORKERS = ("w1", "w2")

actors = st.sampled_from(DEVICES)
workers = st.sampled_from(WORKERS)
places = st.integers(0, 99)

T = TypeVar("T")


class Deed(msgspec.Struct):
    """A commit that somebody has decided on, and perhaps sent already."""

    commit: Commit
    epoch: str


class Working(msgspec.Struct):
    """What a worker remembers of the turn that it took."""

    turn: TurnRecord
    fence: Fence
    number: int = 0
    #: It has not heard what became of its last commit, and must ask before it does anything else.
    unheard: bool = False


class Ground(RuleBasedStateMachine):
    """The real store and the one in Python, and what those who use them have in hand."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    connection: ClassVar[Connection]
    door: ClassVar[Door]
    steps: ClassVar[int] = 0
    outcomes: ClassVar[Counter[str]] = Counter()
    labels: ClassVar[Counter[tuple[str, str]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.model = InMemory()
        self.offset_ms = 0
        self.count = 0
        self.runs = 0
        #: What each has decided on and not sent yet; and what it sent last.
        self.deeds: dict[str, Deed] = {}
        self.sent: dict[str, Deed] = {}
        self.working: dict[str, Working] = {}
        self.older: tuple[InMemory, dict[bytes, bytes], int] | None = None
        self.decided: dict[str, Decision] = {}
        self.fences: dict[str, Fence] = {}
        self.compared = 0
        self.did: Counter[str] = Counter()

    def decide(self, who: str, commit: Commit, ref: str | None = None) -> None:
        if ref is not None:
            commit.by = CommandId(who, ref, f"digest-{ref}")
            commit.reply = commit.reply or msgspec.Raw(msgspec.json.encode({"ref": ref}))
        epoch = commit.by.fence.epoch if isinstance(commit.by, Writer) else self.model.epoch
        commit.epoch = self.model.epoch
        self.deeds[who] = Deed(commit, epoch)

    def perhaps_send(self, who: str, now: bool) -> None:
        if now:
            self.send(who)

    def send(self, who: str) -> Done | str:
        deed = self.sent[who] = self.deeds.pop(who)
        return self.attempt(deed)

    def attempt(self, deed: Deed) -> Done | str:
        """Give it to both, and have both say the same."""
        commit = deed.commit
        verdict = self.model.judge(commit, deed.epoch, self.now_ms())
        commit.epoch = deed.epoch
        told = self.really(commit)
        word = told if isinstance(told, str) else ("again" if told.again else "done")
        type(self).outcomes[word] += 1
        type(self).labels[commit.label, word] += 1
        if verdict.word == "early or done":
            verdict.word = word
        assert word == verdict.word, f"{commit.label}: {verdict}"
        if isinstance(told, Done) and not told.again:
            self.apply(commit, told)
        elif isinstance(told, Done):
            shown = f"{told.first} {told.last} {told.at} {told.reply.decode()}".strip()
            assert shown == verdict.detail
        return told

    def really(self, commit: Commit) -> Done | str:
        try:
            outcome = self.do(self.door.commit(commit))
        except RefReused:
            return "reused"
        return outcome if isinstance(outcome, Done) else outcome.why

    def apply(self, commit: Commit, done: Done) -> None:
        model = self.model
        assert done.at >= model.at, "a session's clock never goes back"
        assert abs(done.at - max(model.at, self.now_ms())) < 1_000
        self.fence_is_the_last(commit)
        self.continues_once(commit)
        assert (done.first, done.last) == model.apply(commit, done.at)
        for turn, fence in commit.fences.items():
            if fence is not None:
                self.fences[turn] = fence

    def fence_is_the_last(self, commit: Commit) -> None:
        """Promise 10, without asking the model."""
        if isinstance(commit.by, Writer):
            assert commit.by.fence == self.fences[commit.by.turn]

    def continues_once(self, commit: Commit) -> None:
        """Promise 4: a turn that waits is carried on by whoever closes the last, and by nobody else."""
        for event in commit.events:
            if isinstance(event, TurnResumed):
                before = self.model.turn(event.turn)
                closes_last = before.status == "waiting" and len(before.open) == 1
                came_first = before.status == "running" and not before.open and commit.label == "resume"
                assert closes_last or came_first
                told = [
                    kind
                    for kind in map(decode, self.model.log.values())
                    if isinstance(kind, TurnResumed | TurnWaiting) and kind.turn == event.turn
                ]
                assert came_first or isinstance(told[-1], TurnWaiting)

    def starting(self, device: str) -> Commit:
        info = SessionInfo(SESSION, "agent", device, dict.fromkeys(DEVICES, "owner"), 1)
        sent = Sent(Message("m_start", "user", [{"type": "text", "text": "go"}]), None, device, "start")
        return conversation.start(info, "salt", Principal(device), sent, "1")

    def finishing(self, turn: TurnRecord, end: Any, **more: Any) -> Commit:
        session = self.model.session
        following = [self.model.turn(own_id) for own_id in ending.next_in_line(session, turn)]
        asked = [self.model.interrupt(name) for name in turn.open if f"i:{name}" in self.model.records]
        first = following[0] if following else None
        return ending.end(session, turn, first, asked, end, self.now_ms(), **more)

    def restart(self) -> None:
        self.runs += 1
        run = f"run{self.runs:09d}" + "0" * 28
        self.do(self.door.claim(run))
        assert self.door.epoch(SESSION) == self.model.claim(run)

    def some_interrupt(self, which: int) -> InterruptRecord:
        """Mostly one that is open."""
        known = self.model.interrupts
        open_ones = [record for record in known if record.status == "open"]
        chosen = open_ones if open_ones and which % 4 else known
        return chosen[which % len(chosen)]

    def seldom(self, what: str, times: int) -> bool:
        """What ends everything or changes nothing must not take all the steps."""
        return self.did[what] < times

    def of(self, who: tuple[str, ...], deeds: dict[str, Deed]) -> dict[str, Deed]:
        return {name: deeds[name] for name in who if name in deeds}

    def advance(self, ms: int) -> None:
        self.offset_ms += ms
        self.do(self.connection.execute("HINCRBY", self.door.keys.meta(0), "clock_offset_ms", ms))

    def new_ref(self) -> str:
        self.count += 1
        return f"r{self.count}"

    def now_ms(self) -> int:
        return int(time.time() * 1_000) + self.offset_ms

    def do(self, awaitable: Any) -> Any:
        async def doing() -> Any:
            return await awaitable

        return self.loop.run_until_complete(doing())


def pick(among: dict[str, T], which: int) -> tuple[str, T]:
    names = sorted(among)
    name = names[which % len(names)]
    return name, among[name]
