"""What all stored records share: a version, which is what commits guard."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

RecordKind = Literal["session", "turn", "interrupt", "state", "schedule", "feedback", "standing"]


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A record as it was read, or as it is to be. A commit that sets it guards the version it was read at."""

    kind: ClassVar[RecordKind]
    #: How often it has been written. 0: not yet.
    version: int = 0

    @property
    def id(self) -> str:
        raise NotImplementedError
