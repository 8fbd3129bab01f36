"""The table of limits."""

from __future__ import annotations

from pathlib import Path

import holdfast.protocol.limits as module
from holdfast.protocol.limits import Limits


def test_a_device_is_told_every_limit() -> None:
    assert Limits().told() == {
        "frame_max_bytes": 262_144,
        "queue_max_bytes": 1_048_576,
        "sessions_max": 64,
        "pending_max": 128,
        "bad_frames_max": 20,
        "hello_ms": 10_000,
        "ping_ms": 25_000,
        "pong_ms": 10_000,
        "close_ms": 10_000,
    }


def test_every_limit_says_what_happens_at_it() -> None:
    source = Path(module.__file__).read_text()
    for name in Limits.__struct_fields__:
        before = source[: source.index(f"    {name}: int")].splitlines()[-1]
        assert before.strip().startswith("#:"), name
