"""Modes: what becomes of a message that comes while a turn runs or waits.

    queue     it waits for its turn                steer    the agent that is at work gets it when it next looks
    replace   that turn is cancelled for it        reject   it is refused

Where nothing runs or waits, all are the same: the message causes a turn at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, cast, get_args

from holdfast.core.errors import BadInput

Mode = Literal["queue", "steer", "replace", "reject"]
MODES: tuple[Mode, ...] = get_args(Mode)


def chosen(wanted: str | None, on_message: Mode, allowed: Collection[Mode]) -> Mode:
    """The mode of a message: its own, or its agent's.

    Raises:
        BadInput: the agent does not take messages in this way; with the ways in which it does.
    """
    if wanted is None or wanted == on_message:
        return on_message
    if wanted not in allowed:
        ways = sorted({on_message, *allowed})
        raise BadInput(f"mode: this agent takes {', '.join(ways)}.", modes=ways)
    return cast("Mode", wanted)


def checked(on_message: str, allowed: Iterable[str]) -> tuple[Mode, tuple[Mode, ...]]:
    """What an author declares of an agent.

    Raises:
        ValueError: there is no such mode.
    """
    given = tuple(allowed)
    for mode in (on_message, *given):
        if mode not in MODES:
            raise ValueError(f"{mode!r} is no mode of a message: there are {', '.join(MODES)}")
    return cast("Mode", on_message), cast("tuple[Mode, ...]", given)
