"""Sessions over REST: start, list, read, send, members, delete."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from holdfast.commands import branching, deleting, membership, reading, sending, starting, taking_over
from holdfast.gateways.rest.exchange import VIA, Exchange, Reply
from holdfast.protocol.frames import Branch, Handback, Send, Start, Takeover


class NewSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """What starts a session. A turn begins if `message` or `input` is given."""

    #: Empty: a session without an agent, for a state and gates.
    agent: str = ""
    id: str | None = None
    #: What the agent gets beside, or instead of, a message. Null is an input too.
    input: Any = msgspec.UNSET
    #: A text, or `{id?, parts: [...]}`.
    message: Any = None
    title: str | None = None
    metadata: dict[str, Any] | None = None
    ref: str | None = None


class Started(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session, and where its log is."""

    id: str
    epoch: str
    seq: int
    ref: str
    turn: str | None = None
    message: str | None = None


class NewMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message to send."""

    message: Any
    mode: Literal["queue", "steer", "replace", "reject"] | None = None
    replaces: str | None = None
    ref: str | None = None


class NewHandback(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a session is handed back. The body may be left out."""

    #: The messages that queued meanwhile need no turn any more.
    answered: bool = False
    ref: str | None = None


class NewBranch(msgspec.Struct, frozen=True, omit_defaults=True):
    """The branch to be shown and spoken on; empty: the one on which the session began."""

    branch: str
    ref: str | None = None


async def start(exchange: Exchange) -> Reply:
    body: NewSession = exchange.body
    ref = exchange.ref
    frame = Start(ref, body.agent, body.id, body.input, body.message, body.title, body.metadata)
    done = await starting.start(exchange.backend, exchange.principal, frame, VIA)
    started = Started(done.session or "", done.epoch or "", done.seq or 0, ref, done.turn, done.message)
    return Reply(started, 201, {"Location": f"/v1/sessions/{started.id}"})


async def sessions(exchange: Exchange) -> Reply:
    limit = exchange.number("limit") or reading.SESSIONS_PAGE
    return Reply(await reading.sessions(exchange.backend, exchange.principal, exchange.query("cursor"), limit))


async def session(exchange: Exchange) -> Reply:
    limit = exchange.number("limit")
    return Reply(await reading.snapshot(exchange.backend, exchange.principal, exchange.path("id"), limit))


async def delete(exchange: Exchange) -> Reply:
    own_id, ref = exchange.path("id"), exchange.ref
    return Reply(await deleting.delete(exchange.backend, exchange.principal, own_id, ref, VIA))


async def send(exchange: Exchange) -> Reply:
    body: NewMessage = exchange.body
    frame = Send(exchange.ref, exchange.path("id"), body.message, body.mode, body.replaces)
    return Reply(await sending.send(exchange.backend, exchange.principal, frame, VIA), 201)


async def take_over(exchange: Exchange) -> Reply:
    frame = Takeover(exchange.ref, exchange.path("id"))
    return Reply(await taking_over.take_over(exchange.backend, exchange.principal, frame, VIA))


async def hand_back(exchange: Exchange) -> Reply:
    body: NewHandback = exchange.body
    frame = Handback(exchange.ref, exchange.path("id"), body.answered)
    return Reply(await taking_over.hand_back(exchange.backend, exchange.principal, frame, VIA))


async def switch(exchange: Exchange) -> Reply:
    body: NewBranch = exchange.body
    frame = Branch(exchange.ref, exchange.path("id"), body.branch)
    return Reply(await branching.switch(exchange.backend, exchange.principal, frame, VIA))


async def put_member(exchange: Exchange) -> Reply:
    own_id, subject = exchange.path("id"), exchange.path("sub")
    return Reply(await membership.put_member(exchange.backend, exchange.principal, own_id, subject, exchange.ref))


async def remove_member(exchange: Exchange) -> Reply:
    own_id, subject = exchange.path("id"), exchange.path("sub")
    return Reply(await membership.remove_member(exchange.backend, exchange.principal, own_id, subject, exchange.ref))
