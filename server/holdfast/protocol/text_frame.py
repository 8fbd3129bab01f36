"""A text that is ready to be sent to any number of devices: its WebSocket frame is made once."""

from __future__ import annotations

_FINAL_TEXT = 0x81  # FIN and opcode 1; never masked, for that is the client's part; never compressed


class TextFrame:
    """A text, and the bytes that it is on a WebSocket (RFC 6455, section 5.2)."""

    __slots__ = ("text", "wire")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.wire = header(len(text)) + text


def header(length: int) -> bytes:
    """The header of an unmasked, final text frame of so many bytes."""
    if length < 126:
        return bytes((_FINAL_TEXT, length))
    if length < 65_536:
        return bytes((_FINAL_TEXT, 126)) + length.to_bytes(2, "big")
    return bytes((_FINAL_TEXT, 127)) + length.to_bytes(8, "big")
