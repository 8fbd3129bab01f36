"""What an author gets back: a Result of whatever was asked, and the errors that a replay raises again."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import msgspec

from holdfast.core.interrupts import Decision
from holdfast.core.operations import Outcome
from holdfast.core.traces import Trace

R = TypeVar("R")


class NotDone(Exception):
    """The value of something that was not done was asked for."""


class StepFailed(Exception):
    """A step failed for good. The same on every replay.

    `type` is the name of the exception that the step raised, `message` its text.
    """

    def __init__(self, name: str, type: str, message: str) -> None:
        super().__init__(f"{name}: {type}: {message}")
        self.name, self.type, self.message = name, type, message


class Result(msgspec.Struct, Generic[R], frozen=True):
    """How a tool call, a question, a form or a gate ended.

    `status` tells apart what a careful agent must tell apart: a person's no (`denied`), nobody's answer in time
    (`expired`), one call taken back (`cancelled`, `withdrawn`, `superseded`) and an error (`failed`).
    """

    status: Outcome
    #: The value, if it is done. Use `value`, which refuses otherwise.
    returned: R | None = None
    #: Why not, in words: a person's own, word for word, or the error's.
    reason: str | None = None
    #: Who decided, when a human was asked.
    decision: Decision | None = None
    #: The arguments that counted.
    input: Any = None
    #: Whether they are a human's, and not those of the call.
    edited: bool = False
    #: What was decided about it, and by whom: as `turn.trace` tells it of the whole turn.
    trace: Trace = Trace()

    @property
    def ok(self) -> bool:
        return self.status == "done"

    @property
    def value(self) -> R:
        """The value.

        Raises:
            NotDone: there is none; `status` and `reason` say why.
        """
        if self.status != "done":
            raise NotDone(f"{self.status}: {self.reason}" if self.reason else self.status)
        return cast("R", self.returned)
