"""Where a part of the agent's message stands in AG-UI, whose messages are one text and then some calls.

So one message of ours is several of theirs. Their ids follow from the order of the parts alone: whoever reads the
history and whoever saw it stream have the same messages.
"""

from __future__ import annotations

from typing import Literal


class Places:
    """The messages that one of ours becomes, found part after part."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._made = 0
        self._kind: Literal["text", "calls", "reasoning"] | None = None
        self._current = ""

    def text(self) -> str:
        """The message of a text: always one of its own."""
        return self._begin("text")

    def reasoning(self) -> str:
        """The message of a thought: likewise."""
        return self._begin("reasoning")

    def call(self) -> str:
        """The message of a call: that of the text or the calls before it."""
        if self._kind not in ("text", "calls"):
            return self._begin("calls")
        self._kind = "calls"
        return self._current

    def step(self) -> None:
        """What comes now is of another step."""
        self._kind = None

    def _begin(self, kind: Literal["text", "calls", "reasoning"]) -> str:
        self._made += 1
        self._kind = kind
        self._current = self._message if self._made == 1 else f"{self._message}#{self._made}"
        return self._current


def result_id(call: str) -> str:
    """The message that holds what came of a call."""
    return f"{call}#result"
