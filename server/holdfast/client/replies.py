"""What a server sends, read: frames, and errors by their code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from holdfast.core.errors import HoldfastError
from holdfast.protocol import frames

ServerFrame: TypeAlias = (
    frames.Welcome
    | frames.Attached
    | frames.EventFrame
    | frames.Page
    | frames.Gap
    | frames.Presence
    | frames.Pong
    | frames.Ok
    | frames.Answered
    | frames.AnsweredMany
    | frames.Updated
    | frames.Continued
    | frames.Gated
    | frames.Error
    | frames.Closing
)
#: What a command is answered with.
Reply: TypeAlias = (
    frames.Ok | frames.Answered | frames.AnsweredMany | frames.Updated | frames.Continued | frames.Gated | frames.Page
)

_decoder: msgspec.json.Decoder[ServerFrame] = msgspec.json.Decoder(ServerFrame)


def decode(data: bytes | str) -> ServerFrame | None:
    """A server's frame. None: one of a later version, to be passed over."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError:
        return None


def error_of(code: str, message: str, retry: bool, details: dict[str, Any] | None = None) -> HoldfastError:
    """The error of this code; of a later version's code, one that says the same."""
    kind = _BY_CODE.get(code)
    if kind is None:
        kind = type("HoldfastError", (HoldfastError,), {"code": code, "retry": retry})
    error = kind(message)
    error.details = details or {}
    return error


def error_of_frame(frame: frames.Error) -> HoldfastError:
    return error_of(frame.code, frame.message, frame.retry, frame.details)


def session_of(frame: frames.Error) -> str | None:
    """The session that an error ends for this device; None: it is about something else."""
    return (frame.details or {}).get("session") if frame.ref is None else None


def _tree(kind: type[HoldfastError]) -> Iterator[type[HoldfastError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _tree(narrower)


_BY_CODE = {kind.code: kind for kind in _tree(HoldfastError)}
