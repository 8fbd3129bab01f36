"""A Lua script, addressed by the digest of its text."""

from __future__ import annotations

import hashlib


class Script:
    """A named Lua script.

    The digest is computed here and never asked of the store, so the first call of a script is already
    one round trip.
    """

    __slots__ = ("name", "sha", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        # Not for security: SHA-1 is how EVALSHA addresses a script.
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"Script({self.name!r}, {self.sha[:8]})"
