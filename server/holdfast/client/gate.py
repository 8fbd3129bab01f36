"""A gate as its requester sees it: ask, wait, decide. It outlives this process: ask again, and wait on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol, cast

import msgspec

from holdfast.client.attachment import Renewed
from holdfast.client.replies import Reply
from holdfast.client.session import Session, new_ref
from holdfast.core.durations import Duration, milliseconds
from holdfast.core.errors import Unavailable
from holdfast.core.events import InterruptClosed
from holdfast.core.interrupts import Approvers, Decision, OnExpiry
from holdfast.core.ladders import Ladder, text_of
from holdfast.protocol import frames
from holdfast.protocol.frames import Answered, GateShown

RETRY_S = 1.0  # at most, before a server that did not answer is asked again


class Line(Protocol):
    """What a gate needs of its client."""

    async def command(self, frame: frames.Frame, ref: str) -> Reply: ...

    def session(self, session: str) -> Session: ...


class Followed:
    """The sessions that gates are waited for in: attached while anybody waits there."""

    def __init__(self) -> None:
        self._waiting: dict[str, int] = {}

    @asynccontextmanager
    async def following(self, session: Session) -> AsyncGenerator[None]:
        """Have the session's events. One that was attached already stays so."""
        known = self._waiting.get(session.id, 0)
        if known or not session.wanted:
            self._waiting[session.id] = known + 1
        try:
            if not session.wanted:
                await session.attach(limit=1)
            yield
        finally:
            await self._left(session)

    async def _left(self, session: Session) -> None:
        waiting = self._waiting.pop(session.id, 0) - 1
        if waiting > 0:
            self._waiting[session.id] = waiting
        elif waiting == 0 and session.wanted:
            await session.detach()


class Gate:
    """One gate, by the id that its requester gave it, or by its interrupt's id."""

    def __init__(
        self,
        gate: str,
        session: str | None,
        line: Line,
        look: Callable[[str, str | None], Awaitable[GateShown]],
        followed: Followed,
    ) -> None:
        self.id = gate
        self._in = session
        self._line = line
        self._look = look
        self._followed = followed

    async def request(
        self,
        name: str,
        payload: Any = None,
        *,
        message: str | None = None,
        approvers: Approvers | None = None,
        expires: str | datetime | None = None,
        on_expiry: OnExpiry = "deny",
        escalate: Ladder = (),
        metadata: dict[str, Any] | None = None,
        ref: str | None = None,
    ) -> GateShown:
        """Ask people to let `name` pass, with exactly this `payload`. Asked again, it is the same gate.

        `expires` says how long it is open ("2 hours"), or until when.

        Cancelling leaves the outcome unknown: ask again.

        Raises:
            GateReused: this id named a gate that asks something else.
            NotFound, Gone, Forbidden, BadInput, LimitReached: nothing was opened.
        """
        own = new_ref(ref)
        frame = frames.Gate(
            own,
            self.id,
            name,
            payload,
            self._in,
            message,
            approvers,
            _written(expires),
            on_expiry,
            metadata,
            [text_of(rung) for rung in escalate],
        )
        return cast("frames.Gated", await self._line.command(frame, own)).gate

    async def read(self) -> GateShown:
        """The gate as it stands. Raises NotFound, Gone, Forbidden, Unavailable."""
        return await self._look(self.id, self._in)

    async def wait(self, timeout: Duration | None = None) -> Decision:  # noqa: ASYNC109 - words, not seconds
        """The decision, as soon as there is one; at once if there is. Pushed by the server. Safe to cancel.

        Raises:
            TimeoutError: not within `timeout`. The gate stays open: wait again.
            NotFound, Gone, Forbidden: it was never asked for, or cannot be seen any more.
        """
        async with asyncio.timeout(None if timeout is None else milliseconds(timeout) / 1_000):
            shown = await self._seen()
            return shown.decision or await self._decision(shown)

    async def decide(
        self, approved: bool, *, reason: str | None = None, input: Any = msgspec.UNSET, ref: str | None = None
    ) -> Answered:
        """Say yes or no, as far as one may: it won, or it lost to the decision in the answer.

        `input` replaces the payload, where the gate is editable. Raises NotFound, Forbidden, BadInput, Conflict.
        """
        shown = await self.read()
        session = self._line.session(shown.session)
        if approved:
            return await session.approve(shown.interrupt.id, reason=reason, input=input, ref=ref)
        return await session.deny(shown.interrupt.id, reason=reason, ref=ref)

    async def cancel(self) -> None:
        """Take it back: it is decided as cancelled, if nobody was faster."""
        shown = await self.read()
        await self._line.session(shown.session).cancel(shown.interrupt.turn)

    async def _decision(self, shown: GateShown) -> Decision:
        session = self._line.session(shown.session)
        async with self._followed.following(session):
            happening = session.events()
            # Now that nothing can be missed: what was decided before that?
            shown = await self._seen()
            while shown.decision is None:
                news = await anext(happening)
                if isinstance(news, Renewed):
                    shown = await self._seen()
                elif isinstance(news.event, InterruptClosed) and news.event.interrupt == shown.interrupt.id:
                    return news.event.decision
            return shown.decision

    async def _seen(self) -> GateShown:
        """As it stands, once a server can say so: a wait outlives servers."""
        while True:
            try:
                return await self.read()
            except Unavailable:
                await asyncio.sleep(random.uniform(0, RETRY_S))


def _written(expires: str | datetime | None) -> str | None:
    return expires.isoformat() if isinstance(expires, datetime) else expires
