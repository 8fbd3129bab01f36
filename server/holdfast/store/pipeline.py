"""Commands in flight on one connection: written together, answered in order.

    write([a, b, c])  ─one write─▶  store
    a.reply, b.reply, c.reply  ◀─in order─

What was written and not answered when the connection is lost has an unknown outcome: it is never
sent again from here (a slow reply with a library's default retries made 11 entries of one append).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import hiredis
from redis.exceptions import NoScriptError

from holdfast.core.errors import OutcomeUnknown, StoreUnavailable
from holdfast.store.script import Script
from holdfast.store.wire import Wire

Argument = str | bytes | int | float

_pack_command = cast(
    "Callable[[tuple[Argument, ...]], bytes]",
    hiredis.pack_command,  # pyright: ignore[reportUnknownMemberType]
)

# A process that was stopped for long finds its timer due before it has read what came meanwhile
# (uvloop runs timers first): the reply gets this much longer to be read.
GRACE_S = 0.02


class Command:
    """What is sent, and where its reply goes. `count` commands may travel as one."""

    __slots__ = ("at_s", "count", "packed", "replies", "reply", "script")

    def __init__(
        self, packed: bytes, reply: asyncio.Future[Any], *, count: int = 1, script: Script | None = None
    ) -> None:
        self.packed = packed
        self.reply = reply
        self.count = count
        self.replies: list[Any] | None = None if count == 1 else []
        self.script = script
        self.at_s = 0.0

    def fail(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


def pack(args: tuple[Argument, ...]) -> bytes:
    """The bytes of one command. Raises `TypeError` for an argument that is not text, bytes or a number."""
    return _pack_command(args)


def pack_script(script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> bytes:
    return pack(("EVALSHA", script.sha, len(keys), *keys, *args))


class Pipeline(Wire):
    """The commands in flight on one connection.

    `bounced` gets commands that did not run because the store has forgotten its scripts, in order, once
    nothing else is in flight: sending them again at that moment keeps the order of all scripts.
    """

    def __init__(self, *, timeout_s: float, bounced: Callable[[list[Command]], None]) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._tell_bounced = bounced
        self._bounced: list[Command] = []
        self._in_flight: deque[Command] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._suspect: Command | None = None
        self.bytes_in_flight = 0
        self.unknown = 0

    def __len__(self) -> int:
        return len(self._in_flight)

    @property
    def writable(self) -> bool:
        """Whether commands may be written now; false while bounced ones must go first."""
        return self.open and not self._bounced

    def write(self, commands: Sequence[Command]) -> None:
        """Send all in one write. Call only while `writable`."""
        now_s = self._loop.time()
        for command in commands:
            command.at_s = now_s
        data = b"".join([command.packed for command in commands])
        self._in_flight.extend(commands)
        self.bytes_in_flight += len(data)
        self.send(data)
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._check_oldest)

    def execute(self, *args: Argument) -> Awaitable[Any]:
        """One command, at once and by itself: for what comes first on a new connection.

        Raises `StoreUnavailable` or `OutcomeUnknown` if the connection is lost. Safe to cancel.
        """
        return self._send_alone(pack(args))

    def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Awaitable[Any]:
        """One script, as `execute`; it has been loaded on this connection."""
        return self._send_alone(pack_script(script, keys, args))

    def reply_received(self, reply: Any) -> None:
        if not self._in_flight:
            self.drop()  # a reply to nothing: from here on, no pairing can be trusted
            return
        command = self._in_flight[0]
        if command.replies is not None:
            command.replies.append(reply)
            if len(command.replies) < command.count:
                return
            reply = _first_error(command.replies) or command.replies
        self._in_flight.popleft()
        self.bytes_in_flight -= len(command.packed)
        if isinstance(reply, Exception):
            self._refused(command, reply)
        elif not command.reply.done():  # done: its caller was cancelled
            command.reply.set_result(reply)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._bounced and not self._in_flight:
            self._return_bounced()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.unknown += len(self._in_flight)
        while self._in_flight:
            self._in_flight.popleft().fail(OutcomeUnknown())
        self.bytes_in_flight = 0
        self._return_bounced()
        super().connection_lost(exc)

    def _send_alone(self, packed: bytes) -> Awaitable[Any]:
        if not self.writable:
            raise StoreUnavailable
        command = Command(packed, self._loop.create_future())
        self.write([command])
        return command.reply

    def _refused(self, command: Command, error: Exception) -> None:
        if isinstance(error, NoScriptError) and command.script is not None:
            command.script = None  # once only: who flushes scripts all the time gets the error
            self._bounced.append(command)
            return
        command.fail(error)
        if isinstance(error, StoreUnavailable) and error.details.get("reply") == "READONLY":
            self.drop()  # it has become a replica; by its name, the new primary may be found

    def _return_bounced(self) -> None:
        bounced, self._bounced = self._bounced, []
        if bounced:
            self._tell_bounced(bounced)

    def _check_oldest(self) -> None:
        """Drop the connection if its oldest command is overdue. One timer serves all commands."""
        self._timer = None
        if not self._in_flight:
            return
        oldest = self._in_flight[0]
        left_s = oldest.at_s + self._timeout_s - self._loop.time()
        if left_s <= 0:
            if self._suspect is oldest:
                self.drop()
                return
            self._suspect, left_s = oldest, GRACE_S
        self._timer = self._loop.call_later(left_s, self._check_oldest)


def _first_error(replies: list[Any]) -> Exception | None:
    return next((reply for reply in replies if isinstance(reply, Exception)), None)
