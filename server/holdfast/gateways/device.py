"""One device on a WebSocket: what it asks for is done, and answered in order.

Commands of one session are performed one after the other, in the order in which they came: of two sends, the
first x answered yet, nothing more is read: the network then tells the device to wait, and nothing is lost or
reordered. What was received in full is done even if the device is gone by then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from holdfast.commands import (
    answering,
    answering_many,
    branching,
    cancelling,
    claiming,
    continuing,
    feedback,
    gating,
    leaving,
    notifying,
    patching,
    sending,
    starting,
    taking_over,
    updating,
    withdrawing,
)
from holdfast.commands.backend import Backend
from holdfast.core.errors import (
    HoldfastError,
    NotImplementedYet,
    TokenExpired,
    Unauthenticated,
    Unavailable,
)
from holdfast.core.identity import Principal
from holdfast.gateways.auth import Authenticates
from holdfast.hub.hub import Hub
from holdfast.hub.subscriber import Subscriber
from holdfast.protocol import close_codes, frames
from holdfast.protocol.close_codes import CloseCode
from holdfast.protocol.connection import Authenticate, Close, Connection, Perform, Pong, Refuse, Step
from holdfast.protocol.frames import Device
from holdfast.protocol.limits import Limits

log = logging.getLogger(__name__)

VIA = "websocket"
LOOK_AGAIN_S = 3_600.0  # a deadline may be years away, and the clock may be set meanwhile


#: What is done for every transport alike: the frame is the command.
COMMANDS: dict[type[frames.Frame], Callable[[Backend, Principal, Any, str], Awaitable[frames.Frame]]] = {
    frames.Start: starting.start,
    frames.Send: sending.send,
    frames.AnswerMany: answering_many.answer_many,
    frames.Update: updating.update,
    frames.Withdraw: withdrawing.withdraw,
    frames.Cancel: cancelling.cancel,
    frames.Gate: gating.request,
    frames.Continue: continuing.carry_on,
    frames.Patch: patching.patch,
    frames.Takeover: taking_over.take_over,
    frames.Branch: branching.switch,
    frames.Handback: taking_over.hand_back,
    frames.Feedback: feedback.give,
    frames.Notify: notifying.notify,
}

#: What a device claims is soon free when its connection is gone.
CLAIMS: dict[type[frames.Frame], Callable[[Backend, Principal, Any, str, str], Awaitable[frames.Frame]]] = {
    frames.Claim: claiming.claim,
    frames.Progress: claiming.progress,
}
CLAIMS_MAX = 256  # that one connection is remembered to hold; older ones end by their deadline


class Services(msgspec.Struct, frozen=True):
    """What every device needs of the server."""

    hub: Hub
    backend: Backend
    authenticator: Authenticates
    limits: Limits = Limits()


class ConnectedDevice:
    """A device, from its connect to its end. Call `run` once."""

    def __init__(self, services: Services, connection: str, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self._services = services
        self.connection = connection
        self._machine = Connection(services.limits, _now_ms())
        self._device: Device | None = None
        self._lanes: dict[str, deque[frames.DeviceFrame]] = {}
        self._tasks = asyncio.TaskGroup()
        self._room = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        #: Interrupts that were claimed here, the oldest first.
        self._claimed: dict[str, None] = {}

    async def run(self, messages: AsyncIterator[bytes], known: Callable[[], Awaitable[Principal | None]]) -> None:
        """Converse until the device is gone. `known`: who it is, if the handshake told; it may raise."""
        self._look_at_deadline()
        try:
            async with self._tasks:
                await self._converse(messages, known)
        finally:
            self._stop_timer()
            self.subscriber.lost()
            self._services.hub.leave(self.subscriber)
            await self._let_go()

    def tell_closing(self, reconnect_after_ms: int) -> None:
        """The server goes away, and this connection with it after that time."""
        self.subscriber.send(frames.Closing(reconnect_after_ms))

    def close(self, code: CloseCode) -> None:
        """End the connection and say why."""
        self.subscriber.close(code)

    async def _converse(self, messages: AsyncIterator[bytes], known: Callable[[], Awaitable[Principal | None]]) -> None:
        await self._let_in(known(), name=None)
        async for data in messages:
            if self.subscriber.closed:
                continue  # it was closed while this was under way; its agreement to that is still to come
            await self._take(self._machine.receive(data))
            while self._machine.full:
                self._room.clear()
                await self._room.wait()
        self.subscriber.lost()

    async def _take(self, step: Step) -> None:
        match step:
            case Perform():
                self._enqueue(step)
            case Pong():
                self.subscriber.send(frames.Pong(_now_ms()))
            case Refuse():
                self.subscriber.send(frames.error_frame(step.error, step.ref))
            case Authenticate():
                await self._let_in(self._services.authenticator.authenticate(step.hello.token), step.hello.device)
            case Close():
                self._close(step)

    # Who is there.

    async def _let_in(self, asked: Awaitable[Principal | None], name: str | None) -> None:
        try:
            principal = await asked
        except TokenExpired as error:
            return self._close(Close(close_codes.TOKEN_EXPIRED, error))
        except Unavailable as error:
            return self._close(Close(close_codes.UNAVAILABLE, error))
        except HoldfastError as error:
            return self._close(Close(close_codes.UNAUTHENTICATED, error))
        if principal is None:  # a hello is to come
            return None
        self._machine.welcome(principal)
        self._device = Device(self.connection, principal.subject, principal.name, name)
        self._look_at_deadline()
        limits = self._services.limits.told()
        shown = _shown(principal) | await self._stands_in(principal)
        self.subscriber.send(frames.Welcome(self.connection, shown, limits, _now_ms()))
        return None

    async def _stands_in(self, principal: Principal) -> dict[str, Any]:
        """For whom a deputy may answer: a hint for what to show, which must not keep anybody out."""
        try:
            found = await leaving.deputy_for(self._services.backend, principal)
        except Unavailable:
            return {}
        return {"deputyFor": msgspec.to_builtins(found)} if found else {}

    def _look_at_deadline(self) -> None:
        self._stop_timer()
        close = self._machine.overdue(_now_ms())
        if close is not None:
            error = TokenExpired() if close.code is close_codes.TOKEN_EXPIRED else Unauthenticated()
            return self._close(Close(close.code, error))
        if self._machine.deadline_ms is not None:
            left_s = (self._machine.deadline_ms - _now_ms()) / 1000
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(left_s, LOOK_AGAIN_S), self._look_at_deadline)
        return None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self, close: Close) -> None:
        if close.error is not None:
            self.subscriber.send(frames.error_frame(close.error))
        self.subscriber.close(close.code)

    # Commands: a lane for each session that has any.

    def _enqueue(self, step: Perform) -> None:
        lane = self._lanes.get(step.lane)
        if lane is None:
            lane = self._lanes[step.lane] = deque()
            self._tasks.create_task(self._work_off(step.lane, lane))
        lane.append(step.frame)

    async def _work_off(self, name: str, lane: deque[frames.DeviceFrame]) -> None:
        while lane:
            await self._answer(lane.popleft())
            self._machine.settled()
            self._room.set()
        del self._lanes[name]

    async def _answer(self, frame: Any) -> None:
        try:
            reply = await self._perform(frame)
        except HoldfastError as error:
            reply = frames.error_frame(error, frame.ref)
        except Exception:
            log.exception("A %s could not be answered.", type(frame).__name__)
            reply = frames.error_frame(HoldfastError("Something failed here; it is in the log."), frame.ref)
        if reply is not None:
            self.subscriber.send(reply)

    async def _perform(self, frame: frames.DeviceFrame) -> frames.Frame | None:
        principal, backend, hub = self._principal, self._services.backend, self._services.hub
        if command := COMMANDS.get(type(frame)):
            return await command(backend, principal, frame, VIA)
        if claims := CLAIMS.get(type(frame)):
            return await self._claim(claims(backend, principal, frame, VIA, self.connection), frame)
        match frame:
            case frames.Answer():
                device = self._device.device if self._device else None
                return await answering.answer(backend, principal, frame, VIA, device)
            case frames.Attach():
                return await self._attach(frame)
            case frames.Detach():
                hub.detach(self.subscriber, frame.session)
                return frames.Ok(frame.ref, frame.session) if frame.ref else None
            case frames.History():
                return await hub.history(principal, frame)
            case _:
                raise NotImplementedYet

    async def _claim(self, under_way: Awaitable[frames.Frame], frame: Any) -> frames.Frame:
        reply = await under_way
        self._claimed.pop(frame.interrupt, None)
        self._claimed[frame.interrupt] = None
        if len(self._claimed) > CLAIMS_MAX:
            del self._claimed[next(iter(self._claimed))]
        return reply

    async def _let_go(self) -> None:
        """What was claimed here is free in a moment. Where this cannot be said, it is when its time is over."""
        for interrupt in self._claimed:
            try:
                await claiming.connection_gone(self._services.backend, interrupt, self.connection)
            except HoldfastError as error:
                log.info("A claim of %s stays until its end: %s", self.connection, error.message)
                return

    async def _attach(self, frame: frames.Attach) -> None:
        hub, session = self._services.hub, frame.session

        def ended() -> None:
            self._machine.attached.discard(session)

        try:
            await hub.attach(self.subscriber, self._principal, frame, device=self._device, on_end=ended)
        except BaseException:
            if not hub.attached(self.subscriber, session):
                ended()
            raise

    @property
    def _principal(self) -> Principal:
        if self._machine.principal is None:
            raise Unauthenticated
        return self._machine.principal


def _shown(principal: Principal) -> dict[str, Any]:
    shown = {
        "subject": principal.subject,
        "roles": list(principal.roles),
        "can": list(principal.can),
        "name": principal.name,
        "actor": principal.actor,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
