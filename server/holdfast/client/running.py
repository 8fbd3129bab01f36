"""A call that starts a turn, waits for its end and gives what came of it."""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import Any

import msgspec

from holdfast.client.inbox import asked
from holdfast.client.session import Session
from holdfast.core.events import TurnEnd
from holdfast.core.traces import Trace


class Ran(msgspec.Struct, frozen=True):
    """How a turn ended, what came of it, and what was decided in it."""

    session: str
    turn: str
    end: TurnEnd
    result: Any
    #: `{code, message}`, if it failed.
    error: dict[str, Any] | None
    #: What the agent said in it.
    text: str
    trace: Trace

    @property
    def ok(self) -> bool:
        return self.end == "completed"


class _Recorded(msgspec.Struct):
    """What is taken of a turn as it is recorded."""

    trace: Trace = Trace()


async def until_ended(session: Session, http: str, headers: dict[str, str]) -> Ran:
    """Wait until the turn that was caused last has ended. Cancelling leaves it running."""
    over = await session.wait_finished()
    assert over.end is not None, "it is finished"
    name = urllib.parse.quote(over.id, safe="")
    recorded = msgspec.convert(await asyncio.to_thread(asked, f"{http}/v1/turns/{name}", headers), _Recorded)
    said = session.state.messages.get(over.message or "")
    text = said.message.text if said else ""
    return Ran(session.id, over.id, over.end, over.result, over.error, text, recorded.trace)
