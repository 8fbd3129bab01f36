"""Sampling: which of the calls that nobody is asked about are shown to somebody afterwards.

Drawn by a hash and not by chance: the same call is drawn, or not, whoever looks and however often. The session's salt
is in it, so that nobody can choose what a call is named and thereby whether it is looked at.
"""

from __future__ import annotations

import hashlib

_STEPS = 2**32  # of a hash: four bytes of it tell a hundredth of a percent from the next by far


def check_share(share: float | None) -> None:
    """Let pass a share of calls, in percent. Raises ValueError."""
    if share is not None and (isinstance(share, bool) or not 0 <= share <= 100):
        raise ValueError(f"sample: a share of calls is 0 to 100 percent, not {share}")


def drawn(share: float, salt: str, call: str) -> bool:
    """Whether this call is one of `share` percent."""
    place = int.from_bytes(hashlib.sha256(f"sample {salt} {call}".encode()).digest()[:4])
    return place * 100 < share * _STEPS
