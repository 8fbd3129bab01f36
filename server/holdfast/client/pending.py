"""Commands that have not been answered yet: sent again after every reconnect, under the same ref."""

from __future__ import annotations

import asyncio
import random

import msgspec

from holdfast.client.link import Link
from holdfast.client.replies import Reply
from holdfast.core.errors import HoldfastError, RefReused, TooLarge, Unavailable
from holdfast.protocol.frames import FRAME_MAX_BYTES

PENDING_MAX = 64  # half of what a server takes; who asks for more waits here
REPEATS = 5  # of a command that the server cannot do now
PAUSE_S = 0.2  # before the first repeat; doubles


class _Command(msgspec.Struct, eq=False):
    data: bytes
    answer: asyncio.Future[Reply]
    waiting: int = 0


class Pending:
    """What was asked and not answered, in the order in which it was asked."""

    def __init__(self) -> None:
        self._commands: dict[str, _Command] = {}
        self._slots = asyncio.Semaphore(PENDING_MAX)
        self._stopped: HoldfastError | None = None

    async def ask(self, link: Link, ref: str, data: bytes) -> Reply:
        """Send a command and wait for its answer, over as many connections as it takes.

        Cancelling leaves the outcome unknown: ask again with the same ref.

        Raises:
            Refused: it cannot be done.     Unavailable: it could not be done, however often it was repeated.
        """
        if len(data) > FRAME_MAX_BYTES:
            raise TooLarge(f"A frame is at most {FRAME_MAX_BYTES} bytes.", limit=FRAME_MAX_BYTES)
        async with self._slots:
            for repeat in range(REPEATS):
                try:
                    return await self._ask_once(link, ref, data)
                except Unavailable:
                    if self._stopped or repeat == REPEATS - 1:
                        raise
                await asyncio.sleep(random.uniform(0, PAUSE_S * 2**repeat))
        raise AssertionError("unreachable")

    def settle(self, ref: str | None, answer: Reply | HoldfastError) -> None:
        """An answer has come."""
        command = self._commands.pop(ref or "", None)
        if command is None or command.answer.done():
            return
        if isinstance(answer, HoldfastError):
            command.answer.set_exception(answer)
        else:
            command.answer.set_result(answer)

    def all(self) -> list[bytes]:
        """What to send again on a new connection."""
        return [command.data for command in self._commands.values()]

    def stop(self, error: HoldfastError) -> None:
        """There will be no other connection."""
        self._stopped = error
        for ref in list(self._commands):
            self.settle(ref, error)

    async def _ask_once(self, link: Link, ref: str, data: bytes) -> Reply:
        if self._stopped is not None:
            raise self._stopped
        command = self._commands.get(ref)
        if command is None:
            command = self._commands[ref] = _Command(data, asyncio.get_running_loop().create_future())
            link.send(data)
        elif command.data != data:
            raise RefReused(ref=ref)
        command.waiting += 1
        try:
            return await asyncio.shield(command.answer)
        finally:
            command.waiting -= 1
            if not command.waiting and not command.answer.done():
                self._commands.pop(ref, None)
                command.answer.cancel()
