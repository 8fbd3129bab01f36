"""Failpoints: places at which a test can have this process die, by name.

`HOLDFAST_FAILPOINT="after commit:wait#2"` kills the process when it reaches that place the second time. Without the
variable, reaching one costs a comparison.
"""

from __future__ import annotations

import os
import signal

_wanted, _, _count = os.environ.get("HOLDFAST_FAILPOINT", "").partition("#")
_left = int(_count or "1")


def reached(name: str) -> None:
    """Die here, as by kill -9, if a test asked for it."""
    global _left
    if not _wanted or name != _wanted:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
