"""Which devices are at a session, over all nodes.

Each node keeps its own devices in the store and says so again before their time is over; a killed node's
devices end by themselves. Who was cut off stays for a moment: a device that is back within it was never away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from holdfast.core.errors import HoldfastError
from holdfast.hub.attachment import Attachment
from holdfast.protocol.frames import Device, Presence
from holdfast.store.devices import DevicesStore

DEVICES_MAX = 200  # shown in one frame
SETTLE_MS = 20  # a crowd that arrives together is told of once
RETRY_MS = 1_000  # when the store is away

Live = Callable[[str], Iterable[Attachment]]

_decoder = msgspec.json.Decoder(Device)


class Timing(msgspec.Struct, frozen=True):
    """How long a device is believed in, how often that is renewed, how long one may be away unnoticed."""

    ttl_ms: int = 60_000
    refresh_ms: int = 25_000  # two may fail
    grace_ms: int = 2_000


class _Room:
    """The devices of this node at one session."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.here: dict[str, Device] = {}
        #: Cut off, and perhaps back in a moment.
        self.lingering: dict[str, asyncio.TimerHandle] = {}
        self.left: set[str] = set()
        #: What was last shown, and to whom it was shown at all.
        self.shown: tuple[Device, ...] = ()
        self.told: set[Attachment] = set()
        self.timer: asyncio.TimerHandle | None = None

    @property
    def empty(self) -> bool:
        return not self.here and not self.left

    def cancel(self) -> None:
        for timer in (self.timer, *self.lingering.values()):
            if timer is not None:
                timer.cancel()


class RoomPresence:
    """Who is where. `run` it again and again; `live` names who is to be told, by session."""

    def __init__(self, store: DevicesStore, live: Live, timing: Timing) -> None:
        self._store = store
        self._live = live
        self._timing = timing
        self._rooms: dict[str, _Room] = {}
        self._due: set[str] = set()
        self._wake = asyncio.Event()

    def entered(self, session: str, device: Device) -> None:
        """A device of this node is there. Whom it was before it was cut off leaves in the same moment."""
        room = self._rooms.setdefault(session, _Room(session))
        for connection in [name for name in room.lingering if _same(room.here[name], device)]:
            self._leave(room, connection)
        room.here[device.connection] = device
        room.left.discard(device.connection)
        self.look(session)

    def left(self, session: str, connection: str, *, cut_off: bool) -> None:
        """A device of this node has left, or was cut off."""
        room = self._rooms.get(session)
        if room is None or connection not in room.here or connection in room.lingering:
            return
        if cut_off:
            loop = asyncio.get_running_loop()
            wait_s = self._timing.grace_ms / 1000
            room.lingering[connection] = loop.call_later(wait_s, self._leave, room, connection)
        else:
            self._leave(room, connection)

    def look(self, session: str) -> None:
        """Something has changed there, or may have."""
        if session in self._rooms:
            self._due.add(session)
            self._wake.set()

    async def run(self) -> None:
        """Tell the store and the devices what has changed since the last time; wait, if nothing has."""
        await self._wake.wait()
        await asyncio.sleep(SETTLE_MS / 1000)
        self._wake.clear()
        due, self._due = self._due, set()
        await asyncio.gather(*(self._refresh(self._rooms[name]) for name in due if name in self._rooms))

    async def close(self) -> None:
        """Take this node's devices out of the store, as far as it answers."""
        for room in self._rooms.values():
            room.cancel()
            room.left.update(room.here)
            room.here.clear()
        await asyncio.gather(*(self._say(room) for room in self._rooms.values()))
        self._rooms.clear()

    def _leave(self, room: _Room, connection: str) -> None:
        timer = room.lingering.pop(connection, None)
        if timer is not None:
            timer.cancel()
        del room.here[connection]
        room.left.add(connection)
        self.look(room.session)

    async def _refresh(self, room: _Room) -> None:
        again_ms = await self._say(room)
        if room.timer is not None:
            room.timer.cancel()
            room.timer = None
        if room.empty:
            self._rooms.pop(room.session, None)
        else:
            loop = asyncio.get_running_loop()
            room.timer = loop.call_later(again_ms / 1000, self.look, room.session)

    async def _say(self, room: _Room) -> int:
        """Tell the store who is here, and the devices who is there; when to do so again."""
        left = frozenset(room.left)
        here = {name: msgspec.json.encode(device) for name, device in room.here.items()}
        try:
            devices = await self._store.keep(room.session, here, tuple(left))
        except HoldfastError:
            return RETRY_MS
        room.left -= left
        shown = sorted((_decoder.decode(value) for value in devices.there.values()), key=_by_connection)
        self._show(room, tuple(shown[:DEVICES_MAX]))
        # Somebody else's may end before we say so of ours again: it was its node that ended.
        return min(self._timing.refresh_ms, max(devices.soonest_ms or RETRY_MS, SETTLE_MS))

    def _show(self, room: _Room, devices: tuple[Device, ...]) -> None:
        if devices != room.shown:
            room.shown = devices
            room.told = set()
        frame = Presence(room.session, list(devices))
        live = set(self._live(room.session))
        for attachment in live - room.told:
            attachment.subscriber.send(frame)
        room.told = live


def _by_connection(device: Device) -> str:
    return device.connection


def _same(before: Device, after: Device) -> bool:
    """Whether it may be the same device on another connection."""
    return (before.subject, before.device) == (after.subject, after.device)
