"""What a device says: what is left out, what is null, what has a least value."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.core.errors import BadRequest
from holdfast.protocol import device_frames, frames
from holdfast.protocol.frame import Frame


def test_an_output_of_null_is_an_output() -> None:
    item = {"type": "tool-output-available", "toolCallId": "c"}
    update = {"type": "update", "ref": "r", "session": "s"}
    [given_null] = frames.decode(msgspec.json.encode(update | {"updates": [item | {"output": None}]})).updates  # type: ignore[union-attr]
    [nothing] = frames.decode(msgspec.json.encode(update | {"updates": [item]})).updates  # type: ignore[union-attr]
    assert given_null.output is None
    assert nothing.output is msgspec.UNSET


@pytest.mark.parametrize("fields", ['"before":0', '"before":5,"limit":0', '"before":-1', '"before":5,"limit":-3'])
def test_a_page_has_a_place_and_a_length(fields: str) -> None:
    with pytest.raises(BadRequest, match="history"):
        frames.decode(f'{{"type":"history","ref":"r","session":"s",{fields}}}')


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_a_device_names_itself_shortly(name: str) -> None:
    claim = {"type": "claim", "ref": "r", "session": "s", "interrupt": "i", "device": name}
    with pytest.raises(BadRequest, match="device"):
        frames.decode(msgspec.json.encode(claim))


def test_everything_that_a_device_may_say_is_decoded() -> None:
    said = {
        kind
        for kind in vars(device_frames).values()
        if isinstance(kind, type) and issubclass(kind, Frame) and not kind.__subclasses__()
    }
    assert said == set(device_frames.DeviceFrame.__args__)
