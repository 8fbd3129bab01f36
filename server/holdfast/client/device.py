"""The client: one device, its link, its sessions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, cast

import msgspec

from holdfast.client.address import Address, parse
from holdfast.client.gate import Followed, Gate
from holdfast.client.handlers import Handler, Handlers
from holdfast.client.inbox import decide_workflow, read_gate, read_inbox
from holdfast.client.link import Link, State, Token
from holdfast.client.pending import Pending
from holdfast.client.reconnecting import Waits
from holdfast.client.replies import Reply, ServerFrame, error_of_frame, session_of
from holdfast.client.running import Ran, until_ended
from holdfast.client.session import Session, new_ref
from holdfast.core.errors import HoldfastError, Unavailable
from holdfast.core.interrupts import Interrupt
from holdfast.protocol import frames
from holdfast.protocol.frames import Answered, AnswerItem, AnswerResult

OPEN_S = 15.0
RETRY_ATTACH_S = 1.0  # after an attach that could not be done now


def connect(
    url: str,
    *,
    token: Token | None = None,
    device: str | None = None,
    headers: Mapping[str, str] | None = None,
    open_timeout_s: float = OPEN_S,
    waits: Waits | None = None,
) -> Client:
    """A device at the server at `url`; use it with `async with`.

    `token` is a token, or a function (async or not) that gives a fresh one for each connection; None takes
    the one in the link, or authenticates by `headers` alone. `device` is how the others see this device
    ("Alice's phone"). Entering waits for the first connection.

    Raises:
        ValueError: `url` is none of a server.
        Unauthenticated, Forbidden, NotFound: entering; the server refuses this device.
        Unavailable: entering; no server answered in time.
    """
    return Client(
        parse(url),
        token,
        device=device,
        headers=headers,
        open_timeout_s=open_timeout_s,
        waits=waits,
    )


class Client:
    """One device. All of it belongs to the event loop in which it was entered."""

    def __init__(
        self,
        where: Address,
        token: Token | None,
        *,
        device: str | None,
        headers: Mapping[str, str] | None,
        open_timeout_s: float,
        waits: Waits | None,
    ) -> None:
        self._where = where
        self._token: Token | None = token if token is not None else where.token
        self._headers = dict(headers or {})
        self._open_timeout_s = open_timeout_s
        self._link = Link(where.websocket, self._token, self, device=device, headers=self._headers, waits=waits)
        self._pending = Pending()
        self._sessions: dict[str, Session] = {}
        self._followed = Followed()
        self._changed = asyncio.Event()
        self._error: HoldfastError | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers = Handlers(self._sessions.values, self._start)
        #: What the server said when it let us in: who we are, and its limits.
        self.welcome: frames.Welcome | None = None

    async def __aenter__(self) -> Client:
        self._start(self._link.run(), "holdfast client")
        try:
            async with asyncio.timeout(self._open_timeout_s):
                await self._wait_open()
        except TimeoutError:
            await self.close()
            trouble = self._link.trouble or "no answer"
            raise Unavailable(f"No server let us in at {self._where.http}: {trouble}") from None
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave. What was asked and is not answered yet has an unknown outcome."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def connection(self) -> State:
        """How the link is doing: "waiting" means that it comes back by itself, "closed" that it does not."""
        return self._link.state

    def session(self, session: str) -> Session:
        """The session of this id, always the same object. Nothing is asked of the server yet."""
        if session not in self._sessions:
            self._sessions[session] = Session(session, self)
        return self._sessions[session]

    async def start(
        self,
        agent: str = "",
        message: str | dict[str, Any] | None = None,
        input: Any = msgspec.UNSET,
        *,
        id: str | None = None,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        ref: str | None = None,
        attach: bool = True,
    ) -> Session:
        """Start a session, and its first turn if there is a `message` or an `input`.

        Without an agent it has neither: it is for a shared state and gates.

        Raises:
            UnknownAgent, AlreadyExists, BadInput, Forbidden: nothing was started.
        """
        own = new_ref(ref)
        frame = frames.Start(own, agent, id, input, message, title, metadata)
        started = cast("frames.Ok", await self.command(frame, own))
        session = self.session(cast("str", started.session))
        session.caused(started)
        if attach:
            await session.attach()
        return session

    async def run(
        self,
        agent: str,
        message: str | dict[str, Any] | None = None,
        input: Any = msgspec.UNSET,
        *,
        id: str | None = None,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        ref: str | None = None,
    ) -> Ran:
        """Start a session with a turn, and wait for its end: its result, and in `trace.approvals` what was decided.

        Others answer what it asks meanwhile, however long that takes. Cancelling leaves the turn running.

        Raises:
            ValueError: there is neither a message nor an input, so that no turn would begin.
            As `start`, and as waiting in a session does.
        """
        if message is None and input is msgspec.UNSET:
            raise ValueError("A turn begins with a message or an input; give one.")
        session = await self.start(agent, message, input, id=id, title=title, metadata=metadata, ref=ref)
        return await until_ended(session, self._where.http, await self._authorized())

    async def answer_many(self, answers: Iterable[AnswerItem], *, ref: str | None = None) -> list[AnswerResult]:
        """Answer up to 100 interrupts, of one session or of many: one result each, in their order.

        What becomes of one never touches the others: an error of an item is in its result.

        Raises:
            TooLarge, BadRequest: nothing was answered.
        """
        own, items = new_ref(ref), list(answers)
        results = cast("frames.AnsweredMany", await self.command(frames.AnswerMany(own, items), own)).results
        for item, result in zip(items, results, strict=True):
            if result.outcome in ("won", "lost"):
                self.session(item.session).settled(item.interrupt)
        return results

    async def notify(self, text: str, *, to: Iterable[str] = (), ref: str | None = None) -> frames.Ok:
        """Tell people something outside any turn: it stands in the session that is returned, and needs no answer.

        The same `ref` again is the same notice. `to` is whom webhooks and hooks are to give it; without it, you.

        Raises:
            BadInput, Forbidden, LimitReached: nothing was told.
        """
        own = new_ref(ref)
        return cast("frames.Ok", await self.command(frames.Notify(own, text, tuple(to)), own))

    def handle(self, tool: str, handler: Handler) -> Callable[[], None]:
        """Run the calls of a client tool here, in all attached sessions; returns its off.

            client.handle("location", lambda input, call: gps.locate(input["accuracy"]))

        `handler(input, call)` is async, or runs in a thread; what it returns is the output, what it raises the error.
        `*` stands for all tools without a handler of their own. Of several devices one runs a call, and another
        takes over when it is gone. A handler is cancelled when another device has taken over, or settled the call.
        Turning it off lets what runs come to its end.
        """
        return self._handlers.set(tool, handler)

    async def inbox(self) -> list[Interrupt]:
        """All open interrupts that this device's person may answer, over all sessions."""
        return await read_inbox(self._where.http, await self._authorized())

    def gate(self, gate: str, *, session: str | None = None) -> Gate:
        """The gate of this id: one of ours, by the name that we give it (in `session`, if it is to stand there);
        or any, by its interrupt's id. Nothing is asked of the server yet."""
        return Gate(gate, session, self, self._look, self._followed)

    async def approve_workflow(self, turn: str, *, reason: str | None = None, ref: str | None = None) -> Answered:
        """Let a turn pass the one gate at which it waits, by naming the turn. `lost` says who decided before.

        Cancelling leaves the outcome unknown: repeat it with the same `ref`.

        Raises:
            Conflict: not exactly one of its gates is open; `details["open"]` has those that are, by their ids.
            NotFound, Gone, Forbidden: it is not there, or not yours to decide.
        """
        return await self._decide_workflow(turn, reason, ref, approved=True)

    async def reject_workflow(self, turn: str, *, reason: str | None = None, ref: str | None = None) -> Answered:
        """Say no at the one gate at which a turn waits; otherwise as `approve_workflow`."""
        return await self._decide_workflow(turn, reason, ref, approved=False)

    async def _decide_workflow(self, turn: str, reason: str | None, ref: str | None, *, approved: bool) -> Answered:
        headers = await self._authorized()
        return await decide_workflow(
            self._where.http, headers, turn, approved=approved, reason=reason, ref=new_ref(ref)
        )

    async def _look(self, gate: str, session: str | None) -> frames.GateShown:
        return await read_gate(self._where.http, await self._authorized(), gate, session)

    async def _authorized(self) -> dict[str, str]:
        token = self._token() if callable(self._token) else self._token
        token = await token if inspect.isawaitable(token) else token
        return self._headers | ({"Authorization": f"Bearer {token}"} if token else {})

    async def command(self, frame: frames.Frame, ref: str) -> Reply:
        """Ask for whatever a frame of `holdfast.protocol.frames` can say, under its ref; its reply.

        It is sent again until it is answered, over as many connections as that takes, and done once.
        """
        return await self._pending.ask(self._link, ref, frames.encode(frame))

    # What sessions use.

    def post(self, frame: frames.Frame) -> None:
        self._link.send(frames.encode(frame))

    # What the link tells.

    def connected(self, welcome: frames.Welcome) -> list[bytes]:
        self.welcome = welcome
        self._note()
        self._handlers.connected()
        attaches = [session.attach_frame() for session in self._sessions.values() if session.wanted]
        return [frames.encode(frame) for frame in attaches] + self._pending.all()

    def received(self, frame: ServerFrame) -> None:
        match frame:
            case frames.EventFrame() | frames.Attached() | frames.Gap() | frames.Presence():
                session = self._sessions.get(frame.session)
                if session is not None and session.received(frame):
                    self._handlers.look()
            case (
                frames.Ok()
                | frames.Answered()
                | frames.AnsweredMany()
                | frames.Updated()
                | frames.Continued()
                | frames.Gated()
                | frames.Page()
            ):
                self._pending.settle(frame.ref, frame)
            case frames.Error():
                self._refused(frame)
            case _:
                pass

    def stopped(self, error: HoldfastError) -> None:
        self._error = error
        self._pending.stop(error)
        for session in self._sessions.values():
            session.fail(error)
        self._note()

    def _refused(self, frame: frames.Error) -> None:
        error = error_of_frame(frame)
        for session in self._sessions.values():
            if session.attaches_as(frame.ref) and error.retry:
                self._start(self._attach_later(session, frame.ref), "holdfast client attach")
                return
            if session.attaches_as(frame.ref) or (frame.ref is None and session_of(frame) == session.id):
                session.fail(error)
                return
        self._pending.settle(frame.ref, error)

    async def _attach_later(self, session: Session, ref: str | None) -> None:
        await asyncio.sleep(RETRY_ATTACH_S)
        if session.attaches_as(ref):
            session.reattach()

    async def _wait_open(self) -> None:
        while self.welcome is None:
            if self._error is not None:
                raise self._error
            await self._changed.wait()

    def _note(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _start(self, work: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
