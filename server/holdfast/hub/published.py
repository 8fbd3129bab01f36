"""What commit.lua publishes: a header line, and the bytes of its events, one after the other."""

from __future__ import annotations

import msgspec

from holdfast.store.log import Entry

PRESENCE = b"presence\n"  # who is there has changed; a commit's payload never starts so


class Batch(msgspec.Struct, frozen=True):
    """The events of one commit."""

    epoch: str
    entries: list[Entry]


def parse(payload: bytes) -> Batch | None:
    """The events in a payload; None: it is something else."""
    line, _, body = payload.partition(b"\n")
    epoch, *numbers = line.split(b" ")
    if len(numbers) < 3:
        return None
    first, at, *lengths = map(int, numbers)
    entries: list[Entry] = []
    start = 0
    for offset, length in enumerate(lengths):
        entries.append(Entry(first + offset, at, body[start : start + length]))
        start += length
    return Batch(epoch.decode(), entries)
