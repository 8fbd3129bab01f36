"""A device in Python: attach to sessions, send, answer, wait.

    async with holdfast.client.connect("http://localhost:8700", token=token) as client:
        session = await client.start("support", message="Refund A-17, please.")
        asked = await session.wait_interrupt()
        answered = await session.approve(asked.id, reason="Fine.")     # "won", or "lost" to somebody faster
        turn = await session.wait_finished()

A lost connection is the client's business: it comes back, repeats the commands that were not answered under
their old refs, and goes on from the position it had. Losing a race is a result; what cannot be done raises
one of `holdfast.core.errors`.
"""

from holdfast.client.attachment import Renewed, Seen
from holdfast.client.device import Client, connect
from holdfast.client.gate import Gate
from holdfast.client.handlers import Handler, ToolCall
from holdfast.client.link import Token
from holdfast.client.running import Ran
from holdfast.client.session import Session
from holdfast.core.feedback import Target
from holdfast.core.interrupts import GrantWish
from holdfast.protocol.frames import (
    Answered,
    AnswerItem,
    AnswerResult,
    GateShown,
    Ok,
    Position,
    ToolUpdate,
    UpdateResult,
)

__all__ = [
    "AnswerItem",
    "AnswerResult",
    "Answered",
    "Client",
    "Gate",
    "GateShown",
    "GrantWish",
    "Handler",
    "Ok",
    "Position",
    "Ran",
    "Renewed",
    "Seen",
    "Session",
    "Target",
    "Token",
    "ToolCall",
    "ToolUpdate",
    "UpdateResult",
    "connect",
]
