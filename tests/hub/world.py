"""The hub's tests: the real store, nodes that can lose messages, devices that check what they get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec
from tests.waiting import wait_until

from holdfast.core.commit import Commit
from holdfast.core.conversation import start
from holdfast.core.events import ChunkWritten, MessageWritten
from holdfast.core.identity import Principal
from holdfast.core.messages import Message
from holdfast.core.session import SessionInfo
from holdfast.hub.hub import Hub, HubSettings
from holdfast.hub.subscriber import Subscriber
from holdfast.protocol.close_codes import CloseCode
from holdfast.protocol.frames import Attach, Device, Position
from holdfast.protocol.text_frame import TextFrame
from holdfast.store.connection import Connection
from holdfast.store.devices import DevicesStore
from holdfast.store.door import Done, Door
from holdfast.store.keys import Keys
from holdfast.store.log import Log
from holdfast.store.subscription import OnGap, OnMessage, Subscription

ALICE = Principal("alice", name="Alice")
BOB = Principal("bob")
MIB = 1024 * 1024
HIGH_WATER = 64 * 1024  # as asyncio's transports have it


class World:
    """The store, and what agents and people write into it."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self.connection = connection
        self.keys = Keys()
        self.door = Door(connection, self.keys)
        self.log = Log(connection, self.keys)
        self.written = 0
        #: Positions that later events stand for.
        self.erased: set[int] = set()

    @classmethod
    async def begin(cls, url: str, connection: Connection) -> Self:
        world = cls(url, connection)
        assert connection.info is not None
        await world.door.claim(connection.info.run_id)
        return world

    async def session(self, own_id: str = "s1", principal: Principal = ALICE) -> str:
        members = {principal.subject: "owner"}
        info = SessionInfo(own_id, "support", principal.subject, members, 1)
        await self.commit(start(info, "salt", principal, None, "1"))
        return own_id

    async def commit(self, commit: Commit) -> Done:
        outcome = await self.door.commit(commit)
        assert isinstance(outcome, Done), outcome
        return outcome

    async def chunks(self, session: str, texts: list[str], message: str = "m1") -> Done:
        """Append chunks in one commit."""
        self.written += len(texts)
        events = [ChunkWritten("t1", message, {"type": "data-x", "data": text}) for text in texts]
        return await self.commit(Commit(session, "test", events=events))

    async def compact(self, session: str, erases: range, message: str = "m1") -> Done:
        """Let one event stand for others, which go."""
        self.erased |= set(erases)
        whole = MessageWritten(message=Message(message, "assistant", []), turn="t1", first=erases.start)
        return await self.commit(Commit(session, "test", events=[whole], erases=list(erases)))

    async def trim(self, session: str, position: int, folded: bytes) -> None:
        """What retention does: the log goes up to a position, and the state up to it is kept."""
        await self.connection.execute("SET", self.keys.folded(session), folded)
        await self.connection.execute("XTRIM", self.keys.log(session), "MINID", position + 1)
        await self.connection.execute("HSET", self.keys.session(session), "floor", position)

    async def new_epoch(self, session: str) -> None:
        """What a fail-over does."""
        for partition in range(self.keys.partitions):
            await self.connection.execute("HSET", self.keys.meta(partition), "run", "another")
        assert self.connection.info is not None
        await self.door.claim(self.connection.info.run_id)

    async def publish(self, channel: str, payload: bytes) -> Any:
        return await self.connection.execute("PUBLISH", channel, payload)

    @asynccontextmanager
    async def node(self, **settings: Any) -> AsyncGenerator[Node]:
        """A node with a hub. It polls never, unless told to: tests find what wake-ups do by themselves."""
        node = Node(self, HubSettings(**{"poll_ms": 600_000, **settings}))
        async with node.hub:
            yield node


