"""The frames of the native WebSocket by one name, and their codec: JSON objects, told apart by `type`.

Frames only grow: a new field has a default; unknown fields are passed over; an unknown type is an error.
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from holdfast.core.errors import BadRequest, HoldfastError, TooLarge, UnknownFrame
from holdfast.protocol.device_frames import (
    Answer,
    AnswerItem,
    AnswerMany,
    Attach,
    Branch,
    Cancel,
    Claim,
    Continue,
    Detach,
    DeviceFrame,
    DeviceId,
    Feedback,
    Gate,
    Handback,
    Hello,
    History,
    Notify,
    Patch,
    Ping,
    Progress,
    Send,
    Start,
    Takeover,
    ToolUpdate,
    Update,
    Withdraw,
)
from holdfast.protocol.frame import (
    Frame,
    Position,
)
from holdfast.protocol.server_frames import (
    Answered,
    AnsweredMany,
    AnswerResult,
    Attached,
    Closing,
    Continued,
    Device,
    Error,
    EventFrame,
    Gap,
    Gated,
    GateShown,
    Ok,
    Page,
    PageEvent,
    Pong,
    Presence,
    Updated,
    UpdateResult,
    Welcome,
)

__all__ = [
    "FRAME_MAX_BYTES",
    "SUBPROTOCOL",
    "Answer",
    "AnswerItem",
    "AnswerMany",
    "AnswerResult",
    "Answered",
    "AnsweredMany",
    "Attach",
    "Attached",
    "Branch",
    "Cancel",
    "Claim",
    "Closing",
    "Continue",
    "Continued",
    "Detach",
    "Device",
    "DeviceFrame",
    "DeviceId",
    "Error",
    "EventFrame",
    "Feedback",
    "Frame",
    "Gap",
    "Gate",
    "GateShown",
    "Gated",
    "Handback",
    "Hello",
    "History",
    "Notify",
    "Ok",
    "Page",
    "PageEvent",
    "Patch",
    "Ping",
    "Pong",
    "Position",
    "Presence",
    "Progress",
    "Send",
    "Start",
    "Takeover",
    "ToolUpdate",
    "Update",
    "UpdateResult",
    "Updated",
    "Welcome",
    "Withdraw",
    "decode",
    "encode",
    "error_body",
    "error_frame",
    "event_frame",
]

SUBPROTOCOL = "holdfast.v1"
FRAME_MAX_BYTES = 256 * 1024  # either way; a snapshot comes in pages below it

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[DeviceFrame] = msgspec.json.Decoder(DeviceFrame)
_TYPES = {frame.__struct_config__.tag for frame in DeviceFrame.__args__}


def encode(frame: Frame) -> bytes:
    return _encoder.encode(frame)


def decode(data: bytes | str) -> DeviceFrame:
    """A device's frame.

    Raises:
        TooLarge, BadRequest, UnknownFrame: with what is wrong, where, and the frame's `ref` in details if it has one.
    """
    if len(data) > FRAME_MAX_BYTES:
        raise TooLarge(f"A frame is at most {FRAME_MAX_BYTES} bytes.", limit=FRAME_MAX_BYTES)
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"A frame must be one JSON object in UTF-8: {error}", **_ref_in(data)) from None
    except RecursionError:
        raise BadRequest("A frame must not be nested thousands of levels deep.", **_ref_in(data)) from None


def event_frame(session: str, seq: int, at: int, event: bytes, from_: int | None = None) -> bytes:
    """The frame of a stored event: its bytes go in as they are, never encoded again."""
    start = b"" if from_ is None or from_ == seq else b'"from":%d,' % from_
    return b'{"type":"event","session":"%s","seq":%d,"at":%d,%s"event":%s}' % (session.encode(), seq, at, start, event)


def error_body(error: HoldfastError) -> dict[str, Any]:
    """An error of one item among several."""
    body: dict[str, Any] = {"code": error.code, "message": error.message, "retry": error.retry}
    return body | ({"details": error.details} if error.details else {})


def error_frame(error: HoldfastError, ref: str | None = None) -> Error:
    return Error(error.code, error.message, error.retry, ref, error.details or None)


def _decode(data: bytes | str) -> DeviceFrame:
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _refusal(data, str(error)) from None


_REF = re.compile(rb'"ref"\s*:\s*"([\x20\x21\x23-\x5b\x5d-\x7e]{1,128})"')


def _ref_in(data: bytes | str) -> dict[str, str]:
    """The ref of a frame that cannot be read: whoever sent it must learn that it was refused."""
    raw = data if isinstance(data, bytes) else data.encode(errors="replace")
    found = _REF.search(raw)
    return {"ref": found[1].decode()} if found else {}


def _refusal(data: bytes | str, reason: str) -> BadRequest:
    try:
        raw: object = msgspec.json.decode(data)
    except msgspec.DecodeError as error:  # what stands behind a value that has the wrong type already
        return BadRequest(f"A frame must be one JSON object in UTF-8: {error}")
    if not isinstance(raw, dict):
        return BadRequest("A frame must be a JSON object with a `type`.")
    fields = cast("dict[str, Any]", raw)
    ref, kind = fields.get("ref"), fields.get("type")
    details = {"ref": ref} if isinstance(ref, str) else {}
    if kind is None:
        return UnknownFrame("A frame must be a JSON object with a `type`; this one has none.", **details)
    if not isinstance(kind, str) or kind not in _TYPES:
        return UnknownFrame(f"There is no frame of type {str(kind)[:64]!r}.", **details)
    return BadRequest(f"{kind}: {reason}", **details)
