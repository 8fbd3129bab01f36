"""What all frames have in common."""

from __future__ import annotations

import msgspec

from holdfast.protocol.device_frames import Cancel
from holdfast.protocol.frame import Position


def test_a_frame_is_told_by_its_type_and_says_nothing_of_what_it_lacks() -> None:
    assert msgspec.json.encode(Cancel("r", "s")) == b'{"type":"cancel","ref":"r","session":"s"}'


def test_a_later_version_may_say_more() -> None:
    said = b'{"type":"cancel","ref":"r","session":"s","more":1}'
    assert msgspec.json.decode(said, type=Cancel) == Cancel("r", "s")


def test_a_position_needs_both() -> None:
    assert msgspec.json.decode(b'{"epoch":"e","seq":4}', type=Position) == Position("e", 4)
