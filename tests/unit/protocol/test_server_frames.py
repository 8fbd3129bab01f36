"""What the server says: what is not there is left out, and everything has its tag."""

from __future__ import annotations

import msgspec

from holdfast.protocol import frames, server_frames
from holdfast.protocol.frame import Frame, Position


def test_what_is_not_there_is_left_out() -> None:
    assert frames.encode(server_frames.Ok("r")) == b'{"type":"ok","ref":"r"}'


def test_positions_say_from_and_to() -> None:
    page = msgspec.json.decode(frames.encode(server_frames.Page("r", "s", [], 3, 7, more=True)))
    assert (page["from"], page["to"], page["more"]) == (3, 7, True)
    gap = msgspec.json.decode(frames.encode(server_frames.Gap("s", Position("e", 2), Position("e", 9))))
    assert gap["earliest"] == {"epoch": "e", "seq": 9}


def test_every_frame_has_a_tag_of_its_own() -> None:
    tags = [
        kind.__struct_config__.tag
        for kind in vars(server_frames).values()
        if isinstance(kind, type) and issubclass(kind, Frame) and kind is not Frame
    ]
    assert len(tags) == len(set(tags)) > 0
    assert {tag for tag in tags if isinstance(tag, str)} == set(tags)
