"""Keeps one connection alive: connects, waits for its loss, waits a little, connects again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from holdfast.core.errors import HoldfastError, StoreUnavailable
from holdfast.store.backoff import Backoff

log = logging.getLogger(__name__)

#: One life of a connection: connects, calls the given `up`, returns at its loss. Raises if it cannot.
Life = Callable[[Callable[[], None]], Awaitable[None]]


class Keeper:
    """The task that owns a connection. `silence` is what `open` raises if nothing worse is known."""

    def __init__(self, life: Life, *, name: str, timeout_s: float, silence: Callable[[], HoldfastError]) -> None:
        self._life = life
        self._name = name
        self._timeout_s = timeout_s
        self._silence = silence
        self._backoff = Backoff()
        self._opened: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._last_error: HoldfastError | None = None

    async def open(self) -> None:
        """Return at the first connection.

        Raises the last error if that takes longer than the timeout, and at once one that a retry cannot
        help. After an error, or if cancelled, it is closed.
        """
        loop = asyncio.get_running_loop()
        opened = self._opened = loop.create_future()
        self._task = loop.create_task(self._keep(), name=self._name)
        try:
            async with asyncio.timeout(self._timeout_s):
                await opened
        except TimeoutError:
            await self.close()
            raise self._last_error or self._silence() from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection and return when its socket is closed. May be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _keep(self) -> None:
        while True:
            try:
                await self._life(self._up)
            except Exception as error:  # noqa: BLE001 (a hook's may be any, and the keeper must not end by it)
                if self._gives_up(error):
                    return
            await asyncio.sleep(self._backoff.next_s())

    def _up(self) -> None:
        self._backoff.reset()
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)

    def _gives_up(self, error: Exception) -> bool:
        """Whether this failure ends the keeper: only before the first connection, if a retry cannot help."""
        opening = self._opened is not None and not self._opened.done()
        if isinstance(error, HoldfastError):
            self._last_error = error
        if opening and not (isinstance(error, HoldfastError) and error.retry):
            assert self._opened is not None
            self._opened.set_exception(error)
            return True
        if isinstance(error, HoldfastError):
            log.warning("%s: %s", self._name, error.message)
        else:
            log.error("%s: failed after connecting.", self._name, exc_info=error)
        return False


def silent(address: object, timeout_s: float) -> StoreUnavailable:
    return StoreUnavailable(f"The store at {address} did not answer within {timeout_s:g} s.")
