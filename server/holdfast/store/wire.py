"""One live connection to the store: bytes out, replies in.

redis-py dials: TCP, TLS or a unix socket, AUTH, the database, the client's name. Then its transport is
handed to a protocol of ours, because redis-py's way of one coroutine per command costs 20 times more
than the command (docs/design: about 110 µs a command against 6).

RESP2, always: it has no push messages, so that replies and commands can only be paired in order.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis
from redis import exceptions
from redis._parsers import BaseParser
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.connection import Connection as TcpConnection

from holdfast.core.errors import StoreUnavailable, StoreUnusable

log = logging.getLogger(__name__)

_NOT_ENOUGH = object()
# They concern redis-py's pool, or what is decided here; a URL may carry them for other programs.
_NOT_OURS = (
    "decode_responses",
    "health_check_interval",
    "legacy_responses",
    "max_connections",
    "protocol",
    "retry_on_timeout",
    "socket_connect_timeout",
    "socket_timeout",
    "timeout",
)
# Codes of replies that say: not run, and not because of what was asked.
_NOT_NOW = {"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN"}

_REFUSED = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.ResponseError)


class Wire(asyncio.Protocol):
    """The loop's end of one connection. A subclass says what a reply means."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self._reader = hiredis.Reader(replyError=reply_error, notEnoughData=_NOT_ENOUGH)
        self._writer: asyncio.StreamWriter | None = None
        self._transport: asyncio.Transport | None = None

    def attach(self, writer: asyncio.StreamWriter) -> None:
        """Take over a connection that is ready for commands."""
        # The writer is kept although nothing is written through it: it closes its transport when collected.
        self._writer = writer
        self._transport = cast("asyncio.Transport", writer.transport)
        self._transport.set_protocol(self)

    @property
    def open(self) -> bool:
        """Whether something can be written; a connection may be closing before anyone was told."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, data: bytes) -> None:
        """Write now. Call only while `open`: uvloop raises on a closed transport."""
        assert self._transport is not None
        self._transport.write(data)

    def drop(self) -> None:
        """Close at once, without the courtesies; `lost` is set soon after."""
        if self._transport is not None:
            self._transport.abort()

    async def end(self) -> None:
        """Drop it, and return when its socket is closed. Also right if it was never attached."""
        self.drop()
        if self._transport is not None:
            await self.lost.wait()

    def reply_received(self, reply: Any) -> None:
        """One reply; an error reply is an exception object, not raised."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _NOT_ENOUGH:
                self.reply_received(reply)
        except hiredis.ProtocolError:
            log.exception("The store sent what is not its protocol; the connection is dropped.")
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._writer = self._transport = None
        self.lost.set()


class Address:
    """Where the store is, from its URL: `redis://`, `rediss://` (TLS) or `unix://`."""

    def __init__(self, url: str) -> None:
        """Raises `StoreUnusable` for a URL that is none. Never says the URL: it may hold a password."""
        try:
            self._options = dict[str, Any](parse_url(url))
            self._shown = _without_secrets(url)
        except ValueError:
            raise StoreUnusable(
                "The store's URL must look like redis://host:6379/0, rediss://host:6379/0 or unix:///path."
            ) from None
        self._kind: type[AbstractConnection] = self._options.pop("connection_class", TcpConnection)
        for name in _NOT_OURS:
            self._options.pop(name, None)

    def __str__(self) -> str:
        """For people; without user, password and options."""
        return self._shown

    async def dial(self, wire: Wire, *, name: str, timeout_s: float) -> None:
        """Connect, authenticate and attach `wire`.

        Raises `StoreUnavailable` if nobody answers in time, `StoreUnusable` if the store refuses our
        credentials. Safe to cancel.
        """
        link = self._link(name, timeout_s)
        try:
            await link.connect()
            wire.attach(_take_over(link))
        except (exceptions.RedisError, OSError) as error:
            # Over a unix socket redis-py wraps what the handshake met in a ConnectionError.
            if isinstance(error, _REFUSED) or isinstance(error.__cause__, _REFUSED):
                raise StoreUnusable(f"The store at {self} refuses the connection: {error}") from error
            raise StoreUnavailable(f"The store at {self} cannot be reached: {error}") from error
        finally:
            _close(link)

    def _link(self, name: str, timeout_s: float) -> AbstractConnection:
        try:
            return self._kind(
                **self._options,
                client_name=name,
                protocol=2,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
            )
        except (TypeError, exceptions.RedisError) as error:
            raise StoreUnusable(f"The options in the store's URL cannot be used: {error}.") from None


def reply_error(text: str) -> Exception:
    """What an error reply becomes: `StoreUnavailable` if the store says "not now", else a `ResponseError`."""
    code = text.partition(" ")[0]
    # 6.2 wraps what a script met: "ERR Error running script (...): ... -READONLY You can't write ..."
    if code in _NOT_NOW or "-READONLY " in text:
        code = "READONLY" if "READONLY" in text else code
        return StoreUnavailable(f"The store refuses for now: {text}", reply=code)
    return cast("Exception", BaseParser.parse_error(text))  # pyright: ignore[reportUnknownMemberType]


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _take_over(link: AbstractConnection) -> asyncio.StreamWriter:
    """The one place that reaches into redis-py: its handshake is done, its transport becomes ours."""
    writer = link._writer  # pyright: ignore[reportPrivateUsage]
    assert writer is not None
    link._writer = link._reader = None  # pyright: ignore[reportPrivateUsage]
    return writer


def _close(link: AbstractConnection) -> None:
    # A cancelled handshake leaves the socket open; after `_take_over` there is nothing to close.
    link._close()  # pyright: ignore[reportPrivateUsage]
