"""A session as a device sees it: its state, folded live, and all that can be asked of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar, cast
from weakref import WeakSet

import msgspec

from holdfast.client.attachment import Attachment, Renewed, Seen
from holdfast.client.feed import Feed
from holdfast.client.replies import Reply
from holdfast.core.errors import Conflict, HoldfastError
from holdfast.core.events import InterruptClosed, InterruptOpened, InterruptUpdated
from holdfast.core.feedback import Target
from holdfast.core.folding import State, TurnState
from holdfast.core.interrupts import GrantWish, Interrupt
from holdfast.protocol import frames
from holdfast.protocol.frames import Answered, Device, Ok, Position, ToolUpdate, UpdateResult

T = TypeVar("T")


class Line(Protocol):
    """What a session needs of its client."""

    async def command(self, frame: frames.Frame, ref: str) -> Reply: ...

    def post(self, frame: frames.Frame) -> None:
        """Send what is not answered, or is asked anew on every connection. Without a connection: nothing."""
        ...


class Session:
    """One session of a client. Commands need no `attach`; `state`, `events` and the waits do."""

    def __init__(self, session: str, line: Line) -> None:
        self.id = session
        #: The devices that are attached, as last told.
        self.devices: list[Device] = []
        #: Why it cannot be attached: it is gone, or not ours. None: nothing is wrong.
        self.error: HoldfastError | None = None
        #: Whether it is to be attached, on this connection and on every later one.
        self.wanted = False
        self._line = line
        self._attachment = Attachment(session)
        self._limit: int | None = None
        self._changed = asyncio.Event()
        self._feeds: WeakSet[Feed] = WeakSet()
        self._answered: set[str] = set()
        self._caused: str | None = None

    # What is known.

    @property
    def state(self) -> State:
        """Everything that was said and done, up to the last position that arrived."""
        return self._attachment.state

    @property
    def position(self) -> Position | None:
        """Where `attach(since=…)` would go on; None: nothing is known yet."""
        return self._attachment.position

    @property
    def attached(self) -> bool:
        """Whether events arrive at present."""
        return self.wanted and self.position is not None and self._attachment.attaching is None

    @property
    def has_older(self) -> bool:
        """Whether `history` would give more."""
        return self._attachment.more

    async def attach(self, since: Position | None = None, limit: int | None = None) -> None:
        """Have the session's events from now on, over all connections, until `detach`. Safe to cancel.

        Without `since`, a snapshot of at most `limit` messages fills the state. With it, all that happened
        since is told as events, and the state begins there too: `Position("", 0)` is the very beginning.

        Raises:
            NotFound, Gone, Forbidden, LimitReached: it is not attached.
        """
        if since is not None:
            self._attachment.start_from(since)
        self._limit, self.wanted, self.error = limit, True, None
        self.reattach()
        await self.wait_for(lambda _: True if self._attachment.attaching is None else None)

    async def detach(self) -> None:
        """Have no more events. What is known stays known."""
        self.wanted, self._attachment.attaching = False, None
        self._line.post(frames.Detach(self.id))

    def events(self) -> AsyncIterator[Seen | Renewed]:
        """What happens from now on, in order. Who reads too slowly is told `Renewed` for what it missed."""
        feed = Feed(self.error)
        self._feeds.add(feed)
        return feed

    # Waiting.

    async def wait_for(self, seek: Callable[[State], T | None]) -> T:
        """What `seek` finds in the state, as soon as it finds something that is not None. Safe to cancel.

        Raises:
            HoldfastError: the session cannot be followed any more.
            RuntimeError: it is not attached.
        """
        while True:
            if self.error is not None:
                raise self.error
            if (found := seek(self.state)) is not None:
                return found
            if not self.wanted:
                raise RuntimeError("Attach to the session before you wait for something in it.")
            await self._changed.wait()

    async def wait_interrupt(
        self, tool: str | None = None, kind: str | None = None, turn: str | None = None
    ) -> Interrupt:
        """The oldest open interrupt (of this tool, kind, turn) that was not answered here. Safe to cancel.

        Raises:
            Conflict: the turn (this one, else the last one caused here) has ended without asking that.
        """
        watched = turn or self._caused

        def fits(shown: dict[str, Any]) -> bool:
            wanted = {"toolName": tool, "kind": kind, "turn": turn}
            return (
                "decision" not in shown
                and shown["id"] not in self._answered
                and all(value is None or shown.get(name) == value for name, value in wanted.items())
            )

        def seek(state: State) -> Interrupt | None:
            found = next(filter(fits, state.interrupts.values()), None)
            if found is not None:
                return msgspec.convert(found, Interrupt)
            over = state.turns.get(watched) if watched else None
            if over is not None and over.status == "finished":
                raise Conflict(
                    f"The turn has ended ({over.end}) and asks nothing more.", turn=over.id, error=over.error
                )
            return None

        return await self.wait_for(seek)

    async def wait_finished(self, turn: str | None = None) -> TurnState:
        """The turn, once it has ended: this one, else the last one caused here, else the newest."""
        wanted = turn or self._caused

        def seek(state: State) -> TurnState | None:
            turns = [state.turns.get(wanted)] if wanted else list(state.turns.values())
            known = [one for one in turns if one is not None]
            newest = max(known, key=lambda one: one.first, default=None)
            return newest if newest is not None and newest.status == "finished" else None

        return await self.wait_for(seek)

    # Commands. `ref` names a command: repeated with the same ref, it is answered again and done once.

    async def send(
        self,
        message: str | dict[str, Any] | None,
        *,
        mode: Literal["queue", "steer", "replace", "reject"] | None = None,
        replaces: str | None = None,
        ref: str | None = None,
    ) -> Ok:
        """Say something: a text, or `{parts: […]}`; with `replaces`, in the place of an earlier message, beside it.

        None, with the agent's message as `replaces`: it is to answer once more.

        While a turn runs or waits, it waits for that one's end (`queue`), is given to its agent (`steer`), takes its
        place (`replace`), or raises SessionBusy (`reject`). None: as the agent has it.
        """
        own = new_ref(ref)
        sent = cast("Ok", await self._line.command(frames.Send(own, self.id, message, mode, replaces), own))
        self.caused(sent)
        return sent

    async def answer(
        self,
        interrupt: str,
        status: Literal["resolved", "cancelled"] = "resolved",
        payload: Any = None,
        *,
        device: str | None = None,
        ref: str | None = None,
    ) -> Answered:
        """Answer an interrupt, `device` being what did it. `lost` comes with the decision that stands.

        Raises:
            BadInput: the payload does not fit.     Forbidden, NotFound: it is not yours to answer.
        """
        own = new_ref(ref)
        frame = frames.Answer(own, self.id, interrupt, status, payload, device)
        answered = cast("Answered", await self._line.command(frame, own))
        if answered.outcome != "recorded":
            self.settled(interrupt)
        return answered

    async def approve(
        self,
        interrupt: str,
        *,
        reason: str | None = None,
        input: Any = msgspec.UNSET,
        metadata: dict[str, Any] | None = None,
        grant: GrantWish | None = None,
        ref: str | None = None,
    ) -> Answered:
        """Say yes to exactly what was shown here, or to the edited arguments `input`.

        The agent and the trail get `metadata` with the reason; a `grant` lets the like pass from now on.

        Raises:
            Conflict: other arguments stand by now; `state` shows them.     As `answer`.
        """
        given = {"reason": reason, "metadata": metadata, "grant": grant, "inputHash": self._seen(interrupt)}
        payload = {"approved": True} | {name: value for name, value in given.items() if value is not None}
        if input is not msgspec.UNSET:
            payload["input"] = input
        return await self.answer(interrupt, payload=payload, ref=ref)

    async def deny(
        self,
        interrupt: str,
        *,
        reason: str | None = None,
        metadata: dict[str, Any] | None = None,
        ref: str | None = None,
    ) -> Answered:
        """Say no. The agent and the trail get `metadata` with the reason."""
        given = {"reason": reason, "metadata": metadata}
        payload = {"approved": False} | {name: value for name, value in given.items() if value is not None}
        return await self.answer(interrupt, payload=payload, ref=ref)

    def _seen(self, interrupt: str) -> str | None:
        """The digest of the arguments that are shown here. None: they are not."""
        shown = self.state.interrupts.get(interrupt, {})
        return (shown.get("edited") or shown).get("inputHash")

    async def claim(
        self, interrupt: str, *, for_ms: int | None = None, device: str | None = None, ref: str | None = None
    ) -> Ok:
        """Say "I am looking at this": for 5 minutes, or `for_ms`; 0 lets go. It keeps nobody from answering.

        Of a client tool: "this device does it", for 30 seconds. `Client.handle` does all of that.

        Raises:
            Conflict: another's claim lasts, or it is settled; `details` has the claim or the decision.
        """
        own = new_ref(ref)
        return cast("Ok", await self._line.command(frames.Claim(own, self.id, interrupt, for_ms, device), own))

    async def progress(self, interrupt: str, told: Any, *, device: str | None = None, ref: str | None = None) -> Ok:
        """Say how far a client tool is, to all devices.

        Raises:
            Conflict: another device does it, or it is settled.     LimitReached: too soon after the last one.
        """
        own = new_ref(ref)
        return cast("Ok", await self._line.command(frames.Progress(own, self.id, interrupt, told, device), own))

    async def continue_turn(self, turn: str, *, ref: str | None = None) -> frames.Continued:
        """Let a turn go on that is ready to continue. `lost` says who did that before.

        Raises:
            Conflict: it is not ready to.
        """
        own = new_ref(ref)
        return cast("frames.Continued", await self._line.command(frames.Continue(own, self.id, turn), own))

    async def switch(self, branch: str, *, ref: str | None = None) -> Ok:
        """Show another branch to everybody, and speak on it from now on; "" is the one on which it began.

        Raises:
            Conflict: a turn runs or waits on the one that is shown.     NotFound: there is no such branch.
        """
        own = new_ref(ref)
        return cast("Ok", await self._line.command(frames.Branch(own, self.id, branch), own))

    async def takeover(self, *, ref: str | None = None) -> Ok:
        """Speak in the agent's place from now on, as an operator. Raises Forbidden, Conflict."""
        own = new_ref(ref)
        return cast("Ok", await self._line.command(frames.Takeover(own, self.id), own))

    async def handback(self, *, answered: bool = False, ref: str | None = None) -> Ok:
        """Let the agent speak again; `answered`: what was written meanwhile needs no turn any more."""
        own = new_ref(ref)
        return cast("Ok", await self._line.command(frames.Handback(own, self.id, answered), own))

    async def withdraw(self, interrupt: str, *, reason: str | None = None, ref: str | None = None) -> Answered:
        """Take back what was asked, as an operator: neither a yes nor a no. The agent reads the reason.

        Raises:
            Forbidden: this person is neither operator nor admin.
        """
        own = new_ref(ref)
        answered = cast("Answered", await self._line.command(frames.Withdraw(own, self.id, interrupt, reason), own))
        self.settled(interrupt)
        return answered

    async def update(
        self, *updates: ToolUpdate, message: str | None = None, ref: str | None = None
    ) -> list[UpdateResult]:
        """Answer tool calls by their ids, the AI SDK's way. One result each, in order."""
        own = new_ref(ref)
        frame = frames.Update(own, self.id, list(updates), message)
        results = cast("frames.Updated", await self._line.command(frame, own)).results
        for result in results:
            if result.interrupt is not None and result.outcome in ("won", "lost"):
                self.settled(result.interrupt)
        return results

    async def patch_state(self, *operations: dict[str, Any], version: int | None = None, ref: str | None = None) -> Ok:
        """Change the shared state (`state.state`) by JSON Patch; with `version`, only if that one stands.

        Raises:
            Conflict: it has another version by now, in `details`; or a `test` failed.
            BadInput, LimitReached: the patch cannot be applied.
        """
        own = new_ref(ref)
        return cast("Ok", await self._line.command(frames.Patch(own, self.id, list(operations), version), own))

    async def feedback(
        self,
        target: Target,
        *,
        score: float | None = None,
        labels: Sequence[str] = (),
        comment: str | None = None,
        correction: Any = None,
        ref: str | None = None,
    ) -> Ok:
        """Say something about a message, an operation or an interrupt; again, in place of what was said before.

        Raises:
            BadInput, LimitReached: it cannot be kept.     NotFound: the target is not there.
        """
        own = new_ref(ref)
        frame = frames.Feedback(own, self.id, target, score, tuple(labels), comment, correction)
        return cast("Ok", await self._line.command(frame, own))

    async def cancel(self, turn: str | None = None, *, ref: str | None = None) -> Ok:
        """Stop a turn, or the one that is active."""
        own = new_ref(ref)
        return cast("Ok", await self._line.command(frames.Cancel(own, self.id, turn), own))

    async def history(self, before: int | None = None, limit: int = 50) -> bool:
        """Complete the state with older messages. Returns whether there are still older ones."""
        own = new_ref(None)
        frame = frames.History(own, self.id, before or self._attachment.before, limit)
        self._attachment.page(cast("frames.Page", await self._line.command(frame, own)))
        self._tell(None)
        return self.has_older

    # What the client tells it.

    def reattach(self) -> None:
        """Ask for everything after what is known."""
        self._line.post(self._attachment.attach(new_ref(None), self._limit))

    def attach_frame(self) -> frames.Attach:
        """What to ask for first on a new connection."""
        return self._attachment.attach(new_ref(None), self._limit)

    def attaches_as(self, ref: str | None) -> bool:
        return ref is not None and self._attachment.attaching == ref

    def received(self, frame: frames.Attached | frames.EventFrame | frames.Gap | frames.Presence) -> bool:
        """A frame about this session. Whether what is asked in it may have changed."""
        match frame:
            case frames.EventFrame():
                seen = self._attachment.event(frame, self.reattach)
                if seen is not None:
                    self._tell(seen)
                    return isinstance(seen.event, InterruptOpened | InterruptUpdated | InterruptClosed)
            case frames.Attached():
                self._tell(self._attachment.attached(frame))
                return True
            case frames.Gap():
                self._attachment.gap()
            case frames.Presence():
                self.devices = frame.devices
                self._tell(None)
        return False

    def fail(self, error: HoldfastError) -> None:
        """It cannot be followed any more."""
        self.error, self.wanted, self._attachment.attaching = error, False, None
        for feed in list(self._feeds):
            feed.end(error)
        self._tell(None)

    def caused(self, reply: Ok) -> None:
        """A command caused a turn: the one that `wait_finished` means."""
        self._caused = reply.turn or self._caused

    def settled(self, interrupt: str) -> None:
        """It was answered here. Its event may still be on its way: it must not be taken for the next question."""
        self._answered.add(interrupt)
        self._forget_answered()

    def _tell(self, news: Seen | Renewed | None) -> None:
        if news is not None:
            for feed in list(self._feeds):
                feed.put(news)
            self._forget_answered()
        self._changed.set()
        self._changed = asyncio.Event()

    def _forget_answered(self) -> None:
        known = self.state.interrupts
        self._answered -= {own_id for own_id in self._answered if "decision" in known.get(own_id, {})}


def new_ref(given: str | None) -> str:
    """A command's name: the caller's, or a new one."""
    return given if given is not None else uuid.uuid4().hex
