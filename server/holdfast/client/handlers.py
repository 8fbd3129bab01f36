"""Tools that run on this device: a call is claimed, run and answered here, unless another device does it.

    free ──claim──▶ ours ──the handler returns──▶ answered
      ▲              │
      └── lost ◀─────┘   another took over, or it was settled elsewhere: the handler is cancelled

What is another device's is left alone until an event says that it is free.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import uuid
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from holdfast.client.session import Session
from holdfast.core.errors import BadRequest, Conflict, HoldfastError, Refused
from holdfast.core.interrupts import Interrupt

log = logging.getLogger("holdfast.client")

RUNNING_MAX = 16  # handlers at once; what is beyond that is left to other devices, or to later
RENEW_S = 10.0  # a third of what a claim lasts: two may fail
AGAIN_S = 0.5  # after a claim that was refused, before the next look: its event may still be on its way
PROGRESS_S = 0.6  # between two; a server takes one in half a second
ANY = "*"

#: What runs a tool: given its input and the call. What it returns is the output, what it raises the error.
Handler: TypeAlias = "Callable[[Any, ToolCall], Any]"


class ToolCall:
    """A call of a tool that runs on this device."""

    def __init__(self, session: Session, shown: Interrupt, tell: Callable[[Any], None]) -> None:
        self.session = session
        self.interrupt = shown
        self._tell = tell
        self._loop = asyncio.get_running_loop()

    @property
    def id(self) -> str:
        """The call's own id, the same on whatever device it runs: give it to whom a second effect would harm."""
        return self.interrupt.toolCallId or self.interrupt.id

    @property
    def tool(self) -> str:
        return self.interrupt.toolName or ""

    @property
    def input(self) -> Any:
        return self.interrupt.input

    def progress(self, told: Any) -> None:
        """Say how far it is, to all devices: any JSON of at most 4 KiB. Said too often, only the last is told."""
        self._loop.call_soon_threadsafe(self._tell, told)


class Handlers:
    """All handlers of this device, and what they are doing."""

    def __init__(
        self, sessions: Callable[[], Iterable[Session]], spawn: Callable[[Coroutine[Any, Any, None], str], None]
    ) -> None:
        #: How this device is told from others, over all its connections.
        self.device = uuid.uuid4().hex
        self._sessions, self._spawn = sessions, spawn
        self._handlers: dict[str, Handler] = {}
        self._runs: dict[str, _Run] = {}
        #: Answered here, or refused to this device, and not seen to be closed yet.
        self._done: set[str] = set()

    def set(self, tool: str, handler: Handler) -> Callable[[], None]:
        """Have calls of a tool (`*`: of all that have no handler of their own) run here. Returns its off."""
        self._handlers[tool] = handler
        self.look()

        def off() -> None:
            if self._handlers.get(tool) is handler:
                del self._handlers[tool]

        return off

    def look(self) -> None:
        """Begin what can be begun, and drop what was settled elsewhere."""
        if not self._handlers and not self._runs:
            return
        for session in list(self._sessions()):
            if not session.wanted:
                continue
            for shown in session.state.interrupts.values():
                if shown["kind"] == "client_tool":
                    self._look_at(session, shown)

    def connected(self) -> None:
        """There is another connection: what is claimed is claimed over it at once."""
        for run in self._runs.values():
            run.renew()

    def _look_at(self, session: Session, shown: dict[str, Any]) -> None:
        own_id: str = shown["id"]
        run = self._runs.get(own_id)
        if "decision" in shown:
            self._done.discard(own_id)
            if run is not None:
                run.stop()
            return
        handler = self._handlers.get(shown.get("toolName", "")) or self._handlers.get(ANY)
        claim = shown.get("claim")
        held = claim is not None and claim.get("device") != self.device
        if run or held or not handler or own_id in self._done or len(self._runs) >= RUNNING_MAX:
            return
        run = self._runs[own_id] = _Run(session, msgspec.convert(shown, Interrupt), handler, self.device)
        self._spawn(self._carry_out(run), f"holdfast client tool {own_id}")

    async def _carry_out(self, run: _Run) -> None:
        own_id = run.call.interrupt.id
        try:
            outcome = await run.run()
            if outcome == "done":
                self._done.add(own_id)
            elif outcome == "later":
                await asyncio.sleep(AGAIN_S)
        finally:
            del self._runs[own_id]
        self.look()


