"""What every command works with."""

from __future__ import annotations

import msgspec

from holdfast.store.directory import Directory
from holdfast.store.door import Door
from holdfast.store.log import Log
from holdfast.store.manifests import Manifests


class Backend(msgspec.Struct, frozen=True):
    """The store, as commands see it: the door for writes, the logs, and what workers say they can run."""

    door: Door
    log: Log
    manifests: Manifests

    @property
    def directory(self) -> Directory:
        """What is known of people."""
        return Directory(self.door.connection, self.door.keys)