class Node:
    """A hub, and control over the messages that reach it."""

    def __init__(self, world: World, settings: HubSettings) -> None:
        self.world = world
        #: Whether a message is lost on its way to this node.
        self.loses: Callable[[bytes], bool] = lambda _: False
        self.heard = 0
        self.connections = 0
        devices = DevicesStore(world.connection, world.keys, settings.presence.ttl_ms)
        self.hub = Hub(world.door, world.log, devices, self._subscribe, settings)

    def _subscribe(self, on_message: OnMessage, on_gap: OnGap) -> Subscription:
        def heard(channel: str, payload: bytes) -> None:
            self.heard += 1
            if not self.loses(payload):
                on_message(channel, payload)

        self.on_message, self.on_gap = on_message, on_gap
        return Subscription(self.world.url, heard, on_gap, publish=self.world.publish)

    def device(self, principal: Principal = ALICE, queue: int = MIB, name: str | None = None) -> TestDevice:
        self.connections += 1
        connection = f"c{id(self)}-{self.connections}"
        device = Device(connection, principal.subject, None, name)
        return TestDevice(self.hub, principal, queue, device, self.world.erased)


class MemorySink:
    """A socket that takes all, until it is told to stall."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.writes = 0
        self.waiting_bytes = 0
        self.closed: CloseCode | None = None
        self._stalled = False
        self._room = asyncio.Event()
        self._room.set()

    def stall(self) -> None:
        self._stalled = True

    def flow(self) -> None:
        self._stalled = False
        self.waiting_bytes = 0
        self._room.set()

    def write(self, batch: list[TextFrame]) -> None:
        self.writes += 1
        self.texts += [frame.text for frame in batch]
        if self._stalled:
            self.waiting_bytes += sum(len(frame.wire) for frame in batch)
        if self.waiting_bytes > HIGH_WATER:
            self._room.clear()

    async def drained(self) -> None:
        await self._room.wait()

    def close(self, code: CloseCode) -> None:
        self.closed = code
        self._room.set()


class TestDevice:
    """A device that checks that what it gets is dense, and remembers it."""

    __test__ = False

    def __init__(self, hub: Hub, principal: Principal, queue: int, device: Device, erased: set[int]) -> None:
        self.erased = erased
        self.hub = hub
        self.principal = principal
        self.device = device
        self.sink = MemorySink()
        self.subscriber = Subscriber(self.sink, queue)
        self.ended: list[str] = []
        self._decoded: list[dict[str, Any]] = []
        #: By session: how many frames were checked, and where it then was.
        self._checked: dict[str, tuple[int, int]] = {}

    async def attach(
        self,
        session: str = "s1",
        since: tuple[str, int] | None = None,
        ref: str = "a1",
        limit: int | None = None,
    ) -> None:
        position = Position(*since) if since is not None else None
        frame = Attach(ref, session, position, limit)
        await self.hub.attach(
            self.subscriber,
            self.principal,
            frame,
            device=self.device,
            on_end=lambda: self.ended.append(session),
        )

    @property
    def frames(self) -> list[dict[str, Any]]:
        self.subscriber.flush()
        self._decoded += [msgspec.json.decode(text) for text in self.sink.texts[len(self._decoded) :]]
        return self._decoded

    def of(self, kind: str, session: str = "s1") -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind and frame.get("session", session) == session]

    def position(self, session: str = "s1") -> int:
        """Where it is, having checked every step on the way."""
        frames = self.frames
        checked, at = self._checked.get(session, (0, 0))
        mine = (frame for frame in frames[checked:] if frame.get("session") == session)
        at = check_dense(mine, at, self.erased)
        self._checked[session] = (len(frames), at)
        return at

    async def wait_position(self, seq: int, session: str = "s1") -> None:
        await wait_until(lambda: self.position(session) >= seq, f"a device is at {seq}")

    async def wait_frame(self, kind: str, count: int = 1, session: str = "s1") -> dict[str, Any]:
        await wait_until(lambda: len(self.of(kind, session)) >= count, f"{count} × {kind}")
        return self.of(kind, session)[count - 1]


def check_dense(frames: Iterable[dict[str, Any]], at: int, erased: set[int]) -> int:
    """That events follow each other without gap, double or reordering; the last position."""
    for frame in frames:
        if frame["type"] == "attached":
            at = frame["seq"]
        elif frame["type"] == "event":
            assert frame.get("from", frame["seq"]) == at + 1, f"at {at} came {frame}"
            assert set(range(at + 1, frame["seq"])) <= erased, f"at {at} came {frame}, which stands for more"
            at = frame["seq"]
    return at