#: "done": answered, or not ours to answer. "lost": another device has it, or it is settled. "later": not now.
Outcome: TypeAlias = Literal["done", "lost", "later"]


class _Run:
    """One call, from its claim to its answer."""

    def __init__(self, session: Session, shown: Interrupt, handler: Handler, device: str) -> None:
        self.call = ToolCall(session, shown, self._note)
        self._session, self._handler, self._device = session, handler, device
        self._news = asyncio.Event()
        self._told: Any = msgspec.UNSET
        self._working: asyncio.Task[dict[str, Any]] | None = None

    async def run(self) -> Outcome:
        """Claim it, work, answer. Cancelling it leaves it unanswered, and the claim to its end."""
        try:
            await self._claim()
        except HoldfastError as error:
            return "done" if isinstance(error, Refused) and not isinstance(error, Conflict) else "later"
        payload = await self._work()
        return "later" if payload is None else await self._answer(payload)

    def stop(self) -> None:
        """It is settled elsewhere."""
        if self._working is not None:
            self._working.cancel()

    def renew(self) -> None:
        """Say again now that it is done here."""
        self._news.set()

    def _note(self, told: Any) -> None:
        self._told = told
        self._news.set()

    async def _work(self) -> dict[str, Any] | None:
        """The payload to answer with; None: it is not ours any more."""
        self._working = asyncio.create_task(self._handled(), name="holdfast client handler")
        keeping = asyncio.create_task(self._keep(), name="holdfast client claim")
        try:
            await asyncio.wait({self._working, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if self._working.done() and not self._working.cancelled():
                return self._working.result()
            return None
        finally:
            self._working.cancel()
            keeping.cancel()
            await asyncio.gather(self._working, keeping, return_exceptions=True)

    async def _handled(self) -> dict[str, Any]:
        try:
            if inspect.iscoroutinefunction(self._handler):
                output = await self._handler(self.call.input, self.call)
            else:
                output = await asyncio.to_thread(self._handler, self.call.input, self.call)
                output = await output if inspect.isawaitable(output) else output
            return {"output": msgspec.to_builtins(output)}
        except Exception as error:  # noqa: BLE001 - a tool's failure is its answer
            log.info("%s failed on this device: %r", self.call.tool, error)
            return {"error": str(error) or type(error).__name__}

    async def _keep(self) -> None:
        """Say again and again that it is done here, and how far it is. Returns when it is not ours any more."""
        while True:
            try:
                async with asyncio.timeout(RENEW_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            told, self._told = self._told, msgspec.UNSET
            try:
                await (self._claim() if told is msgspec.UNSET else self._progress(told))
            except Conflict:
                return
            except HoldfastError as error:
                log.info("%s could not be kept here: %s", self.call.tool, error.message)
            await asyncio.sleep(0 if told is msgspec.UNSET else PROGRESS_S)

    async def _claim(self) -> None:
        await self._session.claim(self.call.interrupt.id, device=self._device)

    async def _progress(self, told: Any) -> None:
        await self._session.progress(self.call.interrupt.id, told, device=self._device)

    async def _answer(self, payload: dict[str, Any]) -> Outcome:
        """Answer until it is known what became of it: what was done here must not be done again."""
        ref = uuid.uuid4().hex
        while True:
            try:
                await self._session.answer(self.call.interrupt.id, payload=payload, ref=ref, device=self._device)
            except BadRequest as error:
                if "error" in payload:
                    return "done"
                # Else nobody would tell the agent.
                payload, ref = {"error": f"The device's output was refused: {error.message}"}, uuid.uuid4().hex
                continue
            except Conflict:
                return "later"  # it failed here, and another device is doing it
            except HoldfastError as error:
                if not error.retry or self._session.error is not None:
                    return "done"
                await asyncio.sleep(AGAIN_S)
                continue
            return "done"
