"""The link to a server: one connection after the other, as if it were one."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from holdfast.client.reconnecting import Waits, refusal_of_close, refusal_of_status
from holdfast.client.replies import ServerFrame, decode, error_of_frame, session_of
from holdfast.core.errors import HoldfastError, Unavailable
from holdfast.protocol import frames

log = logging.getLogger("holdfast.client")

OPEN_S = 10.0  # from the dial to the welcome
PING_S = 25.0  # finds a server that is gone without a word
PONG_S = 10.0
RECEIVED_MAX_BYTES = 4 * frames.FRAME_MAX_BYTES  # an operator may have chosen larger frames

#: A token, or what gives a fresh one for each connection.
Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
State: TypeAlias = Literal["connecting", "connected", "waiting", "closed"]


class Listener(Protocol):
    """Who uses the link."""

    def connected(self, welcome: frames.Welcome) -> list[bytes]:
        """There is a connection. Returns what is to be sent first."""
        ...

    def received(self, frame: ServerFrame) -> None: ...

    def stopped(self, error: HoldfastError) -> None:
        """It is over: coming back would not help."""
        ...


class Link:
    """Connects, reads, writes; loses the connection, waits, connects again. Runs until cancelled."""

    def __init__(
        self,
        url: str,
        token: Token | None,
        listener: Listener,
        *,
        device: str | None = None,
        headers: Mapping[str, str] | None = None,
        waits: Waits | None = None,
    ) -> None:
        self.state: State = "connecting"
        #: What ended the last connection, in words.
        self.trouble = ""
        self._url, self._token, self._listener = url, token, listener
        self._device, self._headers = device, headers
        self._waits = waits or Waits()
        self._outbox: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._said: HoldfastError | None = None

    def send(self, data: bytes) -> None:
        """Send on the present connection, in order. Without one, nothing: what has no answer is sent anew."""
        if self.state == "connected":
            self._outbox.append(data)
            self._news.set()

    async def run(self) -> None:
        """Keep the link until it is refused. Cancel it to close it."""
        try:
            while (refusal := await self._live()) is None:
                self.state = "waiting"
                wait_s = self._waits.next_s()
                log.info("No connection to %s (%s); trying again in %.1f s.", self._url, self.trouble, wait_s)
                await asyncio.sleep(wait_s)
                self.state = "connecting"
        except asyncio.CancelledError:
            self._stop(Unavailable("The client is closed."))
            raise
        except Exception as error:
            self._stop(Unavailable(f"The client failed: {error!r}"))
            raise
        self._stop(refusal)

    async def _live(self) -> HoldfastError | None:
        """One connection, from the dial to its end. Returns why not to come back; None: do."""
        self._said = None
        try:
            token = await self._fresh_token()
            async with self._dial() as socket:
                return await self._use(socket, token)
        except HoldfastError as error:  # the token's callable says no, or not now
            self.trouble = error.message
            return None if error.retry else error
        except InvalidStatus as error:
            self.trouble = str(error)
            return refusal_of_status(error.response.status_code)
        except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
            self.trouble = str(error) or type(error).__name__
            return None

    def _dial(self) -> connect:
        return connect(
            self._url,
            subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
            additional_headers=self._headers,
            compression=None,
            open_timeout=OPEN_S,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
            max_size=RECEIVED_MAX_BYTES,
        )

    async def _use(self, socket: ClientConnection, token: str | None) -> HoldfastError | None:
        writer = None
        connected_at = time.monotonic()
        try:
            async with asyncio.timeout(OPEN_S):
                welcome = await self._greet(socket, token)
            first = self._listener.connected(welcome)
            self._outbox = deque(first)
            self._news.set()
            self.state = "connected"
            writer = asyncio.create_task(self._write(socket), name="holdfast client writer")
            async for data in socket:
                self._receive(data)
            self.trouble = "closed"  # with 1000: nobody said why
        except ConnectionClosed as error:
            self.trouble = str(error)
        finally:
            self.state = "waiting"
            self._waits.lasted(time.monotonic() - connected_at)
            if writer is not None:
                writer.cancel()
                await asyncio.wait([writer])
        code, reason = socket.close_code or 1006, socket.close_reason or ""
        return refusal_of_close(code, reason, self._said, fresh_token=callable(self._token))

    async def _greet(self, socket: ClientConnection, token: str | None) -> frames.Welcome:
        if token is not None:
            await socket.send(frames.encode(frames.Hello(token, self._device)).decode())
        while True:
            frame = decode(await socket.recv())
            if isinstance(frame, frames.Welcome):
                return frame
            self._note(frame)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._outbox:
                    await socket.send(self._outbox.popleft().decode())
        except ConnectionClosed:
            return  # the reader sees it too, and says what follows

    def _receive(self, data: bytes | str) -> None:
        frame = decode(data)
        self._note(frame)
        if frame is not None:
            self._listener.received(frame)

    def _note(self, frame: ServerFrame | None) -> None:
        """What the end of this connection will mean."""
        if isinstance(frame, frames.Closing):
            self._waits.told(frame.reconnect_after_ms)
        elif isinstance(frame, frames.Error) and frame.ref is None and session_of(frame) is None:
            self._said = error_of_frame(frame)

    async def _fresh_token(self) -> str | None:
        if not callable(self._token):
            return self._token
        try:
            given = self._token()
            return await given if inspect.isawaitable(given) else given
        except HoldfastError:
            raise
        except Exception as error:  # somebody else's code: a server of tokens may be away for a while
            raise Unavailable(f"The token could not be had: {error!r}") from error

    def _stop(self, error: HoldfastError) -> None:
        self.state = "closed"
        self._listener.stopped(error)
