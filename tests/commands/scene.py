"""A backend on the real store, and a worker's part played by hand: each step is a commit of the core's."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands import starting
from holdfast.commands.backend import Backend
from holdfast.core import asking, ids, turns
from holdfast.core.commit import Commit, Writer
from holdfast.core.identity import Principal
from holdfast.core.interrupts import REASONS, Interrupt, Kind
from holdfast.core.manifests import AgentManifest
from holdfast.core.operations import Operation
from holdfast.core.turns import TurnRecord
from holdfast.protocol.frames import Start
from holdfast.store.connection import Connection
from holdfast.store.door import Done, Door
from holdfast.store.keys import Keys
from holdfast.store.log import Log
from holdfast.store.manifests import Manifests

ALICE = Principal("alice", name="Alice")
BOB = Principal("bob", name="Bob")
STRANGER = Principal("mallory")


async def make_backend(connection: Connection) -> Backend:
    keys = Keys()
    door = Door(connection, keys)
    assert connection.info is not None
    await door.claim(connection.info.run_id)
    backend = Backend(door, Log(connection, keys), Manifests(connection, keys))
    await backend.manifests.register(AgentManifest("support", "1"))
    return backend


class Scene:
    """A session of Alice's with a turn, and the worker that runs it."""

    def __init__(self, backend: Backend, session: str) -> None:
        self.backend = backend
        self.session = session
        self.turn_id = ""
        self.writer: Writer | None = None
        self.asked = 0
        self.refs = 0

    @classmethod
    async def begin(cls, backend: Backend, principal: Principal = ALICE, ref: str = "start") -> Scene:
        started = await starting.start(backend, principal, Start(ref, "support", message="Refund A-17"), "test")
        assert started.session is not None
        assert started.turn is not None
        scene = cls(backend, started.session)
        scene.turn_id = started.turn
        await scene.take()
        return scene

    async def turn(self) -> TurnRecord:
        return (await self.backend.door.read(self.session, turns=(self.turn_id,))).turns[self.turn_id]

    async def take(self) -> None:
        view = await self.backend.door.read(self.session, turns=(self.turn_id,))
        commit, fence = turns.take(view.turns[self.turn_id], view.epoch, view.now_ms)
        await self.commit(commit)
        self.writer = Writer(self.turn_id, fence, 0)

    async def commit(self, commit: Commit) -> None:
        outcome = await self.backend.door.commit(commit)
        assert isinstance(outcome, Done), outcome

    def next(self) -> Writer:
        assert self.writer is not None
        self.writer = msgspec.structs.replace(self.writer, number=self.writer.number + 1)
        return self.writer

    def next_ref(self) -> int:
        """A number that was not given before."""
        self.refs += 1
        return self.refs

    async def ask(self, kind: Kind = "approval", *, expires_in_ms: int | None = None, **more: Any) -> Interrupt:
        """Open an interrupt."""
        self.asked += 1
        operation = f"tool:refund:{self.asked}"
        now_ms = (await self.backend.door.read(self.session)).now_ms
        shown = Interrupt(
            id=ids.interrupt_id(self.turn_id, operation),
            kind=kind,
            session=self.session,
            turn=self.turn_id,
            reason=REASONS[kind],
            toolCallId=ids.call_id(self.turn_id, operation),
            toolName="refund",
            input={"amount": 200},
            openedAt=now_ms,
            expiresAt=None if expires_in_ms is None else now_ms + expires_in_ms,
            **more,
        )
        waiting = Operation(self.turn_id, operation, "tool", "waiting", interrupt=shown.id)
        await self.commit(asking.opening(await self.turn(), self.next(), shown, waiting))
        return shown

    async def wait(self) -> None:
        """Let go of the turn: it waits."""
        await self.commit(turns.wait(await self.turn(), self.next()))

    async def ask_and_wait(self, kind: Kind = "approval", **more: Any) -> Interrupt:
        shown = await self.ask(kind, **more)
        await self.wait()
        return shown

    async def advance(self, ms: int) -> None:
        """Move the store's manual clock."""
        keys, connection = self.backend.door.keys, self.backend.door.connection
        await connection.execute("HINCRBY", keys.meta(keys.partition(self.session)), "clock_offset_ms", ms)

    async def log(self) -> list[tuple[int, bytes]]:
        page = await self.backend.log.page(self.session, 0)
        return [(entry.seq, entry.data) for entry in page.entries]

    async def events(self, kind: str) -> list[dict[str, Any]]:
        decoded = [msgspec.json.decode(data) for _, data in await self.log()]
        return [event for event in decoded if event["type"] == kind]

    async def fingerprint(self) -> dict[str, Any]:
        """All of the session that is stored, to the byte; but for what names entries of the trail, and when it was."""
        keys, connection = self.backend.door.keys, self.backend.door.connection
        home, partition = keys.session(self.session), keys.partition(self.session)
        return {
            "hash": sorted(one for one in pairs(await connection.execute("HGETALL", home)) if one[0] != b"at"),
            "log": await self.log(),
            "refs": sorted(
                one
                for one in pairs(await connection.execute("HGETALL", keys.refs(self.session)))
                if not one[0].startswith(b"0::vain ")
            ),
            "inbox": await connection.execute("ZRANGE", keys.inbox(partition), 0, -1, "WITHSCORES"),
            "deadlines": await connection.execute("ZRANGE", keys.deadlines(partition), 0, -1, "WITHSCORES"),
            "jobs": await connection.execute("ZRANGE", keys.jobs(partition, "support@1"), 0, -1, "WITHSCORES"),
        }


def pairs(rows: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(rows[::2], rows[1::2], strict=True))
