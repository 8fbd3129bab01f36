"""Frames made once are the frames that a WebSocket library makes and reads."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from holdfast.protocol.text_frame import TextFrame, header


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 262_144])
def test_a_frame_is_what_the_library_makes(length: int) -> None:
    text = b"x" * length
    made = TextFrame(text)
    assert made.wire == Frame(Opcode.TEXT, text).serialize(mask=False)
    assert made.text == text


def test_several_in_one_write_are_read_one_by_one() -> None:
    texts = [b"{}", "ä€😀".encode(), b"x" * 70_000]
    reader = ClientProtocol(parse_uri("ws://test/"), state=State.OPEN)
    reader.receive_data(b"".join(TextFrame(text).wire for text in texts))
    assert [bytes(event.data) for event in reader.events_received()] == texts


def test_a_header_has_the_length_in_its_shortest_form() -> None:
    assert [len(header(length)) for length in (125, 126, 65_535, 65_536)] == [2, 4, 4, 10]
