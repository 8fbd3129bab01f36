"""What the frames of both directions stand on."""

from __future__ import annotations

import msgspec


class Position(msgspec.Struct, frozen=True):
    """A place in a session's log. `seq` counts 1, 2, 3 …; it means nothing under another epoch. 0: the beginning."""

    epoch: str
    seq: int


class Frame(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """What all frames have in common: the tag `type`."""
