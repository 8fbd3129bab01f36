"""What a command is answered, now and whenever it is repeated.

Stored under the command's ref are the parts that the core knew before the commit. The position is not among
them: the store gives it, and gives it again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.protocol.frames import Ok
from holdfast.store.door import Done


class StoredOk(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of an `ok`."""

    session: str
    turn: str | None = None
    message: str | None = None
    behind: str | None = None
    ahead: int = 0
    steers: bool = False
    version: int | None = None


def stored_ok(
    session: str,
    *,
    turn: str | None = None,
    message: str | None = None,
    behind: str | None = None,
    ahead: int = 0,
    steers: bool = False,
    version: int | None = None,
) -> msgspec.Raw:
    """The reply to store with a commit."""
    return stored(StoredOk(session, turn, message, behind, ahead, steers, version))


def stored(reply: Any) -> msgspec.Raw:
    """Any reply, as it is stored."""
    return msgspec.Raw(msgspec.json.encode(reply))


def ok(ref: str, done: Done) -> Ok:
    """The `ok` of a command that was applied, now or before."""
    reply = msgspec.json.decode(done.reply, type=StoredOk)
    return Ok(
        ref,
        reply.session,
        done.epoch,
        done.last,
        reply.turn,
        reply.message,
        reply.behind,
        reply.ahead,
        reply.steers,
        reply.version,
    )
