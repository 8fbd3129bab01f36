"""A session made by hand, through the door, for tests of the store itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from holdfast.core import conversation, ids, turns
from holdfast.core.commit import CommandId, Commit, Fence, Writer
from holdfast.core.conversation import Sent
from holdfast.core.events import ChunkWritten, Event
from holdfast.core.identity import Principal
from holdfast.core.messages import Message
from holdfast.core.session import SessionInfo
from holdfast.core.turns import TurnRecord
from holdfast.store.connection import Connection
from holdfast.store.door import SCRIPTS, Done, Door
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.keys import Keys

SESSION = "s1"
ALICE = Principal("alice")


@asynccontextmanager
async def opened(store: EmbeddedStore, **options: Any) -> AsyncIterator[Door]:
    """A door to that store, as a node opens it: it claims the epoch at each connect."""
    connection = Connection(
        store.url,
        name="door",
        scripts=SCRIPTS,
        on_connect=lambda info: door.claim(info.run_id, info.direct),
        **options,
    )
    door = Door(connection, Keys(partitions=1))
    await connection.open()
    try:
        yield door
    finally:
        await connection.close()


def named(ref: str, digest: str = "d") -> CommandId:
    return CommandId("alice", ref, digest)


def chunk(text: str, turn: str = "t", message: str = "m") -> Event:
    return ChunkWritten(turn, message, {"type": "text-delta", "id": "1", "delta": text})


def appending(*texts: str, session: str = SESSION, **more: Any) -> Commit:
    return Commit(session, "append", events=[chunk(text) for text in texts], **more)


async def begin(door: Door, session: str = SESSION) -> TurnRecord:
    """Start the session with a first turn."""
    info = SessionInfo(session, "agent", "alice", {"alice": "owner"}, 1)
    sent = Sent(Message("m_1", "user", [{"type": "text", "text": "hello"}]), None, "alice", "start")
    await done(door, conversation.start(info, "salt", ALICE, sent, "1"))
    return await turn_of(door, session)


async def turn_of(door: Door, session: str = SESSION) -> TurnRecord:
    own_id = ids.turn_id(session, "alice", "start")
    return (await door.read(session, turns=(own_id,))).turns[own_id]


async def take(door: Door) -> Fence:
    """Take the first turn, as a worker does."""
    turn = await turn_of(door)
    commit, fence = turns.take(turn, door.epoch(turn.session))
    await done(door, commit)
    return fence


async def done(door: Door, commit: Commit) -> Done:
    outcome = await door.commit(commit)
    assert isinstance(outcome, Done), outcome
    return outcome


async def why(door: Door, commit: Commit) -> str:
    outcome = await door.commit(commit)
    return "done" if isinstance(outcome, Done) else outcome.why


def writing(fence: Fence, number: int, *texts: str) -> Commit:
    return appending(*texts, by=Writer(ids.turn_id(SESSION, "alice", "start"), fence, number))


async def dump(door: Door) -> dict[bytes, bytes]:
    """Everything in the store, to the byte."""
    names = sorted(await door.connection.execute("KEYS", "*"))
    values = await door.connection.execute_many([("DUMP", name) for name in names])
    return dict(zip(names, values, strict=True))


async def log_of(door: Door, session: str = SESSION) -> list[int]:
    rows = await door.connection.execute("XRANGE", door.keys.log(session), "-", "+")
    return [int(place.split(b"-")[0]) for place, _ in rows]
